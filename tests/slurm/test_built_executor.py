"""A user's own NeMo-Run script with a profile of env.toml, in a container on a real Slurm."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rendering.variables import AWKWARD
from slurm_cluster import SlurmCluster

# What a user's script does, in a process of its own: NeMo-Run reads NEMORUN_HOME as it is imported.
USER = """\
import json, sys
import nemo_run as run
from nemotron.kit import build_executor

executor = build_executor("lab", packager=run.PatternPackager(include_pattern=sys.argv[1] + "/*",
    relative_path=sys.argv[1]), **json.loads(sys.argv[2]))
with run.Experiment("mine") as experiment:
    experiment.add(run.Script("job.py", entrypoint="python"), executor=executor, name="train")
    experiment.run(detach=False)
print("\\nSTATUS", experiment.status(return_dict=True)["train"]["status"])
"""
# What runs on the cluster: it writes down what it sees.
JOB = """\
import json, os, pathlib
name = f"seen-{os.environ['SLURM_PROCID']}.json"
pathlib.Path(os.environ["WRITE_TO"], name).write_text(json.dumps(dict(os.environ)))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a profile that leads to the cluster, and a job."""
    lines = ["[lab]", 'executor = "slurm"', 'account = "research"', 'time = "00:05:00"']
    variables = AWKWARD | {"WRITE_TO": str(tmp_path)}
    lines += ["[lab.env_vars]"]
    meant = {name: value.replace("${", r"\${") for name, value in variables.items()}
    lines += [f"{name} = {json.dumps(value)}" for name, value in meant.items()]
    (tmp_path / "env.toml").write_text("\n".join(lines) + "\n")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "job.py").write_text(JOB)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEMORUN_HOME", str(tmp_path / "home-of-nemo-run"))
    return tmp_path


def run_as_user(folder: Path, **keys: object) -> str:
    """Run the user's script to its end; how the job ended."""
    words = ["-W", "ignore", "-c", USER, str(folder / "code"), json.dumps(keys)]
    done = subprocess.run(
        [sys.executable, *words],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.rpartition("STATUS ")[2].strip()


def test_variables_win_over_those_of_the_image(cluster: SlurmCluster, folder: Path) -> None:
    image = cluster.add_image("nemo.sqsh", PLAIN="of the image")
    keys = {"image": str(image), "mounts": [str(folder)], "startup_commands": ["export LATE=1"]}
    assert run_as_user(folder, **keys).endswith("SUCCEEDED")
    (seen,) = [json.loads(file.read_text()) for file in folder.glob("seen-*.json")]
    assert {name: seen.get(name) for name in AWKWARD} == AWKWARD
