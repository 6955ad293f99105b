"""Submissions that go wrong: one sentence with its cure, and nothing of the job stays behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from slurm_cluster import SlurmCluster
from slurm_recipes import KEY, over_ssh, prepare, write_profile
from ssh_server.server import as_nobody

from nemo_runspec.errors import ExecutionError, NemotronError, ProfileError, TransferError
from nemo_runspec.execution.jobs import read_record
from nemo_runspec.execution.shells import Finished, LocalShell, SshShell
from nemo_runspec.execution.submission import PreparedSubmission, stage, submit
from nemo_runspec.execution.submission.model import slurm_profile

_NEEDED = ("sh", "mkdir", "find", "mktemp", "tar", "gzip", "mv", "rm", "rmdir", "chmod", "cat")


@pytest.fixture
def workplace(
    cluster: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A folder to submit from; when the test has ended, no run directory may be left in it."""
    folder = tmp_path / "work"
    folder.mkdir()
    write_profile(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DEMO_API_KEY", KEY)
    yield folder
    assert list(folder.glob(".nemotron/runs/*/*")) == []


def ask_far(folder: Path, *lines: str) -> Path:
    """Let the profile lead to the login node; return the folder there."""
    far = folder.parent / "far"
    write_profile(folder, *over_ssh(far), *lines)
    return far


@pytest.fixture(scope="module")
def prepared_once(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PreparedSubmission]:
    """A job for this machine and one for the login node; NeMo-Run takes seconds for each."""
    made = {}
    for name in ("here", "far"):
        folder = tmp_path_factory.mktemp(name)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setenv("DEMO_API_KEY", KEY)
            base = folder / "jobs"
            far = over_ssh(base) if name == "far" else (f'remote_job_dir = "{base}"',)
            write_profile(folder, *far)
            made[name] = prepare(folder)
    return made


@pytest.fixture
def here(prepared_once: dict[str, PreparedSubmission], workplace: Path) -> PreparedSubmission:
    return fresh(prepared_once["here"], workplace)


@pytest.fixture
def far(prepared_once: dict[str, PreparedSubmission], workplace: Path) -> PreparedSubmission:
    return fresh(prepared_once["far"], workplace)


def fresh(prepared: PreparedSubmission, workplace: Path) -> PreparedSubmission:
    """The same job in a run directory of this test."""
    folder = workplace / ".nemotron/runs/demo-train/one"
    shutil.copytree(prepared.folder, folder, symlinks=True)
    contents = folder / prepared.contents.relative_to(prepared.folder)
    return replace(prepared, folder=folder, contents=contents)


def reached_by(prepared: PreparedSubmission, **settings: Any) -> PreparedSubmission:
    """The same job by another way to the login node."""
    return replace(prepared, profile=replace(prepared.profile, **settings))


def left_there(prepared: PreparedSubmission) -> list[Path]:
    return [item for item in Path(prepared.place.base).rglob("*") if item.is_file()]


class Doubled(LocalShell):
    """A shell in which something happens right after a step."""

    def __init__(self, step: str, happens: Callable[[], None]) -> None:
        self.step = step
        self.happens = happens

    def run(self, script: str, **options: Any) -> Finished:
        done = super().run(script, **options)
        if self.step in script:
            self.happens()
        return done


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def lose_the_reply() -> None:
    raise TransferError("The connection to lab was lost.")


def asking_for(prepared: PreparedSubmission, **keys: Any) -> PreparedSubmission:
    """The same job with other wishes."""
    lines = "".join(f"#SBATCH --{name}={value}\n" for name, value in keys.items())
    # Of two lines about one wish the later counts.
    options, last, rest = prepared.script.rpartition("#SBATCH")
    option, _, commands = rest.partition("\n")
    script = f"{options}{last}{option}\n{lines}{commands}"
    (prepared.contents / Path(prepared.place.script).name).write_text(script)
    return replace(reached_by(prepared, **keys), script=script)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"partition": "nights"}, "There is no partition 'nights' on this machine"),
        ({"account": "nobody"}, "The account 'nobody' may not use the partition that is"),
        ({"nodes": 4}, "No machines of the partition that is the default on this machine"),
    ],
)
def test_what_slurm_refuses(here: PreparedSubmission, keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ExecutionError, match=told) as caught:
        submit(asking_for(here, **keys))

    assert caught.value.where == "profile lab"
    assert caught.value.hint


