"""Jobs that are submitted for real: sent, run, and known by their record."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from slurm_cluster import SlurmCluster
from slurm_cluster.daemons import wait_until
from slurm_recipes import KEY, LITERAL, NASTY, make_plan, over_ssh, prepare, write_profile

from nemo_runspec.execution.jobs import JobRecord, read_record
from nemo_runspec.execution.profiles import SlurmProfile, read_profile
from nemo_runspec.execution.shells import open_shell
from nemo_runspec.execution.submission import (
    Experiment,
    Task,
    prepare_experiment,
    prepare_submission,
    send_experiment,
    stage,
    submit,
    submit_sent,
)

_PACKED = re.compile(rb"eJ[A-Za-z0-9_-]{20,}=*")


on_both_ways = pytest.mark.parametrize("workplace", ["local", "ssh"], indirect=True)
here = pytest.mark.parametrize("workplace", ["local"], indirect=True)


@pytest.fixture
def workplace(
    request: pytest.FixtureRequest,
    cluster: SlurmCluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A folder with an env.toml whose profile leads to the cluster, here or over ssh."""
    folder = tmp_path / "work"
    folder.mkdir()
    is_here = getattr(request, "param", "ssh") == "local"
    write_profile(folder, *(() if is_here else over_ssh(tmp_path / "far")))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DEMO_API_KEY", KEY)
    monkeypatch.setenv("LEAKING", "from the shell that submits")
    return folder


