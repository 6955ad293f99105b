"""What jobs of a Slurm cluster need, from the login node's point of view."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping

from nemo_runspec.errors import NemotronError, ProfileError, TransferError
from nemo_runspec.execution.checking.login_node import as_script, read_facts
from nemo_runspec.execution.checking.model import Check, failed, passed, unknown, warned
from nemo_runspec.execution.profiles.slurm import SlurmProfile, require_folder_of_jobs
from nemo_runspec.execution.shells import ClusterShell, open_shell

_TIME_LIMIT_S = 45
_LEAST_BYTES = 1 << 30
# What the sentence of a refused connection speaks of, and what was fine before it.
_STEPS = (
    ("is not known", "host key"),
    ("is not the one that is known", "host key"),
    ("refuses the key", "key"),
    ("refuses every key", "key"),
)


def check_slurm(profile: SlurmProfile) -> Iterator[Check]:
    """Look at the connection, the commands, the partitions, the account, the folder, the image."""
    try:
        shell = open_shell(profile)
    except NemotronError as error:
        yield failed("keys", error.what, error.hint)
        return
    with shell:
        try:
            done = shell.run(as_script(profile), timeout_s=_TIME_LIMIT_S, check=False)
        except TransferError as error:
            yield from _refused(profile, error)
            return
        yield from _connected(profile, shell)
    facts = read_facts(done.stdout)
    yield from _commands(facts)
    if facts.get("controller") == "no":
        cure = "Try again later; `scontrol ping` there tells when it is back."
        yield failed("controller", "The Slurm controller does not answer.", cure)
    elif facts.get("sbatch") == "yes":
        yield from _partitions(profile, facts)
        yield from _account(profile, facts)
        yield from _request(facts)
    yield from _folder(profile, facts)
    yield from _containers(profile, facts)
    yield from _mounts(profile, facts)
    yield _rsync(profile, facts)


def _connected(profile: SlurmProfile, shell: ClusterShell) -> Iterator[Check]:
    if not profile.over_ssh:
        yield passed("host", "Jobs are submitted on this machine.")
        return
    yield passed("host", f"{shell.where} answers, and its key is known.")
    yield passed("key", "It accepts the key.")


def _refused(profile: SlurmProfile, error: TransferError) -> Iterator[Check]:
    step = next((name for words, name in _STEPS if words in error.what), "host")
    if step != "host":
        yield passed("host", f"{profile.host} answers.")
    if step == "key":
        yield passed("host key", "It is known.")
    yield failed(step, error.what, error.hint)


def _commands(facts: Mapping[str, str]) -> Iterator[Check]:
    if facts.get("sbatch") != "yes":
        yield failed(
            "sbatch",
            "There is no sbatch.",
            "Name a login node in 'host', or add Slurm's commands to PATH in ~/.profile there.",
        )
        return
    yield passed("sbatch", f"Slurm {facts.get('version', '?')} takes jobs.")
    if facts.get("sacct") == "yes":
        yield passed("sacct", "Accounting tells how jobs ended.")
        return
    reason = facts.get("sacct_says") or "there is no sacct"
    yield warned(
        "sacct",
        f"There is no accounting ({reason.rstrip('.')}).",
        "How a job ended is read from the file that it leaves; a node that dies leaves none.",
    )


def _partitions(profile: SlurmProfile, facts: Mapping[str, str]) -> Iterator[Check]:
    for name in dict.fromkeys(profile.partition_for(mode) for mode in ("run", "batch")):
        if name is None:
            yield _usual_partition(facts)
            continue
        state = facts.get(f"partition {name}", "")
        if not state:
            known = facts.get("partitions") or "none"
            yield failed(
                "partition", f"There is no partition {name}.", f"Name one of these: {known}."
            )
        elif state != "UP":
            yield failed("partition", f"{name} is {state}.", "Name another, or wait.")
        else:
            yield passed("partition", f"{name} is up.")


def _usual_partition(facts: Mapping[str, str]) -> Check:
    usual = facts.get("default_partition")
    if usual:
        return passed("partition", f"The profile names none; {usual} is the usual one.")
    known = facts.get("partitions") or "none"
    return failed(
        "partition",
        "The profile names none, and the cluster has no usual one.",
        f"Write partition = … with one of these: {known}.",
    )


def _account(profile: SlurmProfile, facts: Mapping[str, str]) -> Iterator[Check]:
    if profile.account is None:
        return
    known = [name for name in facts.get("accounts", "").split(",") if name]
    if facts.get("accounts_known") != "yes":
        yield unknown("account", "The cluster keeps no accounts that could be asked.")
    elif profile.account in known:
        yield passed("account", f"{profile.account} may be charged.")
    elif known:
        yield failed(
            "account",
            f"You may not charge {profile.account}.",
            f"Name one of yours: {', '.join(known)}.",
        )
    else:
        yield failed(
            "account",
            f"You may not charge {profile.account}: you have no account.",
            "Ask the cluster's administrators for one.",
        )


def _request(facts: Mapping[str, str]) -> Iterator[Check]:
    """What Slurm itself says of the nodes, the time and the rest; it queues nothing."""
    if facts.get("request") == "yes":
        yield passed("request", "Slurm would take a job of this size.")
        return
    reason = facts.get("request_says", "").rstrip(".")
    if reason:
        yield failed("request", f"Slurm refuses it: {reason}.", "Change what the profile asks for.")


def _folder(profile: SlurmProfile, facts: Mapping[str, str]) -> Iterator[Check]:
    folder = profile.remote_job_dir
    if folder is None:
        return
    try:
        require_folder_of_jobs(folder)
    except ProfileError as error:
        yield failed("folder", error.what, error.hint)
        return
    if facts.get("folder") != "yes":
        reason = facts.get("folder_says") or "it may not be written to"
        yield failed(
            "folder",
            f"{folder} cannot be written to: {reason.rstrip('.')}.",
            "Choose another 'remote_job_dir', or free some space there.",
        )
        return
    yield passed("folder", f"{folder} can be written to.")
    free = facts.get("free_kib", "")
    if not free.isdecimal():
        yield unknown("disk", "How much is free is not told.")
    elif int(free) * 1024 < _LEAST_BYTES:
        yield failed(
            "disk", f"{int(free) // 1024:,} MiB are free.", "Free some space, or choose another."
        )
    else:
        yield passed("disk", f"{int(free) >> 20:,} GiB are free.")


def _containers(profile: SlurmProfile, facts: Mapping[str, str]) -> Iterator[Check]:
    image = profile.container_image
    if image is None:
        return
    if facts.get("pyxis") == "no":
        yield failed(
            "containers",
            "srun has no --container-image there.",
            "Leave the image out, or have pyxis installed on the cluster.",
        )
    if not image.startswith(("/", "~", ".")) and not image.endswith(".sqsh"):
        yield unknown("image", f"{image} is pulled when a job starts.")
    elif facts.get("image") == "yes":
        yield passed("image", f"{image} is there.")
    else:
        yield failed(
            "image",
            f"{image} is not there, or may not be read.",
            f"Make it there: enroot import -o {image} docker://REGISTRY#NAME:TAG",
        )


def _mounts(profile: SlurmProfile, facts: Mapping[str, str]) -> Iterator[Check]:
    for at, mount in enumerate(profile.mounts):
        source = mount.partition(":")[0]
        if facts.get(f"mount {at}") == "no":
            yield failed("mount", f"{source} is not there.", "Create it, or correct 'mounts'.")


def _rsync(profile: SlurmProfile, facts: Mapping[str, str]) -> Check:
    where = [
        *(["this machine"] if profile.over_ssh and shutil.which("rsync") is None else []),
        *(["the login node"] if facts.get("rsync") != "yes" else []),
    ]
    if not where:
        return passed("rsync", "It is there.")
    return warned(
        "rsync",
        f"{' and '.join(where).capitalize()} has none: code that is sent is sent whole.",
        "Install rsync there.",
    )
