"""`nemotron profiles check` on a real Slurm: what is right, and what would keep jobs away."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from slurm_cluster import SlurmCluster
from slurm_cluster.fixtures import WITHOUT_ACCOUNTING

from nemotron.cli.main import main


class Checked:
    """What one call of the command said."""

    def __init__(self, code: int, document: dict[str, Any]) -> None:
        self.code = code
        self.checks = {(item["name"], item["state"]): item for item in document["checks"]}

    def states(self) -> set[tuple[str, str]]:
        """Every thing that was looked at, with what was found."""
        return set(self.checks)

    def failure(self, name: str) -> tuple[str, str]:
        """The sentence and the cure of something that is wrong."""
        found = self.checks[name, "failed"]
        return found["says"], found["cure"]


Check = Callable[..., Checked]


@pytest.fixture(params=["local", "ssh"])
def tunnel(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Check:
    """Write a profile, and have it looked at."""
    monkeypatch.chdir(tmp_path)

    def look(**keys: object) -> Checked:
        usual: dict[str, object] = {
            "executor": "slurm",
            "account": "research",
            "partition": "batch",
            "remote_job_dir": str(tmp_path / "far"),
        }
        lines = [f"{name} = {json.dumps(value)}" for name, value in (usual | keys).items()]
        (tmp_path / "env.toml").write_text("\n".join(["[cluster]", *lines]) + "\n")
        capsys.readouterr()
        code = main(["profiles", "check", "cluster", "--json"])
        return Checked(code, json.loads(capsys.readouterr().out))

    return look


def reached(tunnel: str) -> dict[str, object]:
    return {"host": "lab"} if tunnel == "ssh" else {}


def test_a_profile_that_works_is_ready(
    cluster: SlurmCluster,
    tunnel: str,
    tmp_path: Path,
    check: Check,
) -> None:
    image = cluster.add_image("nemo.sqsh")
    done = check(
        **reached(tunnel),
        run_partition="interactive",
        nodes=2,
        gpus=2,
        time="00:05:00",
        image=str(image),
        mounts=[str(tmp_path)],
    )
    connection = {("host", "ok"), ("key", "ok")} if tunnel == "ssh" else {("host", "ok")}
    assert done.states() == {
        *connection,
        *(("NeMo-Run", "ok"), ("sbatch", "ok"), ("sacct", "ok"), ("partition", "ok")),
        *(("account", "ok"), ("request", "ok"), ("folder", "ok"), ("disk", "ok")),
        *(("image", "ok"), ("rsync", "ok")),
    }
    assert done.code == 0
    assert not (tmp_path / "far").exists()


def test_what_keeps_jobs_away_is_named_with_its_cure(
    cluster: SlurmCluster,
    tunnel: str,
    tmp_path: Path,
    check: Check,
) -> None:
    done = check(
        **reached(tunnel),
        partition="bacth",
        account="nobody",
        image=str(cluster.places.images / "absent.sqsh"),
        mounts=["/absent/folder"],
        remote_job_dir="/proc/jobs",
    )
    assert done.code == 1
    says, cure = done.failure("partition")
    assert says == "There is no partition bacth."
    assert "batch interactive urgent" in str(cure)
    says, cure = done.failure("account")
    assert says == "You may not charge nobody."
    assert "research" in str(cure)
    says, _ = done.failure("request")
    assert says.startswith("Slurm refuses it: ")
    says, cure = done.failure("image")
    assert "absent.sqsh is not there" in says
    assert "enroot import" in str(cure)
    assert done.failure("mount")[0] == "/absent/folder is not there."
    says, cure = done.failure("folder")
    assert says.startswith("/proc/jobs cannot be written to: ")
    assert "remote_job_dir" in str(cure)


def test_more_than_the_cluster_has_is_refused_by_slurm_itself(
    cluster: SlurmCluster,
    tmp_path: Path,
    check: Check,
) -> None:
    assert cluster.environment
    done = check(nodes=99)
    assert "than permitted" in done.failure("request")[0]


@WITHOUT_ACCOUNTING
def test_no_accounting_is_a_loss_and_no_fault(
    cluster_without_accounting: SlurmCluster,
    tunnel: str,
    tmp_path: Path,
    check: Check,
) -> None:
    assert cluster_without_accounting.environment
    done = check(**reached(tunnel))
    assert done.code == 0
    assert "accounting" in done.checks["sacct", "warning"]["says"]
    assert ("account", "unknown") in done.states()


def test_a_controller_that_does_not_answer_is_told_once(
    cluster: SlurmCluster, tmp_path: Path, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Path(cluster.environment["SLURM_CONF"]).read_text()
    unused = re.sub(r"(?m)^SlurmctldPort=.*$", "SlurmctldPort=1", config)
    (tmp_path / "slurm.conf").write_text(f"{unused}\nMessageTimeout=2\n")
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    done = check()
    says, cure = done.failure("controller")
    assert says == "The Slurm controller does not answer."
    assert "scontrol ping" in cure
    assert {name for name, state in done.states() if state == "failed"} == {"controller"}


@pytest.mark.parametrize("folder", ["/home/it's mine", "/home/a b", "/home/%j"])
def test_a_folder_that_no_job_can_lie_in_is_told(
    cluster: SlurmCluster, folder: str, check: Check
) -> None:
    assert cluster.environment
    says, cure = check(remote_job_dir=folder).failure("folder")
    assert "cannot be a folder of jobs" in says
    assert "letters, digits" in cure


def test_a_host_that_does_not_answer_is_told_at_once(
    cluster: SlurmCluster,
    tmp_path: Path,
    check: Check,
) -> None:
    assert cluster.environment
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        done = check(host="127.0.0.1", port=port)
    assert done.states() == {("NeMo-Run", "ok"), ("host", "failed")}
    assert "Connection refused" in done.failure("host")[0]


def test_a_key_that_is_refused_asks_for_nothing(
    cluster: SlurmCluster,
    tmp_path: Path,
    check: Check,
) -> None:
    cluster.ssh.configure("DenyUsers *")
    done = check(host="lab")
    assert done.states() == {
        *(("NeMo-Run", "ok"), ("host", "ok"), ("host key", "ok"), ("key", "failed")),
    }
    assert "ssh-agent" in str(done.failure("key")[1])


def test_a_host_key_that_is_not_known_is_told_with_the_command_that_keeps_it(
    cluster: SlurmCluster,
    tmp_path: Path,
    check: Check,
) -> None:
    reach = {"host": "localhost", "port": cluster.ssh.port, "identity": str(cluster.ssh.key)}
    done = check(**reach)
    assert ("host", "ok") in done.states()
    assert "ssh-keyscan" in str(done.failure("host key")[1])


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with hardly any room, which takes root."""
    folder = tmp_path / "full"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(folder)]
    subprocess.run(mount, check=True, timeout=60)
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=60)


def test_a_full_disk_is_told_before_a_job_finds_it(
    cluster: SlurmCluster,
    tunnel: str,
    full_disk: Path,
    tmp_path: Path,
    check: Check,
) -> None:
    assert cluster.environment
    keys = reached(tunnel) | {"remote_job_dir": str(full_disk / "jobs")}
    done = check(**keys)
    says, cure = done.failure("folder")
    assert "No space left on device" in says
    assert "free some space" in str(cure)
    assert not list(full_disk.iterdir())