def test_a_folder_there_that_is_not_named(workplace: Path) -> None:
    write_profile(workplace, 'host = "lab"')

    with pytest.raises(ProfileError, match="'lab' goes over ssh and has no 'remote_job_dir'") as it:
        prepare(workplace)

    assert it.value.hint == "Write remote_job_dir = … under [lab]."


def test_an_image_that_is_not_there(here: PreparedSubmission) -> None:
    with pytest.raises(ExecutionError, match=r"container image /no/such.sqsh is not on this"):
        submit(replace(here, image="/no/such.sqsh"))


def test_a_refused_job_leaves_nothing_on_the_cluster(far: PreparedSubmission) -> None:
    with pytest.raises(ExecutionError, match="no partition 'nights' on lab") as caught:
        submit(asking_for(far, partition="nights"))

    assert "[lab]" in str(caught.value)
    assert list(Path(far.place.base).iterdir()) == []


def test_a_folder_to_mount_that_may_be_on_the_machines_alone(
    cluster: SlurmCluster, workplace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.add_image("nemo")
    prepared = prepare(
        workplace, "run.env.container_image=nemo", "run.env.mounts=['/no/such/folder:/data']"
    )

    record = submit(prepared)

    assert "/no/such/folder, which the job's container mounts, is not on this" in caplog.text
    assert cluster.wait_for(record.scheduler_id or "") != "COMPLETED"
    shutil.rmtree(prepared.folder)


def test_a_cluster_without_containers(
    cluster: SlurmCluster,
    here: PreparedSubmission,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "srun").write_text("#!/bin/sh\necho usage\n")
    (programs / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{cluster.environment['PATH']}")

    with pytest.raises(ExecutionError, match="Slurm on this machine runs no containers"):
        submit(replace(here, image="nvcr.io/nvidia/nemo:25.07"))


def test_a_machine_without_sbatch(
    here: PreparedSubmission, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in _NEEDED:
        (programs / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(programs))

    with pytest.raises(ExecutionError, match="There is no sbatch on this machine"):
        submit(here)


def test_a_controller_that_does_not_answer(
    here: PreparedSubmission,
    cluster: SlurmCluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = cluster.places.slurm_conf.read_text()
    port = f"SlurmctldPort={cluster.places.controller_port}"
    assert port in config
    other = tmp_path / "slurm.conf"
    other.write_text(config.replace(port, "SlurmctldPort=1") + "\nMessageTimeout=1\n")
    monkeypatch.setenv("SLURM_CONF", str(other))

    with pytest.raises(ExecutionError, match="The Slurm controller does not answer"):
        submit(here)


def test_a_host_that_cannot_be_reached(far: PreparedSubmission) -> None:
    with pytest.raises(TransferError, match=r"lab cannot be reached: .*Connection refused"):
        submit(reached_by(far, port=1))


def test_a_key_that_is_refused(
    far: PreparedSubmission, cluster: SlurmCluster, tmp_path: Path
) -> None:
    accepted = cluster.ssh.folder / "authorized_keys"
    accepted.rename(tmp_path / "authorized_keys")
    try:
        with pytest.raises(TransferError, match="lab refuses the key"):
            submit(far)
    finally:
        (tmp_path / "authorized_keys").rename(accepted)


def test_a_host_key_that_is_not_known(far: PreparedSubmission, cluster: SlurmCluster) -> None:
    known = cluster.ssh.known_hosts.read_text()
    cluster.ssh.known_hosts.write_text("")
    try:
        with pytest.raises(TransferError, match="The host key of lab is not known"):
            submit(far)
    finally:
        cluster.ssh.known_hosts.write_text(known)


def test_a_folder_there_that_cannot_be_written_to(
    far: PreparedSubmission, cluster: SlurmCluster
) -> None:
    Path(far.place.base).mkdir(mode=0o755, exist_ok=True)
    cluster.ssh.configure(*cluster.ssh.settings, as_nobody())

    with pytest.raises(TransferError, match="The folder on lab cannot be written to"):
        submit(far)


@pytest.fixture
def small_disk(far: PreparedSubmission) -> Iterator[Path]:
    base = Path(far.place.base)
    base.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(base)], check=True)
    yield base
    subprocess.run(["umount", str(base)], check=True)


@pytest.mark.parametrize("put", [submit, stage])
@pytest.mark.usefixtures("small_disk")
def test_a_disk_there_that_is_full(
    far: PreparedSubmission, put: Callable[[PreparedSubmission], object]
) -> None:
    with pytest.raises(TransferError, match="The disk of lab is full"):
        put(far)

    assert left_there(far) == []


def test_a_disk_here_that_is_full(workplace: Path) -> None:
    runs = workplace / ".nemotron/runs"
    runs.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(runs)], check=True)
    try:
        with pytest.raises(NemotronError, match="No space left"):
            prepare(workplace)
    finally:
        subprocess.run(["umount", str(runs)], check=True)


