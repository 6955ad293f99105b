from __future__ import annotations

import os
import signal
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from nemo_runspec.artifacts import ModelArtifact, log_artifact, setup_artifact_tracking
from nemo_runspec.config import extract_train_config
from nemo_runspec.errors import (
    ArtifactError,
    ArtifactNotFoundError,
    ConfigError,
    ExecutionError,
    MissingDependencyError,
    ProfileError,
    RunspecError,
)
from nemo_runspec.execution import (
    ChildStreams,
    PreparedRun,
    RecipePlan,
    RecipeRequest,
    RunOutcome,
    plan_recipe,
    preview_config,
    run_recipe,
)
from nemo_runspec.execution.command import build_command
from nemo_runspec.execution.process import run_child
from nemo_runspec.runspec import Runspec, parse

HEADER = '# /// script\n# [tool.runspec]\n# schema = "1"\n{}# ///\n'


@pytest.fixture(autouse=True)
def _clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NEMOTRON_ARTIFACTS_ROOT", "NEMOTRON_ENV", "NEMOTRON_RUN_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def write_recipe(folder: Path, header: str, body: str = "", config: str = "x: 1\n") -> Runspec:
    lines = "".join(f"# {line}\n" for line in textwrap.dedent(header).strip().splitlines())
    script = folder / "recipe.py"
    script.write_text(HEADER.format(lines) + textwrap.dedent(body))
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "default.yaml").write_text(textwrap.dedent(config))
    return parse(script)


def plan(recipe: Runspec, *overrides: str) -> RecipePlan:
    return plan_recipe(
        RecipeRequest(recipe, overrides=overrides, cwd=Path.cwd(), recipes=(recipe,))
    )


def run(recipe: Runspec, *overrides: str) -> RunOutcome:
    seen: list[PreparedRun] = []
    streams = ChildStreams(stdout=None, stderr=None)
    outcome = run_recipe(plan(recipe, *overrides), announce=seen.append, streams=streams)
    assert seen == [outcome.run]
    return outcome


def test_a_script_gets_its_train_config_and_run_directory(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    body = """
    import os, sys
    from nemo_runspec.config import load_omegaconf_yaml
    config = load_omegaconf_yaml(sys.argv[2])
    print(sys.argv[1], config.x, os.environ["NEMOTRON_RUN_DIR"])
    """
    outcome = run(write_recipe(tmp_path, 'name = "demo/one"', body), "x=7")
    assert outcome.succeeded
    assert capfd.readouterr().out == f"--config 7 {outcome.run.run_dir}\n"
    assert outcome.run.command[1:] == (
        str(tmp_path / "recipe.py"),
        "--config",
        str(outcome.run.train_config),
    )
    assert outcome.run.run_dir.parent == tmp_path / ".nemotron" / "runs" / "demo-one"


def test_what_the_script_recorded_is_read_back(tmp_path: Path) -> None:
    body = """
    import sys
    from nemo_runspec.artifacts import ModelArtifact, log_artifact, setup_artifact_tracking
    from nemo_runspec.config import load_omegaconf_yaml
    from nemo_runspec.run_result import record_summary
    tracking = setup_artifact_tracking(load_omegaconf_yaml(sys.argv[2]))
    log_artifact(ModelArtifact(path="/ckpt", step=3), tracking)
    record_summary("loss", 0.5)
    """
    outcome = run(write_recipe(tmp_path, 'name = "demo/one"', body))
    assert outcome.result.summary == {"loss": 0.5}
    assert outcome.manifest == str(
        tmp_path / "artifacts" / "demo-one-model" / "v1" / "manifest.json"
    )
    assert outcome.missing_manifest is None
    assert not outcome.reused


@pytest.mark.parametrize(
    ("body", "overrides", "code", "reason"),
    [
        ("raise SystemExit(3)", [], 3, "the job ended before it recorded an artifact"),
        ("", [], 0, "the recipe recorded no artifact"),
        ("", ["artifacts.manifest.root=null"], 0, "off: artifacts.manifest.root is not set"),
        (
            "import nemo_runspec.run_result as r; r.record_missing_manifest('the root is full')",
            [],
            0,
            "the root is full",
        ),
        (
            "raise SystemExit(1)",
            ["artifacts.manifest.root=/dev/null/store"],
            1,
            "the root /dev/null/store cannot be written to (Not a directory)",
        ),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", [], 137, "the job ended"),
    ],
)
def test_a_missing_manifest_always_has_a_reason(
    tmp_path: Path, body: str, overrides: list[str], code: int, reason: str
) -> None:
    outcome = run(write_recipe(tmp_path, 'name = "demo/one"', body), *overrides)
    assert outcome.exit_code == code
    assert outcome.manifest is None
    assert reason in str(outcome.missing_manifest)


def test_torchrun_is_spelled_out_and_no_shell_reads_the_words(tmp_path: Path) -> None:
    header = """
    name = "demo/one"
    [tool.runspec.run]
    launch = "torchrun"
    cmd = "python {script} --mode 'two words' --config {config}"
    """
    command = build_command(write_recipe(tmp_path, header), Path("/c/train.yaml"), gpus_per_node=8)
    assert command == [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "8"),
        *(str(tmp_path / "recipe.py"), "--mode", "two words", "--config", "/c/train.yaml"),
    ]


