"""The script that starts a job: executed, and what its processes see is read back."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nemo_runspec.errors import ConfigError, ExecutionError
from nemo_runspec.execution.environment.names import OWN_NAMES, check_name
from nemo_runspec.execution.launching import LaunchRequest, join_cluster, render_launch_script
from nemo_runspec.execution.profiles.model import ExecutorName
from nemo_runspec.runspec.model import Launch

pytestmark = pytest.mark.exhaustive

LAUNCHES: tuple[Launch, ...] = ("direct", "torchrun", "ray")
EXECUTORS: tuple[ExecutorName, ...] = (
    *("local", "docker", "slurm", "skypilot"),
    *("dgxcloud", "lepton", "kubeflow", "kuberay"),
)
GOLDEN = Path(__file__).parent / "golden_launch_scripts"
RANKS = (
    *("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK"),
    *("MASTER_ADDR", "MASTER_PORT"),
)
SHOW = """
import json, os, sys
json.dump({"argv": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)}, sys.stdout)
"""
AWKWARD = (
    *("", " ", "a b", "'", '"', 'it\'s "so"', "$HOME", "${HOME}", "$(exit 3)", "`exit 3`", "\\"),
    *(
        "a\\nb",
        "line\nline\n",
        "\n",
        "\t",
        "!",
        "*",
        "~",
        "#x",
        "a;b",
        "a&b",
        "üñ→😀",
        "-n",
        "=",
        "\r",
    ),
)


def request_for(folder: Path, **changes: object) -> LaunchRequest:
    (folder / "show.py").write_text(SHOW)
    (folder / "run").mkdir(exist_ok=True)
    usual = LaunchRequest(
        launch="direct",
        words=("show.py", "--config", "config.yaml"),
        workdir=str(folder),
        run_dir=str(folder / "run"),
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


def execute(
    request: LaunchRequest, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", render_launch_script(request)],
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **(environ or {})},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def shown(request: LaunchRequest, environ: Mapping[str, str] | None = None) -> dict[str, object]:
    done = execute(request, environ)
    assert done.returncode == 0, done.stderr
    document: dict[str, object] = json.loads(done.stdout)
    return document


def environment_of(
    request: LaunchRequest, environ: Mapping[str, str] | None = None
) -> dict[str, str]:
    found = shown(request, environ)["env"]
    assert isinstance(found, dict)
    return found


def allowed(name: str) -> bool:
    try:
        check_name(name, key=name)
    except ConfigError:
        return False
    # What decides whether a process starts at all is not to be drawn at random.
    return name not in OWN_NAMES | {"PATH"}


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}", fullmatch=True).filter(allowed)
values = st.one_of(
    st.sampled_from(AWKWARD),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20),
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(variables=st.dictionaries(names, values, min_size=1, max_size=30))
@example(variables={f"V{number}": value for number, value in enumerate(AWKWARD)})
@example(variables={"lower": "1", "Mixed": "2", "LOWER": "3", "_x": "4", "x1_": "5"})
@example(variables=dict.fromkeys(("port", "head", "python", "name", "folder", "n", "i"), "mine"))
@example(variables={"COLUMNS": "7", "LINES": "7", "HOME": "/nowhere", "TMPDIR": "/nowhere"})
@example(variables={"LC_ALL": "de_DE", "LANG": "x", "TERM": "", "PYTHONPATH": "/nowhere", "E": ""})
def test_variables_reach_the_process_exactly(tmp_path: Path, variables: dict[str, str]) -> None:
    found = environment_of(request_for(tmp_path, variables=variables))

    assert {name: found.get(name) for name in variables} == variables


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(words=st.lists(values, max_size=6))
@example(words=["--a", "1 2", "x=[1, 'b']", "$HOME", "--", "-c"])
def test_words_reach_the_script_exactly(tmp_path: Path, words: list[str]) -> None:
    found = shown(request_for(tmp_path, words=("show.py", *words)))

    assert found["argv"] == words


@pytest.mark.parametrize("name", ["a b", "1a", "a-b", "a.b", "", "ä", "A=B", "a\nb", "A$"])
def test_a_name_that_no_shell_knows_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of a variable") as refusal:
        render_launch_script(request_for(tmp_path, variables={name: "1"}))

    assert refusal.value.where == f"run.env.env_vars.{name}"


@pytest.mark.parametrize(
    "name", ["UID", "RANDOM", "_", "BASH_ENV", "SHELLOPTS", "PWD", "IFS", "nemotron_port"]
)
def test_a_name_of_the_shell_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} belongs to the shell"):
        render_launch_script(request_for(tmp_path, variables={name: "1"}))


@pytest.mark.parametrize(("value", "says"), [("a\0b", "NUL"), ("\udcff", "no UTF-8 text")])
def test_a_value_that_no_variable_has_is_refused(tmp_path: Path, value: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as refusal:
        render_launch_script(request_for(tmp_path, variables={"KEY": value}))

    assert refusal.value.where == "run.env.env_vars.KEY"


def test_secrets_are_in_the_process_and_not_in_the_script(tmp_path: Path) -> None:
    request = request_for(tmp_path, secret_names=("HF_TOKEN", "lower_token"))
    secrets = {"HF_TOKEN": "hf_'$x", "lower_token": "a\nb"}

    found = environment_of(request, secrets)

    assert {name: found[name] for name in secrets} == secrets
    assert not any(value in render_launch_script(request) for value in secrets.values())


def test_a_secret_that_was_lost_is_told_of(tmp_path: Path) -> None:
    done = execute(request_for(tmp_path, secret_names=("HF_TOKEN",)))

    assert done.returncode == 0
    assert "nemotron: HF_TOKEN did not reach this job." in done.stderr


def test_no_text_of_a_request_shows_a_value(tmp_path: Path) -> None:
    assert "value" not in repr(request_for(tmp_path, variables={"KEY": "a value"}))


def test_the_run_directory_cannot_be_overruled(tmp_path: Path) -> None:
    request = request_for(tmp_path, variables={"NEMOTRON_RUN_DIR": "/elsewhere", "RANK": "9"})

    found = environment_of(request, {"NEMOTRON_RUN_DIR": "/elsewhere", "RANK": "9"})

    assert found["NEMOTRON_RUN_DIR"] == str(tmp_path / "run")
    assert found["RANK"] == "0"


def test_startup_commands_run_in_the_shell_of_the_script(tmp_path: Path) -> None:
    commands = ('export MADE="$GIVEN made"', "if true; then\n  export MORE='it''s'\nfi")
    request = request_for(tmp_path, startup_commands=commands, variables={"GIVEN": "a b"})

    found = environment_of(request)

    assert (found["MADE"], found["MORE"]) == ("a b made", "its")


@pytest.mark.parametrize(("command", "code"), [("exit 7", 7), ("(exit 5)", 5), ("echo 'x", 2)])
def test_a_startup_command_that_fails_ends_the_job(tmp_path: Path, command: str, code: int) -> None:
    done = execute(request_for(tmp_path, startup_commands=("true", command, "touch after")))

    assert done.returncode == code
    assert not done.stdout
    assert not (tmp_path / "after").exists()


def test_a_working_directory_that_is_not_there_ends_the_job(tmp_path: Path) -> None:
    done = execute(request_for(tmp_path, workdir=str(tmp_path / "no where")))

    assert done.returncode == 1
    assert "no where" in done.stderr


def test_paths_with_awkward_names_work(tmp_path: Path) -> None:
    folder = tmp_path / "it's a $folder"
    folder.mkdir()

    found = shown(request_for(folder))

    assert found["cwd"] == str(folder)


def test_the_exit_code_is_the_scripts_own(tmp_path: Path) -> None:
    (tmp_path / "fail.py").write_text("raise SystemExit(17)")

    assert execute(request_for(tmp_path, words=("fail.py",))).returncode == 17


def slurm_task(rank: int, *, nodes: int, each: int, job: str = "42") -> dict[str, str]:
    return {
        "SLURM_JOB_ID": job,
        "SLURM_STEP_ID": "0",
        "SLURM_PROCID": str(rank),
        "SLURM_NTASKS": str(nodes * each),
        "SLURM_LOCALID": str(rank % each),
        "SLURM_NODEID": str(rank // each),
        "SLURM_NTASKS_PER_NODE": str(each),
    }


def test_tasks_of_slurm_know_their_ranks_and_meet(tmp_path: Path) -> None:
    request = request_for(tmp_path, executor="slurm", nodes=2, processes_per_node=2)

    # The first one starts last: the others wait for it.
    tasks = [
        subprocess.Popen(
            ["bash", "-c", render_launch_script(request)],
            env={"PATH": os.environ["PATH"], **slurm_task(rank, nodes=2, each=2)},
            stdout=subprocess.PIPE,
        )
        for rank in (3, 2, 1, 0)
    ]
    found = [json.loads(task.communicate()[0])["env"] for task in tasks][::-1]

    assert [item["RANK"] for item in found] == ["0", "1", "2", "3"]
    assert [item["LOCAL_RANK"] for item in found] == ["0", "1", "0", "1"]
    assert [item["NODE_RANK"] for item in found] == ["0", "0", "1", "1"]
    assert {item["WORLD_SIZE"] for item in found} == {"4"}
    assert {item["LOCAL_WORLD_SIZE"] for item in found} == {"2"}
    assert len({(item["MASTER_ADDR"], item["MASTER_PORT"]) for item in found}) == 1


def test_two_jobs_on_one_host_meet_at_two_ports(tmp_path: Path) -> None:
    request = request_for(tmp_path, executor="slurm")

    ports = [
        environment_of(request, slurm_task(0, nodes=1, each=1, job=job))["MASTER_PORT"]
        for job in ("42", "43", "42043")
    ]

    assert len(set(ports)) == len(ports)


def test_a_requeued_job_meets_anew(tmp_path: Path) -> None:
    request = request_for(tmp_path, executor="slurm", processes_per_node=2)
    stale = tmp_path / "run" / ".coordination" / "head-42-0-0"
    stale.parent.mkdir(parents=True)
    stale.write_text("192.0.2.99 1")
    again = {"SLURM_RESTART_COUNT": "1"}

    found = environment_of(request, slurm_task(0, nodes=1, each=2) | again)

    assert found["MASTER_ADDR"] != "192.0.2.99"


@pytest.mark.parametrize(
    ("executor", "said", "head", "port"),
    [
        (
            "lepton",
            {"NODE_RANK": "1", "MASTER_ADDR": "worker-0.job", "MASTER_PORT": "29400"},
            "worker-0.job",
            "29400",
        ),
        (
            "lepton",
            {
                "LEPTON_JOB_WORKER_INDEX": "1",
                "LEPTON_JOB_WORKER_PREFIX": "worker",
                "LEPTON_SUBDOMAIN": "job-svc",
            },
            "worker-0.job-svc",
            "29400",
        ),
        (
            "kubeflow",
            {"PET_NODE_RANK": "1", "PET_MASTER_ADDR": "job-node-0-0.job"},
            "job-node-0-0.job",
            "29500",
        ),
        (
            "dgxcloud",
            {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "job-master-0", "MASTER_PORT": "23456"},
            "job-master-0",
            "23456",
        ),
        (
            "skypilot",
            {
                "SKYPILOT_NODE_RANK": "1",
                "SKYPILOT_NODE_IPS": "10.0.0.4\n10.0.0.5",
                "SKYPILOT_TASK_ID": "sky-1",
            },
            "10.0.0.4",
            None,
        ),
    ],
)
def test_machines_of_a_cloud_know_their_ranks(
    tmp_path: Path, executor: ExecutorName, said: dict[str, str], head: str, port: str | None
) -> None:
    found = environment_of(request_for(tmp_path, executor=executor, nodes=2), said)

    assert {name: found[name] for name in RANKS[:6]} == {
        "RANK": "1",
        "WORLD_SIZE": "2",
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "1",
        "NODE_RANK": "1",
        "MASTER_ADDR": head,
    }
    assert found["MASTER_PORT"] == (port or found["MASTER_PORT"])
    assert 1024 < int(found["MASTER_PORT"]) < 32768


def test_a_cloud_that_says_nothing_ends_the_job(tmp_path: Path) -> None:
    done = execute(request_for(tmp_path, executor="skypilot", nodes=2))

    assert done.returncode != 0
    assert "SKYPILOT_NODE_RANK" in done.stderr


@pytest.mark.parametrize("launch", ["torchrun", "ray"])
def test_slurm_must_not_start_it_several_times_on_a_machine(tmp_path: Path, launch: Launch) -> None:
    request = request_for(tmp_path, launch=launch, executor="slurm")

    done = execute(request, slurm_task(0, nodes=1, each=2))

    assert done.returncode == 1
    assert "set nodes = 1 and ntasks_per_node = 1" in done.stderr


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"executor": "local", "nodes": 2}, "'local' has one machine, and the job wants 2"),
        ({"executor": "docker", "nodes": 2}, "'docker' has one machine"),
        ({"executor": "kubeflow", "processes_per_node": 2}, "starts one process on each machine"),
        ({"executor": "kuberay", "nodes": 2}, "cannot start 'direct' on 2 machines"),
        ({"executor": "kuberay", "nodes": 2, "launch": "torchrun"}, "cannot start 'torchrun'"),
        ({"executor": "skypilot", "nodes": 2, "launch": "ray"}, "starts no Ray cluster"),
        ({"launch": "ray", "ray_address": "http://head:8265"}, "no address that a driver"),
    ],
)
def test_what_an_executor_cannot_start_is_refused(
    tmp_path: Path, changes: dict[str, object], says: str
) -> None:
    with pytest.raises(ExecutionError, match=says):
        render_launch_script(request_for(tmp_path, **changes))


@pytest.mark.parametrize("launch", ["ray", "direct"])
def test_workers_of_a_ray_cluster_that_runs_get_the_variables(tmp_path: Path, launch: str) -> None:
    request = request_for(
        tmp_path,
        launch=launch,
        ray_address="head:6379",
        variables={"plain": "a b", "dollar": "$HOME"},
        secret_names=("HF_TOKEN",),
    )
    job = json.dumps({"metadata": {"m": "1"}, "runtime_env": {"env_vars": {"kept": "x"}}})

    found = environment_of(request, {"HF_TOKEN": "hf_x", "RAY_JOB_CONFIG_JSON_ENV_VAR": job})

    assert found["RAY_ADDRESS"] == "head:6379"
    assert found["RAY_OVERRIDE_JOB_RUNTIME_ENV"] == "1"
    handed = json.loads(found["RAY_JOB_CONFIG_JSON_ENV_VAR"])
    assert handed["metadata"] == {"m": "1"}
    assert set(handed["runtime_env"]["env_vars"]) >= {"plain", "dollar", "HF_TOKEN", "kept"}


def test_a_driver_outside_the_cluster_hands_its_variables_on_as_well(tmp_path: Path) -> None:
    request = request_for(
        tmp_path, launch="ray", ray_address="ray://head:10001", variables={"plain": "a b"}
    )

    found = environment_of(request)

    assert json.loads(found["RAY_RUNTIME_ENV"]) == {"env_vars": {"plain": "a b"}}
    assert "RAY_JOB_CONFIG_JSON_ENV_VAR" not in found


def test_a_value_that_ray_would_change_is_refused(tmp_path: Path) -> None:
    request = request_for(
        tmp_path, launch="ray", ray_address="head:6379", variables={"KEY": "a ${HOME} b"}
    )

    done = execute(request)

    assert done.returncode == 1
    assert "KEY cannot reach" in done.stderr


def golden_request(launch: Launch, executor: ExecutorName, nodes: int) -> LaunchRequest:
    return LaunchRequest(
        launch=launch,
        words=("main.py", "--config", "config.yaml"),
        workdir="/nemo_run/code",
        run_dir="/nemo_run",
        variables={"lower": "a 'quoted' $value", "NCCL_DEBUG": "INFO"},
        secret_names=("HF_TOKEN", "WANDB_API_KEY"),
        startup_commands=("source /opt/venv/bin/activate",),
        nodes=nodes,
        processes_per_node=1 if launch != "torchrun" else 8,
        executor=executor,
    )


def golden_cases() -> list[tuple[Launch, ExecutorName, int]]:
    cases = itertools.product(LAUNCHES, EXECUTORS, (1, 2))
    return [case for case in cases if renders(golden_request(*case))]


def renders(request: LaunchRequest) -> bool:
    try:
        render_launch_script(request)
    except ExecutionError:
        return False
    return True


@pytest.mark.parametrize(("launch", "executor", "nodes"), golden_cases())
def test_the_script_of_every_launch_and_executor(
    launch: Launch, executor: ExecutorName, nodes: int, tmp_path: Path
) -> None:
    script = render_launch_script(golden_request(launch, executor, nodes))
    golden = GOLDEN / f"{launch}-{executor}-{nodes}.sh"
    (tmp_path / "launch.sh").write_text(script)
    if os.environ.get("NEMOTRON_WRITE_GOLDEN") == "1":
        GOLDEN.mkdir(exist_ok=True)
        golden.write_text(script)

    assert script == golden.read_text()
    checked = subprocess.run(
        ["bash", "-n", "launch.sh"], cwd=tmp_path, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, b"")


def test_there_is_no_golden_script_too_many() -> None:
    expected = {f"{launch}-{executor}-{nodes}.sh" for launch, executor, nodes in golden_cases()}

    assert {file.name for file in GOLDEN.iterdir()} == expected


def test_a_driver_of_this_machine_joins_a_cluster_with_its_variables() -> None:
    job = json.dumps({"runtime_env": {"env_vars": {"kept": "x"}}})

    joined = join_cluster("head:6379", {"A": "a b"}, {"RAY_JOB_CONFIG_JSON_ENV_VAR": job})

    assert joined["RAY_ADDRESS"] == "head:6379"
    handed = json.loads(joined["RAY_JOB_CONFIG_JSON_ENV_VAR"])["runtime_env"]["env_vars"]
    assert handed == {"kept": "x", "A": "a b"}
    outside = join_cluster("ray://head:10001", {"A": "$b"}, {})
    assert json.loads(outside["RAY_RUNTIME_ENV"]) == {
        "env_vars": {"A": "${0_DOLLAR}b", "0_DOLLAR": "$"}
    }
    assert join_cluster("auto", {}, {}) == {"RAY_ADDRESS": "auto"}
    with pytest.raises(ConfigError, match="A cannot reach its workers"):
        join_cluster("head:6379", {"A": "${HOME}"}, {})
    with pytest.raises(ExecutionError, match="no address that a driver"):
        join_cluster("https://head", {}, {})