def test_an_interruption_after_the_files_were_sent(
    here: PreparedSubmission, cluster: SlurmCluster
) -> None:
    with pytest.raises(KeyboardInterrupt):
        submit(here, shell=Doubled("tar -xzf", interrupt))

    assert left_there(here) == []
    assert cluster.run("squeue", "--noheader") == ""


class Interrupted(SshShell):
    """A shell whose user gives up when all has arrived, and is not yet where it belongs."""

    def __init__(self, prepared: PreparedSubmission, folder: Path) -> None:
        target = slurm_profile(prepared).ssh_target()
        assert target is not None
        super().__init__(target)
        self.arrived, self.goes_on, self.ended = (folder / name for name in ("a", "b", "c"))
        for pipe in (self.arrived, self.goes_on, self.ended):
            os.mkfifo(pipe)

    def run(self, script: str, **options: Any) -> Finished:
        if "mv -T" not in script:
            return super().run(script, **options)
        wait = f": >{self.arrived}; read -r _ <{self.goes_on}; mv -T"
        threading.Thread(target=self.interrupt).start()
        return super().run(f"{script.replace('mv -T', wait)}: >{self.ended}\n", **options)

    def interrupt(self) -> None:
        self.arrived.read_text()
        os.kill(os.getpid(), signal.SIGINT)

    def end(self) -> None:
        self.goes_on.write_text("\n")
        self.ended.read_text()


def test_what_arrives_after_an_interruption_is_gone(
    far: PreparedSubmission, tmp_path: Path
) -> None:
    with Interrupted(far, tmp_path) as shell:
        with pytest.raises(KeyboardInterrupt):
            submit(far, shell=shell)
        shell.end()

    assert left_there(far) == []


def test_an_interruption_while_slurm_takes_the_job_waits_until_it_is_written_down(
    here: PreparedSubmission, cluster: SlurmCluster
) -> None:
    with pytest.raises(KeyboardInterrupt):
        submit(here, shell=Doubled("sbatch --parsable", interrupt))

    record = read_record(here.folder)
    assert cluster.wait_for(record.scheduler_id or "") == "COMPLETED"
    clear(here)


def test_an_answer_that_is_lost_is_looked_up(
    here: PreparedSubmission, cluster: SlurmCluster
) -> None:
    record = submit(here, shell=Doubled("sbatch --parsable", lose_the_reply))

    assert cluster.wait_for(record.scheduler_id or "") == "COMPLETED"
    clear(here)


def test_a_job_that_cannot_be_written_down_is_taken_back(
    here: PreparedSubmission, cluster: SlurmCluster
) -> None:
    (here.folder / "job.json").mkdir()
    (here.folder / "job.json/in the way").touch()

    with pytest.raises(ExecutionError, match="record cannot be written"):
        submit(here)

    assert left_there(here) == []
    assert cluster.run("squeue", "--noheader", "--states=PENDING,RUNNING") == ""


def test_another_job_of_the_same_name_is_left_alone(far: PreparedSubmission) -> None:
    other = Path(far.place.experiment_dir)
    other.mkdir(parents=True)
    (other / "mine").touch()

    with pytest.raises(ExecutionError, match="is there already on lab"):
        submit(far)

    assert [item.name for item in left_there(far)] == ["mine"]
    clear(far)


def clear(prepared: PreparedSubmission) -> None:
    shutil.rmtree(prepared.place.base)
    shutil.rmtree(prepared.folder, ignore_errors=True)


def test_code_that_changes_after_it_was_prepared(workplace: Path) -> None:
    far = ask_far(workplace)
    prepared = prepare(workplace, packager="code")
    (workplace / "new.py").write_text("")

    with pytest.raises(ExecutionError, match="code changed while the job was prepared"):
        submit(prepared)

    assert [item.name for item in far.iterdir()] == [".code"]
