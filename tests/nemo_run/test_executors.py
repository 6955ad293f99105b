"""NeMo-Run's own executors run what our packagers give them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nemo_run as run
import pytest
from nemo_run.core.execution.base import Executor
from ssh_server.fixtures import server, shared_server, target

from nemo_runspec.packaging.code import SshTarget
from nemo_runspec.packaging.nemo_run import CodePackager, SelfContainedPackager

__all__ = ["server", "shared_server", "target"]

RECIPE = """
import sys
import ours
open(sys.argv[1], "w").write(f"{ours.WORD} {__file__} {__name__}")
"""
BOTH = pytest.mark.parametrize("packager", [CodePackager, SelfContainedPackager])


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose recipe needs its own package, which is installed nowhere."""
    top = tmp_path / "code"
    files = {
        "pyproject.toml": "[project]\nname = 'top'\nversion = '0'\n"
        "[tool.uv.workspace]\nmembers = ['packages/*']\n",
        "packages/ours/pyproject.toml": "[project]\nname = 'ours'\nversion = '0'\n",
        "packages/ours/src/ours/__init__.py": "WORD = 'ours'\n",
        "recipes/train.py": RECIPE,
        "config.yaml": "a: 1\n",
    }
    for name, content in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(content)
    subprocess.run(["git", "init", "-q", str(top)], check=True, timeout=60)
    monkeypatch.chdir(top)
    return top


def unpacked(executor: Executor, folder: Path) -> Path:
    """Package and unpack as NeMo-Run's executors for other machines do."""
    archive = executor.packager.package(Path.cwd(), str(folder), "job")
    code = folder / "code"
    code.mkdir()
    command = ["tar", "-xvzf", archive, "-C", str(code), "--ignore-zeros"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return code


@BOTH
def test_a_local_experiment_runs_the_packaged_job(
    workspace: Path, tmp_path: Path, packager: type
) -> None:
    made = packager(script="recipes/train.py", config="config.yaml")
    executor = run.LocalExecutor(packager=made, launcher=None)
    code = unpacked(executor, tmp_path / "job")
    assert (code / "config.yaml").read_text() == "a: 1\n"
    said = tmp_path / "said"
    script = run.Script(path=str(code / "main.py"), entrypoint=sys.executable, args=[str(said)])
    with run.Experiment("ours") as experiment:
        experiment.add(script, executor=executor, name="train")
        experiment.run(detach=False)
    status = experiment.status(return_dict=True)["train"]["status"]
    assert str(status) == "SUCCEEDED"
    word, file, name = said.read_text().split()
    assert (word, name) == ("ours", "__main__")
    assert Path(file).is_relative_to(code)
    assert not code.is_relative_to(workspace)


@BOTH
def test_an_executor_can_be_copied_and_written_down(packager: type) -> None:
    made = packager(script="recipes/train.py", packages=["ours"])
    executor = run.LocalExecutor(packager=made)
    assert executor.clone().packager == made
    assert "recipes/train.py" in str(executor.to_config())


@BOTH
@pytest.mark.usefixtures("workspace")
def test_a_slurm_executor_unpacks_it_into_the_job(tmp_path: Path, packager: type) -> None:
    made = packager(script="recipes/train.py")
    executor = slurm(tmp_path, made)
    executor.package(made, "train")
    code = Path(executor.job_dir) / "code"
    said = tmp_path / "said"
    command = [sys.executable, str(code / "main.py"), str(said)]
    subprocess.run(command, check=True, timeout=60)
    assert said.read_text().startswith("ours ")
    (job,) = executor.tunnel.packaging_jobs.values()
    assert not job.symlink


def test_what_was_sent_ahead_is_linked_into_the_job(
    workspace: Path, target: SshTarget, tmp_path: Path
) -> None:
    made = CodePackager(script="recipes/train.py").sent_to(target, job="one")
    executor = slurm(tmp_path, made)
    executor.package(made, "train")
    (job,) = executor.tunnel.packaging_jobs.values()
    assert (job.symlink, job.src_path) == (True, f"{target.root}/jobs/one")
    assert not list(Path(executor.job_dir).glob("*.tar.gz"))
    said = tmp_path / "said"
    command = [sys.executable, f"{job.src_path}/main.py", str(said)]
    subprocess.run(command, check=True, timeout=60)
    assert said.read_text() == f"ours {job.src_path}/code/recipes/train.py __main__"
    assert workspace.name == "code"


def slurm(folder: Path, packager: object) -> run.SlurmExecutor:
    """An executor in the middle of an experiment, as far as packaging goes; no Slurm is asked."""
    executor = run.SlurmExecutor(
        account="a", tunnel=run.LocalTunnel(job_dir=str(folder / "there")), packager=packager
    )
    experiment = folder / "experiment"
    executor.assign("ours_1", str(experiment), "train", "train")
    Path(executor.job_dir).mkdir(parents=True)
    return executor