def files_with(text: str, folder: Path) -> list[Path]:
    """Find a text in files, as it is and inside of what NeMo-Run compresses."""
    files = [file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
    return [file for file in files if text.encode() in _opened(file.read_bytes())]


def _opened(content: bytes) -> bytes:
    packed = [base64.urlsafe_b64decode(item) for item in _PACKED.findall(content)]
    return content + b"".join(zlib.decompress(item) for item in packed)


def ended(cluster: SlurmCluster, record: JobRecord) -> str:
    """Wait for the end of a job; where it went wrong, pytest shows what it printed."""
    state = cluster.wait_for(record.scheduler_id or "")
    for file in Path(record.job_dir).glob("*.out"):
        print(file.read_text())  # noqa: T201 - for pytest, which captures it
    return state


def logs(record: JobRecord) -> list[str]:
    return [log.read_text() for log in Path("/").glob(record.log_pattern[1:])]


def test_code_and_job_go_over_one_connection(cluster: SlurmCluster, workplace: Path) -> None:
    before = cluster.ssh.connections
    prepared = prepare(workplace, packager="code")
    assert cluster.ssh.connections == before
    record = submit(prepared)

    assert cluster.ssh.connections == before + 1
    assert ended(cluster, record) == "COMPLETED"
    code = Path(record.job_dir, "code/code")
    assert code.readlink().parent == workplace.parent / "far/.code/trees"


@on_both_ways
def test_jobs_run_with_their_configuration_and_their_variables(
    cluster: SlurmCluster, workplace: Path
) -> None:
    """Whatever packs their code: three jobs of one experiment."""
    tasks = []
    for packager in ("self_contained", "code", "none"):
        plan = make_plan(workplace, "steps=7", packager=packager)
        profile = read_profile(plan.job, plan.recipe, name="lab")
        assert isinstance(profile, SlurmProfile)
        run_dir = workplace / ".nemotron/runs/demo-train" / packager
        tasks.append(Task(plan=plan, profile=profile, folder=run_dir, name=f"by-{packager}"))
    folder = workplace / ".nemotron/pipes/demo/one"
    experiment = Experiment("demo", "one", folder, folder)
    prepared = prepare_experiment(tasks, experiment, mode="batch")
    with open_shell(prepared[0].profile) as shell:
        sent = send_experiment(prepared, lambda _profile: shell)
        records = [submit_sent(job, shell) for job in sent]

    for record in records:
        assert ended(cluster, record) == "COMPLETED"
        check_what_it_saw(record)


def check_what_it_saw(record: JobRecord) -> None:
    seen = json.loads(Path(record.job_dir, "seen-0.json").read_text())
    environment = seen["environment"]
    assert seen["steps"] == 7
    assert environment["NASTY"] == NASTY
    assert environment["lower_case"] == "as it is"
    assert environment["DEMO_API_KEY"] == KEY
    assert "LEAKING" not in environment
    assert environment["NEMOTRON_RUN_DIR"] == environment["NEMO_RUN_DIR"] == record.job_dir
    assert Path(record.job_dir, "exit_code").read_text() == "0\n"
    assert logs(record) == ["steps 7\n"]


def test_a_secret_is_in_no_file_and_in_nothing_that_slurm_shows(
    cluster: SlurmCluster, workplace: Path
) -> None:
    record = submit(prepare(workplace))

    assert ended(cluster, record) == "COMPLETED"
    seen = Path(record.job_dir, "seen-0.json")
    assert json.loads(seen.read_text())["environment"]["A_TOKEN"] == LITERAL
    seen.unlink()
    assert files_with(LITERAL, workplace.parent) == [workplace / "env.toml"]
    assert files_with("as it is", workplace.parent) != []
    assert files_with("nemo_run.core.execution.slurm", workplace.parent) != []
    assert files_with(KEY, workplace.parent) == []
    job = record.scheduler_id or ""
    told = (
        cluster.run("scontrol", "-dd", "show", "job", job),
        cluster.run("scontrol", "write", "batch_script", job, "-"),
        cluster.run("sacct", "-P", "-j", job, "--format=ALL"),
    )
    assert not [text for text in told if KEY in text or LITERAL in text]
    cluster.requeue(job)
    assert wait_until(seen.exists, 60)
    assert ended(cluster, record) == "COMPLETED"
    assert json.loads(seen.read_text())["environment"]["A_TOKEN"] == LITERAL


@here
def test_what_a_dry_run_shows_is_what_slurm_gets(cluster: SlurmCluster, workplace: Path) -> None:
    prepared = prepare(workplace)
    with tempfile.TemporaryDirectory() as folder:
        shown = prepare_submission(
            prepared.plan,
            prepared.profile,
            mode="batch",
            folder=Path(folder) / "elsewhere",
            run_dir=prepared.folder.with_name("two"),
        )
    record = submit(prepared)

    got = cluster.run("scontrol", "write", "batch_script", record.scheduler_id or "", "-")
    assert got.rstrip("\n\0") == prepared.script.rstrip("\n")
    for before, after in (
        ("demo-train/two", "demo-train/one"),
        ("demo-train_two", record.experiment_id),
    ):
        shown = replace(
            shown,
            script=shown.script.replace(before, str(after)),
            launch_script=shown.launch_script.replace(before, str(after)),
        )
    assert shown.script == prepared.script
    assert shown.launch_script == prepared.launch_script


@on_both_ways
def test_a_failed_job_leaves_its_exit_code_and_a_record(
    cluster: SlurmCluster, workplace: Path
) -> None:
    prepared = prepare(workplace, "code=41")
    record = submit(prepared)

    assert read_record(prepared.folder) == record
    assert record.id == "demo-train/one"
    assert record.experiment_id == "demo-train_one"
    assert record.ssh == ({"host": "lab"} if (workplace.parent / "far").exists() else None)
    kept = {item.name for item in prepared.folder.iterdir()} - {"job"}
    assert kept == {"job.yaml", "train.yaml", "job.json"}
    assert ended(cluster, record) == "FAILED"
    assert Path(record.job_dir, "exit_code").read_text() == "41\n"


@here
def test_a_cancelled_job_leaves_its_exit_code_too(cluster: SlurmCluster, workplace: Path) -> None:
    prepared = prepare(workplace)
    wait = prepared.contents / "demo-train/code/launch.sh"
    wait.write_text("touch ../started; sleep 86399\n")
    record = submit(prepared)
    assert wait_until(Path(record.job_dir, "started").exists, 60)
    cluster.run("scancel", record.scheduler_id or "")

    assert ended(cluster, record) == "CANCELLED"
    assert Path(record.job_dir, "exit_code").read_text() == "143\n"


@here
def test_every_process_has_its_rank(cluster: SlurmCluster, workplace: Path) -> None:
    record = submit(prepare(workplace, "run.env.nodes=2", "run.env.ntasks_per_node=2"))

    assert ended(cluster, record) == "COMPLETED"
    files = sorted(Path(record.job_dir).glob("seen-*.json"))
    seen = [json.loads(file.read_text())["environment"] for file in files]
    assert [item["RANK"] for item in seen] == ["0", "1", "2", "3"]
    assert {item["WORLD_SIZE"] for item in seen} == {"4"}
    assert len({item["SLURMD_NODENAME"] for item in seen}) == 2


@here
def test_a_job_waits_for_another_and_is_not_run_after_its_failure(
    cluster: SlurmCluster, workplace: Path
) -> None:
    first = submit(prepare(workplace, "code=1"))
    second = prepare(workplace, stamp="two")
    later = prepare_submission(
        second.plan,
        second.profile,
        mode="batch",
        folder=second.folder.with_name("three"),
        after=(first,),
    )
    record = submit(later)

    assert ended(cluster, first) == "FAILED"
    assert ended(cluster, record) == "CANCELLED"
    assert not Path(record.job_dir, "seen-0.json").exists()


@pytest.mark.parametrize("packager", ["self_contained", "code"])
def test_a_job_in_a_container(cluster: SlurmCluster, workplace: Path, packager: str) -> None:
    cluster.add_image("nvcr.io/nvidia/nemo:25.07", DEMO_API_KEY="of the image", PYTHONPATH="/no")
    image = "run.env.container_image=nvcr.io/nvidia/nemo:25.07"
    record = submit(prepare(workplace, image, packager=packager))

    assert ended(cluster, record) == "COMPLETED"
    seen = json.loads(Path(record.job_dir, "seen-0.json").read_text())
    assert seen["cwd"] == "/nemo_run/code"
    assert seen["environment"]["DEMO_API_KEY"] == KEY
    assert seen["environment"]["NASTY"] == NASTY
    assert seen["environment"]["NEMOTRON_RUN_DIR"] == "/nemo_run"
    assert seen["environment"]["NEMO_RUN_DIR"] == record.job_dir


def test_a_repository_is_cloned_where_the_job_runs_and_mounted(
    cluster: SlurmCluster, workplace: Path
) -> None:
    cluster.add_image("nemo")
    repository = workplace.parent / "library"
    commands = (
        ("init", "-q", "-b", "main"),
        ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"),
    )
    repository.mkdir()
    for command in commands:
        subprocess.run(["git", "-C", str(repository), *command], check=True)
    mount = f"git+file://{repository}@main"
    shown = prepare(
        workplace,
        "run.env.container_image=nemo",
        f"run.env.mounts=['${{auto_mount:{mount},/opt/library}}']",
    )
    record = submit(shown)

    assert ended(cluster, record) == "COMPLETED"
    assert f"{mount}:/opt/library" in shown.script
    [container] = cluster.containers(record.scheduler_id or "")
    assert mount not in str(container["mounts"])
    [clone] = [
        item.split(":")[0]
        for item in str(container["mounts"]).split(",")
        if item.endswith(":/opt/library")
    ]
    assert Path(clone, ".git").exists()


def test_a_staged_job_is_started_by_the_commands_that_are_shown(
    cluster: SlurmCluster, workplace: Path
) -> None:
    prepared = prepare(workplace, mode="stage")
    staged = stage(prepared)

    assert KEY not in "".join(staged.commands)
    *before, session, launch = staged.commands
    assert before == [
        "ssh -t lab",
        "export A_TOKEN=…",
        "export DEMO_API_KEY=…",
        f"export NEMO_RUN_DIR={staged.job_dir}",
    ]
    done = subprocess.run(
        ["script", "-qec", session, "/dev/null"],
        input=f"{launch}\nexit\n",
        text=True,
        capture_output=True,
        timeout=60,
        check=True,
    )
    seen = json.loads(Path(staged.job_dir, "seen-0.json").read_text())
    assert seen["environment"]["DEMO_API_KEY"] == KEY, done.stdout
    assert seen["environment"]["SLURM_JOB_ACCOUNT"] == "research"
    assert not (prepared.folder / "job.json").exists()


@here
def test_a_staged_job_of_several_machines_gets_an_allocation_first(
    cluster: SlurmCluster, workplace: Path
) -> None:
    staged = stage(prepare(workplace, "run.env.nodes=2", mode="stage"))

    *_, allocation, step = staged.commands
    done = subprocess.run(
        ["bash", "-c", f"{allocation} {step}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.count("steps 3") == 2
