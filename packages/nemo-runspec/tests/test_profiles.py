from __future__ import annotations

import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from nemo_runspec import Runspec, parse
from nemo_runspec.config import build_job_config
from nemo_runspec.errors import MissingDependencyError, ProfileError
from nemo_runspec.execution import (
    RecipeRequest,
    build_executor,
    load_profile,
    plan_recipe,
    read_profile,
)
from nemo_runspec.execution.profiles import (
    DockerProfile,
    LocalProfile,
    Profile,
    SkypilotProfile,
    SlurmProfile,
)
from nemo_runspec.execution.profiles.changing import changed
from nemo_runspec.execution.profiles.keys import PROFILES, keys_of, spellings_of
from nemo_runspec.execution.submission.launch import processes_per_node

HEADER = """\
# /// script
# [tool.runspec]
# schema = "1"
# name = "nano3/sft"
# image = "runspec:1"
# [tool.runspec.resources]
# nodes = 2
# gpus_per_node = 8
# [tool.runspec.env]
# mem = "64G"
# env_vars = { A = "runspec", B = "runspec" }
# [tool.runspec.artifacts]
# writes = "ModelArtifact"
# ///
"""

RUN = """\
# [tool.runspec.run]
# launch = "torchrun"
"""

ENV = """\
[base]
executor = "slurm"
account = "research"
partition = "batch"
run_partition = "interactive"
time = "04:00:00"
mounts = ["/lustre"]
gpus = 8

[base.env_vars]
HF_HOME = "/lustre/hf"
OMP_NUM_THREADS = 8

[far]
extends = "base"
host = "login"
remote_job_dir = "/lustre/you"
nodes = 4
gpus_per_node = 4
time = 90
mem = 0
exclusive = true
startup_commands = ["module load cuda"]

[far.env_vars]
NCCL_DEBUG = "WARN"

[box]
executor = "docker"
image = "profile:1"
num_gpus = -1
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Runspec:
    script = tmp_path / "train.py"
    script.write_text(HEADER)
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "default.yaml").write_text("run:\n  env:\n    qos: high\n    env_vars: {B: config}\n")
    return parse(script)


@pytest.fixture
def env(tmp_path: Path) -> Path:
    file = tmp_path / "env.toml"
    file.write_text(ENV)
    return file


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "env.toml"
    file.write_text(text)
    return file


def composed(recipe: Runspec, env: Path, name: str, *overrides: str) -> Profile:
    job = build_job_config(
        recipe, profile=name, overrides=overrides, argv=["nano3", "sft", *overrides], env_file=env
    )
    return read_profile(job, recipe, name=name, env_file=env)


def test_a_profile_is_all_that_it_extends(env: Path) -> None:
    profile = load_profile("far", env)
    assert isinstance(profile, SlurmProfile)
    assert (profile.name, profile.executor) == ("far", "slurm")
    assert (profile.account, profile.nodes, profile.time) == ("research", 4, "90")
    assert (profile.mem, profile.exclusive, profile.mounts) == ("0", True, ("/lustre",))
    assert profile.startup_commands == ("module load cuda",)
    assert profile.env_vars == {
        "HF_HOME": "/lustre/hf",
        "OMP_NUM_THREADS": "8",
        "NCCL_DEBUG": "WARN",
    }


def test_another_name_of_the_same_key_wins_over_what_is_extended(env: Path) -> None:
    assert load_profile("base", env).gpus_per_node == 8
    assert load_profile("far", env).gpus_per_node == 4


def test_attached_and_detached_jobs_have_their_partitions(env: Path) -> None:
    profile = load_profile("far", env)
    assert isinstance(profile, SlurmProfile)
    assert profile.partition_for("run") == "interactive"
    assert profile.partition_for("batch") == "batch"


def test_a_host_makes_it_another_machine(env: Path, tmp_path: Path) -> None:
    here, far = load_profile("base", env), load_profile("far", env)
    assert isinstance(here, SlurmProfile)
    assert isinstance(far, SlurmProfile)
    assert (here.elsewhere, here.ssh_target()) == (False, None)
    target = far.ssh_target()
    assert far.elsewhere
    assert target is not None
    assert str(target) == "login:/lustre/you"
    text = '[a]\nexecutor = "slurm"\ntunnel = "ssh"\nhost = "login"\n'
    lacking = load_profile("a", written(tmp_path, text))
    assert isinstance(lacking, SlurmProfile)
    with pytest.raises(ProfileError, match="over ssh and has no 'remote_job_dir'"):
        lacking.ssh_target()


def test_a_container_sees_what_is_mounted(env: Path) -> None:
    here = load_profile("base", env)
    inside = changed(here, {"image": "img", "mounts": ["/lustre", "/a:/b", "git+https://x:/c"]})
    assert here.sees(PurePosixPath("/home/you"))
    assert inside.sees(PurePosixPath("/lustre/you"))
    assert not inside.sees(PurePosixPath("/home/you"))
    assert not inside.sees(PurePosixPath("/a"))
    assert not load_profile("far", env).sees(PurePosixPath("/lustre"))


def test_layers_win_in_their_order(recipe: Runspec, env: Path) -> None:
    profile = composed(recipe, env, "far", "run.env.env_vars.A=typed", "run.env.gpus=2")
    assert isinstance(profile, SlurmProfile)
    assert profile.container_image == "runspec:1"
    assert (profile.mem, profile.qos, profile.nodes) == ("0", "high", 4)
    assert profile.gpus_per_node == 2
    assert profile.env_vars["A"] == "typed"
    assert profile.env_vars["B"] == "config"


@pytest.mark.parametrize(
    "said", [(), ("config",), ("config", "profile"), ("config", "profile", "typed")]
)
def test_an_image_is_named_by_the_command_then_profile_config_and_runspec(
    tmp_path: Path, recipe: Runspec, said: tuple[str, ...]
) -> None:
    if "config" in said:
        (tmp_path / "config/default.yaml").write_text("run: {env: {image: 'config:1'}}\n")
    line = 'container_image = "profile:1"\n' if "profile" in said else ""
    env = written(tmp_path, f'[box]\nexecutor = "docker"\n{line}')
    overrides = ("run.env.image='typed:1'",) if "typed" in said else ()

    winner = ("runspec", *said)[-1]
    assert composed(recipe, env, "box", *overrides).container_image == f"{winner}:1"


def test_the_recipe_asks_for_what_nobody_sets(recipe: Runspec, env: Path) -> None:
    profile = composed(recipe, env, "base", "run.env.gpus_per_node=null")
    assert (profile.nodes, profile.gpus_per_node) == (2, 8)


def test_a_default_that_the_executor_cannot_have_is_left_out_and_told(
    recipe: Runspec, env: Path
) -> None:
    profile = composed(recipe, env, "box")
    assert isinstance(profile, DockerProfile)
    assert (profile.container_image, profile.gpus_per_node, profile.nodes) == ("profile:1", -1, 1)
    assert profile.told == (
        "run.env.mem is left out: docker has no such key.",
        "run.env.qos is left out: docker has no such key.",
    )


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["run.env.mem=8G"], r"the command line: The executor docker has no key 'mem'\. .*slurm"),
        (["run.env.shm_sice=8g"], r"the command line: .* no key 'shm_sice'\. Did you mean 'shm_"),
        (["+run.env.retries=x"], "the command line: 'run.env.retries' is 'x', .* a whole number"),
        (["run.env={gres: 'gpu:1'}"], "the command line: The executor docker has no key 'gres'"),
        (["run.env.gpus=x"], "'run.env.gpus' is 'x', but must be a whole number"),
        (["run.env.executor=slrm"], r"no executor 'slrm'\. Did you mean 'slurm'"),
    ],
)
def test_what_is_typed_wrongly_is_named(
    recipe: Runspec, env: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises(ProfileError, match=message):
        composed(recipe, env, "box", *overrides)


def test_what_a_configuration_gets_wrong_is_named(recipe: Runspec, env: Path) -> None:
    (recipe.config.dir / "default.yaml").write_text("run:\n  env:\n    nodes: many\n")
    with pytest.raises(ProfileError, match=r"default\.yaml:3: 'run\.env\.nodes' is 'many'"):
        composed(recipe, env, "base")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('acount = "a"', r"env\.toml:3: A profile has no key 'acount'\. Did you mean 'account'"),
        ('nodes = "4"', r"env\.toml:3: 'a\.nodes' is '4', but must be a whole number"),
        ("nodes = true", "'a.nodes' is True, but must be a whole number"),
        ("nodes = 0", "'a.nodes' is 0, but must be at least 1"),
        ('mounts = "/lustre"', "'a.mounts' is '/lustre', but must be a list of texts"),
        ("mounts = [1]", "'a.mounts.0' is 1, but must be a text"),
        ("account = 7", "'a.account' is 7, but must be a text"),
        ('account = "a b"', "'a.account' is 'a b', but must be a text without spaces"),
        ('tunnel = "sssh"', "'a.tunnel' is 'sssh', but must be 'local' or 'ssh'"),
        ('time = "4h"', "'a.time' is '4h', but must be minutes, 'HH:MM:SS' or 'D-HH:MM:SS'"),
        ("time = 04:00:00", r"env\.toml:3: .* Put it in quotes: time = \"04:00:00\"\."),
        ('array = "1-"', "'a.array' is '1-', but must be indices"),
        ("exclusive = 1", "'a.exclusive' is 1, but must be true or false or a text"),
        ("env_vars = 1", "'a.env_vars' is 1, but must be a table of texts"),
        ("env_vars = { X = true }", "'a.env_vars.X' is True, but must be a text"),
        ("gpus = 1\ngpus_per_node = 1", r"env\.toml:4: 'a\.gpus' and 'a\.gpus_per_node' are the"),
        ('env_vars = { HF_TOKEN = ["hf_seen"] }', r"'a\.env_vars\.HF_TOKEN' is \*\*\*, but must"),
        ('image = "a"\ncontainer = "b"', "'a.image' and 'a.container' are the same key"),
        ('nodes = "${oc.env:NOT_SET_ANYWHERE}"', r"env\.toml:3: 'a\.nodes' cannot be resolved"),
        (
            'env_vars = { A = "${b}" }',
            r"'a\.env_vars\.A' cannot be resolved: .* Write \\\$\{ where",
        ),
        ('network = "host"\nprivileged = true', "executor slurm has no key 'privileged'"),
    ],
)
def test_what_a_profile_gets_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = written(tmp_path, f'[a]\nexecutor = "slurm"\n{text}\n')
    with pytest.raises(ProfileError, match=message):
        load_profile("a", file)


def test_a_mistake_in_what_is_extended_is_named_there(tmp_path: Path) -> None:
    file = written(tmp_path, '[a]\nexecutor = "slurm"\nnodes = "x"\n\n[b]\nextends = "a"\n')
    with pytest.raises(ProfileError, match=r"env\.toml:3: 'b\.nodes' is 'x'"):
        load_profile("b", file)


def test_values_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"N": "3", "WHOLE": "true", "WHO": "42"}.items():
        monkeypatch.setenv(name, value)
    text = 'nodes = "${oc.env:N}"\nexclusive = "${oc.env:WHOLE}"\naccount = "${oc.env:WHO}"'
    profile = load_profile("a", written(tmp_path, f'[a]\nexecutor = "slurm"\n{text}\n'))
    assert isinstance(profile, SlurmProfile)
    assert (profile.nodes, profile.exclusive, profile.account) == (3, True, "42")


def test_dollars_and_braces_can_be_meant(tmp_path: Path) -> None:
    text = "[a]\n[a.env_vars]\nA = '\\${b} $HOME $$'\n"
    assert load_profile("a", written(tmp_path, text)).env_vars == {"A": "${b} $HOME $$"}


def test_a_profile_without_an_executor_is_local(tmp_path: Path) -> None:
    profile = load_profile("a", written(tmp_path, "[a]\ngpus = 2\n"))
    assert isinstance(profile, LocalProfile)
    assert (profile.gpus_per_node, profile.elsewhere) == (2, False)


def test_names_mean_what_they_mean_for_the_executor(tmp_path: Path) -> None:
    text = '[a]\nexecutor = "skypilot"\ngpus = "H100"\ngpus_per_node = 8\nmem = 64\n'
    profile = load_profile("a", written(tmp_path, text))
    assert isinstance(profile, SkypilotProfile)
    assert (profile.gpus, profile.gpus_per_node, profile.memory) == ("H100", 8, 64)


def test_secrets_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DGX", "not-to-be-seen")
    value = '"${oc.env:DGX}"'
    text = (
        f'[a]\nexecutor = "dgxcloud"\nclient_secret = {value}\n[a.env_vars]\nHF_TOKEN = {value}\n'
    )
    profile = load_profile("a", written(tmp_path, text))
    assert set(profile.env_vars.values()) == {"not-to-be-seen"}
    assert "not-to-be-seen" not in repr(profile)


def test_a_profile_can_be_changed_by_any_of_its_names(env: Path) -> None:
    profile = load_profile("far", env)
    again = changed(profile, {"gpus": 1, "time": None, "nodes": 2})
    assert (again.gpus_per_node, again.nodes) == (1, 2)
    assert isinstance(again, SlurmProfile)
    assert again.time == "00:10:00"
    with pytest.raises(ProfileError, match=r"slurm has no key 'nods'\. Did you mean 'nodes'"):
        changed(profile, {"nods": 2})
    with pytest.raises(ProfileError, match="'nodes' is '2', but must be a whole number"):
        changed(profile, {"nodes": "2"})


@pytest.mark.parametrize("model", PROFILES.values(), ids=PROFILES)
def test_every_key_takes_its_own_default(model: type[Profile]) -> None:
    defaults: dict[str, Any] = {item.name: item.default for item in keys_of(model).values()}
    profile = model(name="x")
    assert {name: getattr(profile, name) for name in defaults} == defaults
    assert changed(profile, dict(defaults)) == profile


@pytest.mark.parametrize("model", PROFILES.values(), ids=PROFILES)
def test_no_name_means_two_keys(model: type[Profile]) -> None:
    names = [name for item in keys_of(model).values() for name in (item.name, *item.spelled)]
    assert len(names) == len(set(names)) == len(spellings_of(model))


def test_without_nemo_run_one_sentence_says_what_to_install(env: Path) -> None:
    with pytest.raises(
        MissingDependencyError,
        match=r"build_executor needs nemo-run, .* pip install 'nemo-runspec\[run\]'",
    ):
        build_executor(load_profile("far", env), env_vars={})


def test_what_nemo_run_works_with_is_in_the_metadata() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert not [item for item in project["dependencies"] if "nemo-run" in item.split(">")[0]]
    assert project["optional-dependencies"]["run"] == [
        "nemo-run>=0.11.1,<0.12",
        "leptonai>=0.26.6,<0.28",
    ]


def test_all_gpus_say_no_number_of_processes(
    recipe: Runspec, env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEMOTRON_ENV", str(env))
    script = recipe.path
    script.write_text(HEADER.replace("# [tool.runspec.env]", RUN + "# [tool.runspec.env]"))
    started = parse(script)
    plan = plan_recipe(RecipeRequest(started, cwd=script.parent, profile="box"))
    profile = composed(started, env, "box")
    with pytest.raises(ProfileError, match=r"takes all GPUs, .* ntasks_per_node"):
        processes_per_node(plan, profile)
    assert processes_per_node(plan, changed(profile, {"gpus": 4})) == 4
    assert processes_per_node(plan, changed(profile, {"ntasks_per_node": 2})) == 2


def test_a_store_that_the_container_does_not_see_is_told(recipe: Runspec, env: Path) -> None:
    root = f"artifacts.manifest.root={env.parent}/store"
    (told,) = composed(recipe, env, "base", root).told
    assert told.startswith(f"The job's container does not see {env.parent}/store, where")
    mounted = f"run.env.mounts=['{env.parent}']"
    assert composed(recipe, env, "base", root, mounted).told == ()
    assert composed(recipe, env, "base", "artifacts.manifest.root=s3://bucket/store").told == ()
    assert composed(recipe, env, "far", root).told == ()


def test_a_process_of_this_machine_needs_no_image(recipe: Runspec, env: Path) -> None:
    env.write_text("[here]\n")
    profile = composed(recipe, env, "here")
    assert profile.sees(env)
    assert profile.told == (
        "run.env.mem is left out: local has no such key.",
        "run.env.qos is left out: local has no such key.",
    )
