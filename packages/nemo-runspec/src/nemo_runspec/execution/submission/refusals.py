"""What Slurm says when it refuses a job, as one sentence with its cure."""

from __future__ import annotations

import re

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.profiles import SlurmProfile
from nemo_runspec.explaining import KnownFailure, last_line, recognize

# Filled in are {name} (of the profile), {where} (the machine), {partition}, {account}, {qos},
# {time} and {reason} (Slurm's own last words).
_REFUSALS = (
    KnownFailure(
        re.compile(r"Invalid partition name|invalid partition specified"),
        "There is no partition {partition} on {where}.",
        "Choose one that `sinfo` lists there: partition = … in [{name}], or run.env.partition=….",
    ),
    KnownFailure(
        re.compile(r"Invalid account or account/partition combination"),
        "The account {account} may not use the partition {partition} on {where}.",
        "Choose one that `sacctmgr show associations user=$USER` lists there: account = … in "
        "[{name}], or run.env.account=….",
    ),
    KnownFailure(
        re.compile(r"Invalid qos"),
        "There is no quality of service {qos} for the account {account} on {where}.",
        "Choose another one: qos = … in [{name}], or run.env.qos=….",
    ),
    KnownFailure(
        re.compile(r"Requested time limit is invalid|Invalid time limit specification"),
        "The partition {partition} on {where} has no room for the time {time}.",
        "Ask for less, or choose another partition: time = … in [{name}], or run.env.time=….",
    ),
    KnownFailure(
        re.compile(
            r"Requested node configuration is not available|Node count specification invalid"
            r"|More processors requested than permitted|Invalid generic resource"
            r"|Memory specification can not be satisfied|Invalid node name"
        ),
        "No machines of the partition {partition} on {where} fit the job: {reason}.",
        "Compare nodes, GPUs, CPUs and memory of [{name}] with `sinfo -N -l` there.",
    ),
    KnownFailure(
        re.compile(r"sbatch: not found|sbatch: command not found"),
        "There is no sbatch on {where}.",
        "Name a login node of the cluster as 'host' of [{name}], or run the command there.",
    ),
    KnownFailure(
        re.compile(r"Unable to contact slurm controller|Socket timed out|slurm_persist_conn_open"),
        "The Slurm controller does not answer {where}.",
        "Try again later; `scontrol ping` there tells when it is back.",
    ),
    KnownFailure(
        re.compile(r"unrecognized option|invalid option"),
        "Slurm on {where} does not know an option: {reason}.",
        "Leave it out of [{name}].",
    ),
)


def explain_refusal(
    profile: SlurmProfile, partition: str | None, where: str, said: str
) -> ExecutionError:
    """Turn what was printed on standard error into an error.

    Args:
        profile: What was asked for.
        partition: The partition that was asked for; None for the cluster's own choice.
        where: The machine that sbatch ran on.
        said: All that it printed there.
    """
    facts = {
        "name": profile.name,
        "where": where,
        "partition": repr(partition) if partition else "that is the default",
        "account": repr(profile.account),
        "qos": repr(profile.qos),
        "time": repr(profile.time),
        "reason": _reason(said),
    }
    recognized = recognize(_REFUSALS, said)
    if recognized is not None:
        refusal, _ = recognized
        return ExecutionError(
            refusal.what.format(**facts),
            where=f"profile {profile.name}",
            hint=refusal.hint.format(**facts),
        )
    return ExecutionError(
        f"Slurm on {where} refuses the job: {facts['reason']}.", where=f"profile {profile.name}"
    )


def _reason(said: str) -> str:
    return re.sub(r"^(?:\w+: )?error: ", "", last_line(said) or "no reason given")