@pytest.mark.parametrize(
    ("cmd", "message"),
    [("bash {script}", "begins with 'bash'"), ("python '{script}", "cannot be split into words")],
)
def test_a_command_that_cannot_be_spelled_leaves_nothing_behind(
    tmp_path: Path, cmd: str, message: str
) -> None:
    recipe = write_recipe(tmp_path, f'name = "demo/one"\n[tool.runspec.run]\ncmd = "{cmd}"')
    with pytest.raises(RunspecError, match=message):
        run(recipe)
    assert not list(tmp_path.glob(".nemotron/runs/demo-one/*"))


def test_a_framework_that_is_absent_is_named_with_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    header = 'name = "demo/one"\nimage = "nemo:1"\n[tool.runspec.run]\nlaunch = "torchrun"'
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ExecutionError, match="in the container image nemo:2; torch is not inst"):
        run(write_recipe(tmp_path, header), "run.env.container=nemo:2")
    assert not (tmp_path / ".nemotron").exists()


def test_a_package_that_is_absent_is_named_before_anything_starts(tmp_path: Path) -> None:
    header = 'name = "demo/one"'
    recipe = write_recipe(tmp_path, header)
    dependencies = (
        '# dependencies = ["pydantic>=1", "no-such-thing[x]>=2", "other; os_name == \'n\'"]'
    )
    text = recipe.path.read_text()
    recipe.path.write_text(text.replace("# [tool.runspec]", f"{dependencies}\n# [tool.runspec]", 1))
    with pytest.raises(MissingDependencyError, match=r"needs no-such-thing\[x\]>=2, which is not"):
        run(recipe)
    assert not (tmp_path / ".nemotron").exists()


def test_a_working_directory_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / ".nemotron").write_text("in the way")
    with pytest.raises(ExecutionError, match="The run directory cannot be created"):
        run(write_recipe(tmp_path, 'name = "demo/one"'))


def test_a_program_that_does_not_exist_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match="could not be started: No such file"):
        run_child(["/no/such"], environment={}, cwd=tmp_path, streams=ChildStreams())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_child_and_its_children(tmp_path: Path, number: int) -> None:
    child = textwrap.dedent(
        """
        import signal, subprocess, sys
        numbers = {int(sys.argv[1])}
        # What waits for a signal that is blocked misses none, whenever it comes.
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        grandchild = subprocess.Popen([sys.executable, "-c", '''
        import signal, sys
        print("ready", flush=True)
        signal.sigwait({int(sys.argv[1])})
        sys.exit(2)
        '''.replace("        ", ""), sys.argv[1]])
        signal.sigwait(numbers)
        sys.exit(40 + grandchild.wait())
        """
    )
    read_end, write_end = os.pipe()
    before = signal.getsignal(number)

    def interrupt_when_ready() -> None:
        with os.fdopen(read_end) as lines:
            lines.readline()
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=interrupt_when_ready)
    sender.start()
    code = run_child(
        [sys.executable, "-c", child, str(int(number))],
        environment=dict(os.environ),
        cwd=tmp_path,
        streams=ChildStreams(stdout=write_end),
    )
    sender.join()
    os.close(write_end)
    assert code == 42
    assert signal.getsignal(number) == before


READER = """
name = "demo/reader"
[tool.runspec.artifacts]
writes = "ModelArtifact"
[tool.runspec.artifacts.reads]
model = "ModelArtifact"
"""


def log_model(name: str) -> None:
    config = OmegaConf.create({"artifacts": {"manifest": {"root": str(Path.cwd() / "artifacts")}}})
    with setup_artifact_tracking(config) as tracking:
        log_artifact(ModelArtifact(path="/ckpt", step=3), tracking, name=name)


def test_references_are_pinned_and_described(tmp_path: Path) -> None:
    log_model("demo-model")
    log_model("demo-model")
    config = "run: {model: 'demo-model:latest'}\nstart: ${art:model,path}\n"
    made = plan(write_recipe(tmp_path, READER, config=config))
    (item,) = made.inputs
    assert item.as_dict() == {
        "key": "model",
        "requested": "demo-model:latest",
        "pinned": "demo-model:v2",
        "path": "/ckpt",
        "type": "ModelArtifact",
        "declared": "ModelArtifact",
    }
    assert made.job.run.model == "demo-model:v2"
    raw = OmegaConf.to_container(made.train, resolve=False)
    assert isinstance(raw, dict)
    assert raw["start"] == "${art:'demo-model:v2',path}"


def test_a_missing_input_names_the_recipe_that_makes_it(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, READER, config="run: {model: 'demo-reader-model:latest'}\n")
    with pytest.raises(ArtifactNotFoundError, match=r"Run `nemotron demo reader` first\."):
        plan(recipe)
    with pytest.raises(ArtifactNotFoundError, match="holds no artifacts yet"):
        plan(recipe, "run.model=other:v1")


def test_a_missing_version_says_which_there_are(tmp_path: Path) -> None:
    log_model("demo-model")
    recipe = write_recipe(tmp_path, READER, config="run: {model: 'demo-model:v7'}\n")
    with pytest.raises(ArtifactNotFoundError, match=r"has no version v7.*It has v1\."):
        plan(recipe)


def test_an_input_of_another_type_is_refused(tmp_path: Path) -> None:
    log_model("demo-model")
    header = READER.replace('model = "ModelArtifact"', 'model = "SFTDataArtifact"')
    recipe = write_recipe(tmp_path, header, config="run: {model: 'demo-model:v1'}\n")
    with pytest.raises(
        ArtifactError, match="recipe reads SFTDataArtifact, and demo-model:v1 is Mod"
    ):
        plan(recipe)


def test_an_input_may_be_a_path_of_unknown_type(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    config = f"run: {{model: {folder}}}\nstart: ${{art:model,path}}\n"
    made = plan(write_recipe(tmp_path, READER, config=config))
    assert made.inputs[0].pinned == str(folder)
    assert preview_config(made.train)["start"] == str(folder)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("run.env.nodez=2", r"the command line: .* no key 'nodez'\. Did you mean 'nodes'"),
        (
            "run.env.gpus_per_node=two",
            "the command line: 'run.env.gpus_per_node' is 'two', .* whole",
        ),
        ("run.env={time: 4h}", "the command line: 'run.env.time' is '4h', but must be minutes"),
        ("x=2", r"default\.yaml:4: A profile has no key 'acount'\. Did you mean 'account'"),
    ],
)
def test_settings_that_no_profile_has_are_refused_without_one_too(
    tmp_path: Path, override: str, message: str
) -> None:
    wrong = "run:\n  env:\n    acount: research\n" if override == "x=2" else ""
    recipe = write_recipe(tmp_path, 'name = "demo/one"', config=f"x: 1\n{wrong}")
    with pytest.raises(ProfileError, match=message):
        plan_recipe(RecipeRequest(recipe, overrides=(override,), argv=(override,)))


def test_settings_of_another_machine_are_no_mistake_on_this_one(tmp_path: Path) -> None:
    mounts = "['${auto_mount:git+https://x/y@z,/z}']"
    env = f"{{time: '04:00:00', shm_size: 8g, mounts: {mounts}, gpus: null, nodes: '???'}}"
    recipe = write_recipe(tmp_path, 'name = "demo/one"', config=f"x: 1\nrun: {{env: {env}}}\n")
    planned = plan(recipe, "run.env.run_partition=interactive", "run.env.executor=slurm")
    assert OmegaConf.select(planned.job, "run.env.time") == "04:00:00"


def test_planning_writes_nothing(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, 'name = "demo/one"')
    before = sorted(tmp_path.rglob("*"))
    preview_config(plan(recipe).train)
    assert sorted(tmp_path.rglob("*")) == before


PREVIEWED = r"""
plain: [1, two, null]
sum: ${mul:2,3}
literal: \${not.resolved}
home: ${oc.env:NO_SUCH_VARIABLE}
copy: ${home}
nested: {deep: "${sum}"}
whole: ${nested}
"""


def test_a_preview_resolves_what_this_machine_can(tmp_path: Path) -> None:
    shown = preview_config(plan(write_recipe(tmp_path, 'name = "d/o"', config=PREVIEWED)).train)
    assert {key: shown[key] for key in ("plain", "sum", "literal", "home", "copy", "whole")} == {
        "plain": [1, "two", None],
        "sum": 6,
        "literal": r"\${not.resolved}",
        "home": "${oc.env:NO_SUCH_VARIABLE}",
        "copy": "${home}",
        "whole": {"deep": 6},
    }


def test_a_preview_names_the_key_that_cannot_be_resolved(tmp_path: Path) -> None:
    log_model("demo-model")
    config = "run: {model: 'demo-model:v1'}\na: {b: ['${art:model,nothing}']}\n"
    made = plan(write_recipe(tmp_path, READER, config=config))
    with pytest.raises(ConfigError, match=r"a\.b\[0\]: .*demo-model:v1 has no field 'nothing'"):
        preview_config(made.train)
    train = extract_train_config(made.job)
    train.a.b[0] = "${nowhere}"
    with pytest.raises(ConfigError, match=r"a\.b\[0\]: The value cannot be resolved"):
        preview_config(train)


def test_a_preview_shows_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefghijklmnopqrstuvwx")
    monkeypatch.setenv("MY_PLACE", "hf://name:password@place")
    config = "hub: {token: '${oc.env:HF_TOKEN}'}\nurl: x-${hub.token}\n"
    config += "mine: ${oc.env:MY_PLACE}\nload: ['${mine}/a']\n"
    shown = preview_config(plan(write_recipe(tmp_path, 'name = "d/o"', config=config)).train)
    # Nothing says of a variable that it is a secret: none is read, through other keys neither.
    assert shown["hub"] == {"token": "${oc.env:HF_TOKEN}"}
    assert shown["url"] == "x-${hub.token}"
    assert (shown["mine"], shown["load"]) == ("${oc.env:MY_PLACE}", ["${mine}/a"])
