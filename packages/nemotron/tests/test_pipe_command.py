from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from nemo_runspec.manifest_tracker import ManifestTracker

pytestmark = pytest.mark.exhaustive

HEADER = """\
# /// script
# dependencies = ["nemo-runspec"]
# [tool.runspec]
# schema = "1"
# name = "toy/{name}"
# docs = "{name} of the toy family."
# [tool.runspec.config]
# dir = "{config}"
# [tool.runspec.artifacts]
# writes = "{writes}"
{reads}# ///
"""

# A stand-in for every stage: it reads what it is given, and records what it makes.
BODY = """
import sys
import time
from pathlib import Path

from omegaconf import OmegaConf

from nemo_runspec.artifacts import SFTDataArtifact, log_artifact_once, setup_artifact_tracking
from nemo_runspec.config import load_omegaconf_yaml, parse_config_and_overrides
from nemo_runspec.errors import DataError
from nemo_runspec.events import CheckpointSaved, record_checkpoint
from nemo_runspec.run_result import record_summary
from nemo_runspec.script import script_main


def main() -> None:
    path, _ = parse_config_and_overrides()
    config = load_omegaconf_yaml(path)
    tracking = setup_artifact_tracking(config)
    work = config.work
    if work.broken:
        raise DataError("The stage is broken.", hint="Repair it.")
    print(f"working on {config.run.output}", flush=True)
    while work.wait_for and not Path(work.wait_for).exists():
        time.sleep(0.02)
    given = [(Path(place) / "made").read_text() for place in work.given]
    folder = Path(work.out).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    made = "+".join([*given, str(work.what)])
    (folder / "made").write_text(made)
    record_summary("made", made)
    if work.silent:
        return
    if "data" in sys.argv[0]:
        artifact = SFTDataArtifact(path=folder, pack_size=8, total_tokens=len(made))
        log_artifact_once(artifact, tracking)
        return
    for step in (5, 10):
        iteration = folder / f"iter_{step}"
        iteration.mkdir(exist_ok=True)
        record_checkpoint(CheckpointSaved(iteration, folder, step, "stand-in"), tracking)


script_main(main)
"""

USUAL = {"broken": False, "silent": False, "wait_for": None, "given": []}


def recipe(folder: Path, file: str, name: str, writes: str, reads: dict[str, str]) -> Path:
    lines = "".join(f'# {key} = "{kind}"\n' for key, kind in reads.items())
    section = f"# [tool.runspec.artifacts.reads]\n{lines}" if reads else ""
    config = f"config/{file.removesuffix('.py')}"
    header = HEADER.format(name=name, config=config, writes=writes, reads=section)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(header + BODY)
    return folder / config


def config(folder: Path, name: str, run: dict[str, Any], **work: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"run": run, "work": {**USUAL, **work}}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A family of data preparation and training, with the configurations default and small."""
    for name in ("NEMOTRON_ENV", "NEMOTRON_ARTIFACTS_ROOT", "NEMOTRON_DEBUG", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NEMOTRON_RECIPES", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "no-wandb"))
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "elsewhere" / "toy"
    for number, stage in enumerate(("pretrain", "sft")):
        folder = home / f"stage{number}_{stage}"
        data, model = "SFTDataArtifact", "ModelArtifact"
        prep = recipe(folder, "data_prep.py", f"data/prep/{stage}", data, {})
        reads = {"data": data} | ({"model": model} if number else {})
        train = recipe(folder, "train.py", stage, model, reads)
        for name, suffix in (("default", ""), ("small", "-small")):
            out = f"out/{name}/{stage}"
            config(prep, name, {}, what=f"{stage}-data", out=f"{out}/data")
            run = {"data": f"toy-{stage}-data{suffix}:latest"}
            run |= {"model": f"toy-pretrain-model{suffix}:latest"} if number else {}
            given = [f"${{art:{key},path}}" for key in run]
            config(train, name, run, what=stage, out=f"{out}/model", given=given)
    yield tmp_path
    # Whatever still waits, after a test that failed, ends.
    (tmp_path / "gate").touch()


PIPE = ("toy", "pipe")
STAGES = ["data/prep/pretrain", "pretrain", "data/prep/sft", "sft"]


def records(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.glob(".nemotron/pipes/toy/*/pipe.json"))
    return [json.loads(file.read_text()) for file in files]


def states(record: dict[str, Any]) -> dict[str, str]:
    return {stage["name"]: stage["state"] for stage in record["stages"]}


def made(folder: Path, name: str = "sft") -> str:
    return (folder / "out" / "default" / name / "model" / "made").read_text()


def test_a_family_runs_as_one_chain(toy: Path, nemotron: Callable) -> None:
    done = nemotron(*PIPE)
    assert (done.code, done.err) == (0, "")
    for number, name in enumerate(STAGES, start=1):
        assert f"\nStage {number} of 4: {name}\n" in done.out
    assert "─ Chain Complete (toy " in done.out
    assert "│ sft:                toy-sft-model:v2 " in done.out
    assert made(toy) == "sft-data+pretrain-data+pretrain+sft"
    (record,) = records(toy)
    assert [stage["name"] for stage in record["stages"]] == STAGES
    assert set(states(record).values()) == {"succeeded"}
    assert f"pipe-{record['id']}" in done.out


def test_each_stage_reads_by_the_alias_of_the_chain_and_is_pinned(
    toy: Path, nemotron: Callable
) -> None:
    nemotron(*PIPE, "--quiet")
    (record,) = records(toy)
    alias = f"pipe-{record['id']}"
    store = ManifestTracker(toy / "artifacts")
    # Both checkpoints were recorded under the alias; it means the latest.
    assert store.aliases("toy-pretrain-model") == {alias: 2}
    inputs = {item["key"]: item for item in record["stages"][-1]["inputs"]}
    assert inputs["model"] == {
        "key": "model",
        "requested": "toy-pretrain-model:latest",
        "reference": f"toy-pretrain-model:{alias}",
        "source": "pretrain",
        "pinned": "toy-pretrain-model:v2",
    }
    manifest = store.find("toy-sft-model:v2")
    assert sorted(manifest.used_artifacts) == ["toy-pretrain-model:v2", "toy-sft-data:v1"]


def test_nobody_elses_version_slips_in(toy: Path, nemotron: Callable) -> None:
    gate = toy / "gate"
    chain = start(toy, *PIPE, f"sft:work.wait_for={gate}", f"data/prep/sft:work.wait_for={gate}")
    wait_for(lambda: the_state(toy, "data/prep/sft")() == "running")
    # Somebody pretrains another model under the same name before sft starts.
    other = nemotron("toy", "pretrain", "work.what=other", "work.out=elsewhere-model", "--quiet")
    assert other.out == "toy-pretrain-model:v3\ntoy-pretrain-model:v4\n"
    gate.touch()
    assert chain.wait() == 0
    assert made(toy) == "sft-data+pretrain-data+pretrain+sft"


def test_a_dry_run_shows_the_chain_and_writes_nothing(toy: Path, nemotron: Callable) -> None:
    before = sorted(toy.rglob("*"))
    done = nemotron(*PIPE, "-c", "small", "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert "├── 2 pretrain\n" in done.out
    assert "toy-pretrain-data-small:latest → what data/prep/pretrain makes" in done.out
    assert "writes:    toy-sft-model-small (ModelArtifact)" in done.out
    assert "stage1_sft/train.py --config RUN_DIR/train.yaml" in done.out
    assert sorted(toy.rglob("*")) == before


def test_a_dry_run_says_what_is_pinned(toy: Path, nemotron: Callable) -> None:
    nemotron(*PIPE, "--to", "pretrain", "--quiet")
    document = json.loads(nemotron(*PIPE, "--from", "prep/sft", "--dry-run", "--json").out)
    assert document["status"] == "planned"
    assert [stage["name"] for stage in document["stages"]] == STAGES[2:]
    model = document["stages"][1]["inputs"][1]
    assert (model["source"], model["reference"]) == (None, "toy-pretrain-model:v2")
    assert document["stages"][0]["command"][0] == sys.executable
    shown = nemotron(*PIPE, "--from", "prep/sft", "--dry-run").out
    assert "run.model: toy-pretrain-model:latest → toy-pretrain-model:v2" in shown


def test_what_is_read_from_before_stays_the_same_for_the_whole_chain(
    toy: Path, nemotron: Callable
) -> None:
    nemotron(*PIPE, "--to", "pretrain", "--quiet")
    gate = toy / "gate"
    chain = start(toy, *PIPE, "--from", "data/prep/sft", f"data/prep/sft:work.wait_for={gate}")
    wait_for(lambda: records(toy)[1:] and states(records(toy)[-1])["data/prep/sft"] == "running")
    nemotron("toy", "pretrain", "work.what=other", "work.out=elsewhere-model", "--quiet")
    gate.touch()
    assert chain.wait() == 0
    assert made(toy) == "sft-data+pretrain-data+pretrain+sft"


def test_a_chain_ends_with_what_is_asked_for(toy: Path, nemotron: Callable) -> None:
    done = nemotron(*PIPE, "--to", "prep/sft", "--quiet")
    assert done.out == "toy-sft-data:v1\n"
    again = nemotron(*PIPE, "--to", "data prep sft", "--to", "pretrain", "--quiet")
    assert again.out.splitlines() == [
        "toy-pretrain-data:v1",
        "toy-pretrain-model:v1",
        "toy-pretrain-model:v2",
        "toy-sft-data:v1",
    ]


def test_a_failed_stage_stops_the_chain_and_the_panel_says_how_to_go_on(
    toy: Path, nemotron: Callable
) -> None:
    done = nemotron(*PIPE, "pretrain:work.broken=true")
    assert done.code == 1
    (record,) = records(toy)
    assert "─ Chain Stopped (toy " in done.out
    assert "│ pretrain:           failed with exit code 1: The stage is broken. " in done.out
    assert "│ sft:                not run " in done.out
    assert f"│ Resume:             nemotron toy pipe --resume {record['id']} " in done.out
    assert list(states(record).values()) == ["succeeded", "failed", "waiting", "waiting"]


def test_a_stopped_chain_goes_on_with_the_failed_stage(toy: Path, nemotron: Callable) -> None:
    nemotron(*PIPE, "pretrain:work.broken=true")
    (before,) = records(toy)
    done = nemotron(*PIPE, "--resume", "pretrain:work.broken=false")
    assert done.code == 0
    assert "Stage 1 of 4: data/prep/pretrain has run before: toy-pretrain-data:v1\n" in done.out
    (record,) = records(toy)
    assert set(states(record).values()) == {"succeeded"}
    assert record["stages"][0]["run_dir"] == before["stages"][0]["run_dir"]
    assert made(toy) == "sft-data+pretrain-data+pretrain+sft"


@pytest.mark.parametrize("how", ["data", "withdrawn", "store"])
def test_a_stage_whose_artifact_is_gone_runs_again_and_so_do_those_after_it(
    toy: Path, nemotron: Callable, how: str
) -> None:
    nemotron(*PIPE, "sft:work.broken=true", "--quiet")
    (record,) = records(toy)
    if how == "data":
        (toy / "out/default/pretrain/data/made").unlink()
        (toy / "out/default/pretrain/data/metadata.json").unlink()
        (toy / "out/default/pretrain/data").rmdir()
        reason = "has lost its data at"
    elif how == "store":
        (toy / "artifacts").rename(toy / "gone")
        reason = "is withdrawn or not recorded any more"
    else:
        store = ManifestTracker(toy / "artifacts")
        store.remove_alias("toy-pretrain-data", f"pipe-{record['id']}")
        store.withdraw("toy-pretrain-data", 1, reason="wrong")
        reason = "is withdrawn or not recorded any more"
    done = nemotron(*PIPE, "--resume", record["id"][-6:], "sft:work.broken=false")
    assert done.code == 0
    assert f"Stage data/prep/pretrain runs again: toy-pretrain-data:v1 {reason}" in done.err
    if how == "store":
        assert "Stage pretrain runs again: toy-pretrain-model:v2 is" in done.err
        return
    assert "So do those that read from it: pretrain." in done.err
    assert "Stage 3 of 4: data/prep/sft has run before" in done.out


def test_the_rest_of_a_chain_can_be_shown_first(toy: Path, nemotron: Callable) -> None:
    nemotron(*PIPE, "sft:work.broken=true", "--quiet")
    before = (records(toy), sorted(toy.rglob("*")))
    done = nemotron(*PIPE, "--resume", "--dry-run")
    assert done.code == 0
    assert "│   └── done:   toy-pretrain-model:v2\n" in done.out
    assert "toy-pretrain-model:latest → what pretrain makes" in done.out
    assert "stage1_sft/train.py" in done.out
    assert "stage1_sft/data_prep.py" not in done.out
    assert "before:    exit code 1: The stage is broken.\n" in done.out
    assert before[0] == records(toy)


def test_a_cluster_needs_nemo_run_and_a_queue_before_anything_is_written(
    here: Path, nemotron: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nemo_run", None)
    (here / "env.toml").write_text('[lab]\nexecutor = "slurm"\n[box]\nexecutor = "docker"\n')
    done = nemotron(*PIPE, "--batch", "lab")
    assert "NeMo-Run, which is not installed" in done.err
    assert "Jobs of the profile 'box' (docker)" in nemotron(*PIPE, "--batch", "box").err
    assert not (here / ".nemotron").exists()


def test_json_is_one_document(toy: Path, nemotron: Callable) -> None:
    done = nemotron(*PIPE, "--json")
    document = json.loads(done.out)
    assert (document["status"], document["exit_code"], document["resume"]) == ("completed", 0, None)
    assert Path(document["record"]).is_file()
    last = document["stages"][-1]
    assert (last["artifact"], last["state"]) == ("toy-sft-model:v2", "succeeded")
    assert [item["ref"] for item in last["artifacts"]] == ["toy-sft-model:v1", "toy-sft-model:v2"]
    assert done.err.startswith("working on toy-pretrain-data\n")
    failed = json.loads(nemotron(*PIPE, "--json", "sft:work.broken=true").out)
    assert failed["status"] == "failed"
    assert failed["resume"].startswith("nemotron toy pipe --resume ")
    assert failed["stages"][-1]["reason"] == "The stage is broken."


def test_quiet_leaves_the_references_and_a_failure_says_how_to_go_on(
    toy: Path, nemotron: Callable
) -> None:
    done = nemotron(*PIPE, "--to", "data/prep/sft", "--quiet")
    assert (done.out, done.err) == ("toy-sft-data:v1\n", "")
    failed = nemotron(*PIPE, "sft:work.broken=true", "--quiet")
    (record,) = records(toy)[1:]
    assert "The stage is broken." in failed.err
    assert failed.err.endswith(f"resume: nemotron toy pipe --resume {record['id']}\n")


def test_a_stage_that_records_nothing_has_failed_where_it_is_read(
    toy: Path, nemotron: Callable
) -> None:
    done = nemotron(*PIPE, "pretrain:work.silent=true")
    assert done.code == 1
    assert "recorded no toy-pretrain-model, which is read later" in done.out
    assert nemotron(*PIPE, "sft:work.silent=true").code == 0


def test_a_stage_that_cannot_start_is_told_before_anything_runs(
    toy: Path, nemotron: Callable
) -> None:
    script = toy / "elsewhere/toy/stage1_sft/train.py"
    text = script.read_text().replace('["nemo-runspec"]', '["nemo-runspec", "no-such-package"]')
    script.write_text(text)
    done = nemotron(*PIPE)
    assert done.code == 1
    assert "Stage sft cannot start here: Recipe 'toy/sft' needs no-such-package" in done.err
    assert "chosen with --to pretrain --to data/prep/sft." in done.err
    assert not (toy / ".nemotron").exists()
    assert "Not here: Recipe 'toy/sft' needs" in nemotron(*PIPE, "--dry-run").out


def test_a_recipe_of_several_stages_that_cannot_start_is_told_once(
    toy: Path, nemotron: Callable
) -> None:
    home = toy / "elsewhere/toy"
    configs = recipe(
        home / "convert", "convert.py", "model/convert", "", {"model": "ModelArtifact"}
    )
    config(configs, "default", {"model": "toy-sft-model:latest"}, what="hf", out="out/hf")
    script = home / "convert/convert.py"
    written = 'writes = { type = "ModelArtifact", format = "hf", name = "{model}-hf" }'
    text = script.read_text().replace('writes = ""', written)
    script.write_text(text.replace('["nemo-runspec"]', '["nemo-runspec", "no-such-package"]'))
    for stage, model in (("rl", "toy-sft-model"), ("rlhf", "toy-rl-model")):
        reads = {"model": "ModelArtifact"}
        configs = recipe(home / f"stage2_{stage}", "train.py", stage, "ModelArtifact", reads)
        config(configs, "default", {"model": f"{model}-hf:latest"}, what=stage, out=f"out/{stage}")
    done = nemotron(*PIPE, "--dry-run")
    assert "sft/convert" in done.out
    assert "rl/convert" in done.out
    assert done.out.count("Not here: Recipe 'toy/model/convert' needs no-such-package") == 1


def test_recipes_without_the_configuration_are_left_out_and_it_is_told(
    toy: Path, nemotron: Callable
) -> None:
    (toy / "elsewhere/toy/stage1_sft/config/train/small.yaml").unlink()
    done = nemotron(*PIPE, "-c", "small")
    assert done.code == 0
    assert "Left out: sft has no configuration 'small'." in done.out
    assert [stage["name"] for stage in records(toy)[0]["stages"]] == STAGES[:3]
    refused = nemotron(*PIPE, "-c", "small", "sft:work.what=x")
    assert refused.code == 2
    assert "The stage 'sft' takes no part: it has no configuration 'small'." in refused.err


def test_one_stage_can_have_another_configuration(toy: Path, nemotron: Callable) -> None:
    nemotron(*PIPE, "--quiet")
    done = nemotron(*PIPE, "-c", "small", "-c", "sft:default", "--dry-run", "--json")
    document = json.loads(done.out)
    sft = document["stages"][-1]
    assert (sft["config"], sft["output"]) == ("default", "toy-sft-model")
    assert [item["reference"] for item in sft["inputs"]] == [
        "toy-sft-data:v1",
        "toy-pretrain-model:v2",
    ]


def test_settings_of_the_command_line_reach_the_stages_they_are_for(
    toy: Path, nemotron: Callable
) -> None:
    done = nemotron(*PIPE, "sft:work.what=tuned", "+run.note=all", "sft:+work.extra=1", "--quiet")
    assert done.code == 0
    assert made(toy) == "sft-data+pretrain-data+pretrain+tuned"
    files = sorted((toy / ".nemotron/runs").glob("*/*/job.yaml"))
    jobs = [yaml.safe_load(file.read_text()) for file in files]
    assert {job["run"]["note"] for job in jobs} == {"all"}
    assert sum("extra" in job["work"] for job in jobs) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-c", "smal"], "No recipe of toy has a configuration 'smal'. Did you mean 'small'?"),
        (["-c", "x.yaml"], "'x.yaml' is the file of one recipe; a chain takes a configuration's"),
        (["-c", "small", "-c", "default"], "Two configurations are given for every stage"),
        (["-c", "stf:small"], "There is no stage 'stf'. Did you mean 'sft'?"),
        (["--from", "prep"], "There is no stage 'prep'."),
        (["--to", "tune"], "There is no stage 'tune'."),
        (["--from", "sft", "--to", "pretrain"], "Nothing leads from sft to pretrain."),
        (["stf:work.what=1"], "There is no stage 'stf'. Did you mean 'sft'?"),
        (["sft:"], "'sft:' names a stage and no override."),
        (["sft:work.whta=1"], "Stage sft: The configuration has no key 'work.whta'."),
        (["sft:work.whta=1"], "To add it, write sft:+work.whta=…"),
        (["sft.work.what=1"], "For the stage sft alone, write sft:work.what=1"),
        (["what=1"], "For one stage only, write STAGE:what=1"),
        (["run.output=x"], "'run.output' is another one for each stage."),
        (["run.data=x:v1"], "'run.data' is another one for each stage."),
        (["sft:run.output=toy-sft-data"], "both record 'toy-sft-data'."),
        (["artifacts.manifest.root=null"], "by its name, and artifacts are not tracked."),
        (["sft:artifacts.manifest.root=x"], "Stage data/prep/sft records in"),
        (["sft:run.data=toy-pretrain-model:latest"], "Stage sft reads SFTDataArtifact, and"),
        (["pretrain:+run.model=toy-sft-model"], "The stages read from each other in a circle"),
        (["sft:run.data=nothing:v3"], "Stage sft reads what no stage of this chain makes."),
        (["--from", "sft"], "Run `nemotron toy data prep sft` first."),
        (["--resume"], "No chain of toy was started from here."),
        (["--run", "a", "--batch", "b"], "'--run' and '--batch' exclude each other."),
        (["sft:work.given=[\"${art:'toy-sft-data:latest'}\"]"], "inside a value, where it cannot"),
    ],
)
def test_a_wrong_request_is_one_sentence_with_what_to_do(
    toy: Path, nemotron: Callable, words: list[str], message: str
) -> None:
    done = nemotron(*PIPE, *words)
    assert done.code in {1, 2}
    assert done.out == ""
    told = " ".join(done.err.replace("hint:", "").replace("error:", "").split())
    assert message in told
    assert not (toy / ".nemotron").exists()


def test_a_resumed_chain_keeps_its_choices(toy: Path, nemotron: Callable) -> None:
    nemotron(*PIPE, "pretrain:work.broken=true")
    (record,) = records(toy)
    for words, message in (
        (["-c", "small"], "'-c' and '--resume' exclude each other"),
        (["--to", "sft"], "'--to' and '--resume' exclude each other"),
        (["prep/pretrain:work.what=x"], "Stage data/prep/pretrain has run already."),
        (["--root", "other"], "--root"),
    ):
        done = nemotron(*PIPE, "--resume", record["id"], *words)
        assert done.code == 2
        assert message in done.err
    deleted = nemotron(*PIPE, "--resume", "pretrain:~work.gone")
    assert "Stage pretrain: The configuration has no key 'work.gone'." in deleted.err
    unknown = nemotron(*PIPE, "--resume", "2026x")
    assert "There is no chain '2026x'." in unknown.err
    assert records(toy) == [record]


def test_a_chain_whose_recipe_is_gone_cannot_go_on(toy: Path, nemotron: Callable) -> None:
    nemotron(*PIPE, "pretrain:work.broken=true")
    (toy / "elsewhere/toy/stage1_sft/train.py").unlink()
    done = nemotron(*PIPE, "--resume")
    assert done.code == 2
    assert "The chain has the stage sft, whose recipe or configuration is gone." in done.err


def test_a_damaged_record_is_told(toy: Path, nemotron: Callable) -> None:
    nemotron(*PIPE, "pretrain:work.broken=true")
    (file,) = toy.glob(".nemotron/pipes/toy/*/pipe.json")
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "format_version": 99}))
    assert "The chain's record has format 99" in nemotron(*PIPE, "--resume").err
    file.write_text("{")
    assert "The chain's record cannot be read" in nemotron(*PIPE, "--resume").err


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    code = "import sys; from nemotron.cli.main import main; sys.exit(main(sys.argv[1:]))"
    log = (folder / f"{time.monotonic_ns()}.log").open("w")
    with log:
        return subprocess.Popen(
            [sys.executable, "-c", code, *words], stdout=log, stderr=log, text=True, cwd=folder
        )


def wait_for(happened: Callable[[], Any]) -> None:
    end = time.monotonic() + 180
    while not happened():
        assert time.monotonic() < end, "it did not happen within three minutes"
        time.sleep(0.02)


def the_state(folder: Path, stage: str) -> Callable[[], str | None]:
    return lambda: states(records(folder)[0])[stage] if records(folder) else None


@pytest.fixture
def killed(toy: Path) -> tuple[Path, Path]:
    """A chain whose command was killed while its second stage ran, and the gate of that stage."""
    gate = toy / "gate"
    chain = start(toy, *PIPE, f"pretrain:work.wait_for={gate}")
    wait_for(
        lambda: any("working on toy-pretrain-model" in t.read_text() for t in toy.glob("*.log"))
    )
    os.kill(chain.pid, signal.SIGKILL)
    assert chain.wait() == -signal.SIGKILL
    return toy, gate


def test_a_chain_whose_command_was_killed_goes_on(
    killed: tuple[Path, Path], nemotron: Callable
) -> None:
    toy, gate = killed
    (before,) = records(toy)
    assert list(states(before).values()) == ["succeeded", "running", "waiting", "waiting"]
    # What was left behind would record a second time under the same alias.
    refused = nemotron(*PIPE, "--resume")
    assert refused.code == 1
    assert "Stage pretrain of this chain still runs, left behind by a command" in refused.err
    (number,) = [int(word) for word in refused.err.split("kill ")[1].split()]
    os.kill(number, signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{number}").exists())
    gate.touch()
    done = nemotron(*PIPE, "--resume")
    assert done.code == 0, done.err
    assert "Stage 1 of 4: data/prep/pretrain has run before: toy-pretrain-data:v1" in done.out
    (record,) = records(toy)
    assert set(states(record).values()) == {"succeeded"}
    assert record["stages"][1]["run_dir"] != before["stages"][1]["run_dir"]
    assert made(toy) == "sft-data+pretrain-data+pretrain+sft"


def test_what_was_left_behind_may_end_by_itself(
    killed: tuple[Path, Path], nemotron: Callable
) -> None:
    toy, gate = killed
    gate.touch()
    store = ManifestTracker(toy / "artifacts")
    wait_for(lambda: "toy-pretrain-model" in store.names())
    wait_for(lambda: nemotron(*PIPE, "--resume", "--quiet").code == 0)
    assert set(states(records(toy)[0]).values()) == {"succeeded"}
    alias = f"pipe-{records(toy)[0]['id']}"
    assert store.aliases("toy-pretrain-model") == {
        alias: store.latest_version("toy-pretrain-model")
    }


def test_two_commands_cannot_run_one_chain(toy: Path, nemotron: Callable) -> None:
    nemotron(*PIPE, "pretrain:work.broken=true")
    gate = toy / "gate"
    words = ("--resume", "pretrain:work.broken=false", f"pretrain:work.wait_for={gate}")
    first = start(toy, *PIPE, *words)
    wait_for(lambda: the_state(toy, "pretrain")() == "running")
    second = nemotron(*PIPE, "--resume")
    assert second.code == 1
    assert "Another command runs this chain." in second.err
    gate.touch()
    assert first.wait() == 0


def test_two_chains_at_the_same_time_read_their_own(toy: Path, nemotron: Callable) -> None:
    gate = toy / "gate"
    chains = [
        start(
            toy,
            *PIPE,
            f"pretrain:work.what={name}",
            *(f"{stage}:work.out=out/{name}/{stage}" for stage in STAGES),
            f"sft:work.wait_for={gate}",
        )
        for name in ("one", "two")
    ]
    wait_for(lambda: [states(each)["sft"] for each in records(toy)] == ["running", "running"])
    gate.touch()
    assert [chain.wait() for chain in chains] == [0, 0]
    for name in ("one", "two"):
        text = (toy / "out" / name / "sft" / "made").read_text()
        assert text == f"sft-data+pretrain-data+{name}+sft"
    assert len({record["id"] for record in records(toy)}) == 2


def test_ctrl_c_ends_the_stage_and_the_chain_can_go_on(toy: Path, nemotron: Callable) -> None:
    gate = toy / "gate"
    chain = start(toy, *PIPE, f"pretrain:work.wait_for={gate}")
    wait_for(
        lambda: any("working on toy-pretrain-model" in t.read_text() for t in toy.glob("*.log"))
    )
    os.kill(chain.pid, signal.SIGINT)
    assert chain.wait() == 130
    (record,) = records(toy)
    assert list(states(record).values()) == ["succeeded", "cancelled", "waiting", "waiting"]
    gate.touch()
    assert nemotron(*PIPE, "--resume", "--quiet").code == 0


@pytest.fixture
def here(toy: Path) -> Path:
    """The same family, and a profile whose jobs are processes of this machine."""
    (toy / "env.toml").write_text('[here]\nexecutor = "local"\n')
    return toy


def jobs(folder: Path) -> list[str | None]:
    return [stage["job"] for stage in records(folder)[0]["stages"]]


def test_each_stage_can_be_a_job_that_is_followed(here: Path, nemotron: Callable) -> None:
    done = nemotron(*PIPE, "--run", "here", "sft:work.broken=true")
    assert done.code == 1
    assert "├── profile: here (local)\n" in done.out
    assert "working on toy-pretrain-model\n" in done.out
    assert "│ sft:                failed with exit code 1: The stage is broken. " in done.out
    before = jobs(here)
    assert sorted(nemotron("jobs", "ls", "--quiet").out.split()) == sorted(before)
    again = nemotron(*PIPE, "--resume", "sft:work.broken=false", "--json")
    document = json.loads(again.out)
    assert (again.code, document["status"]) == (0, "completed")
    assert document["stages"][3]["submission"]["profile"] == "here"
    assert jobs(here)[:3] == before[:3]
    assert made(here) == "sft-data+pretrain-data+pretrain+sft"


def test_a_job_that_nobody_waits_for_any_more_is_followed_again(
    here: Path, nemotron: Callable
) -> None:
    chain = start(here, *PIPE, "--run", "here", f"pretrain:work.wait_for={here}/gate")
    wait_for(lambda: records(here) and jobs(here)[1])
    (log,) = here.glob("*.log")
    wait_for(lambda: "working on toy-pretrain-model\n" in log.read_text())
    # In a script Ctrl-C leaves the job.
    os.kill(chain.pid, signal.SIGINT)
    assert chain.wait() == 130
    assert list(states(records(here)[0]).values())[:2] == ["succeeded", "running"]
    assert "─ Chain Detached (toy " in log.read_text()
    before = jobs(here)[1]
    (here / "gate").touch()
    done = nemotron(*PIPE, "--resume", "--quiet")
    assert (done.code, jobs(here)[1]) == (0, before)
    assert done.out.splitlines()[-1] == "toy-sft-model:v2"


def test_ctrl_c_right_after_a_job_was_submitted_leaves_it_to_be_found(
    here: Path, nemotron: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        # Between the submission and the moment from which Ctrl-C asks what to do.
        patched.setattr("nemotron.cli.pipeline.attached.attach", interrupted)
        done = nemotron(*PIPE, "--run", "here")
    assert done.code == 130
    assert "─ Chain Detached (toy " in done.out
    before = jobs(here)[0]
    assert nemotron(*PIPE, "--resume", "--quiet").code == 0
    assert jobs(here)[0] == before


def test_a_job_survives_the_command_that_was_killed(here: Path, nemotron: Callable) -> None:
    chain = start(here, *PIPE, "--run", "here", f"pretrain:work.wait_for={here}/gate")
    wait_for(lambda: records(here) and jobs(here)[1])
    os.kill(chain.pid, signal.SIGKILL)
    chain.wait()
    (here / "gate").touch()
    before = jobs(here)[1]
    done = nemotron(*PIPE, "--resume", "--quiet")
    assert (done.code, jobs(here)[1]) == (0, before)
    assert set(states(records(here)[0]).values()) == {"succeeded"}
    assert made(here) == "sft-data+pretrain-data+pretrain+sft"


def test_a_job_is_found_whose_command_was_killed_right_after_it_submitted_it(
    here: Path, nemotron: Callable
) -> None:
    chain = start(here, *PIPE, "--run", "here", f"pretrain:work.wait_for={here}/gate")
    wait_for(lambda: records(here) and jobs(here)[1])
    os.kill(chain.pid, signal.SIGKILL)
    chain.wait()
    before = jobs(here)[1]
    (file,) = here.glob(".nemotron/pipes/toy/*/pipe.json")
    content = json.loads(file.read_text())
    content["stages"][1]["job"] = None
    file.write_text(json.dumps(content))
    (here / "gate").touch()
    done = nemotron(*PIPE, "--resume", "--quiet")
    assert (done.code, jobs(here)[1]) == (0, before)


def test_a_cancelled_job_stops_the_chain(here: Path, nemotron: Callable) -> None:
    chain = start(here, *PIPE, "--run", "here", f"pretrain:work.wait_for={here}/gate")
    wait_for(lambda: records(here) and jobs(here)[1])
    assert nemotron("jobs", "cancel", str(jobs(here)[1])).code == 0
    assert chain.wait() == 130
    assert list(states(records(here)[0]).values()) == [
        "succeeded",
        "cancelled",
        "waiting",
        "waiting",
    ]


def test_a_profile_without_a_queue_takes_one_stage_at_a_time(
    here: Path, nemotron: Callable
) -> None:
    done = nemotron(*PIPE, "--batch", "here")
    assert done.code == 2
    assert "Jobs of the profile 'here' (local) cannot wait for each other" in done.err
    assert "--run here" in done.err
    unknown = nemotron(*PIPE, "--run", "her")
    assert "Did you mean 'here'?" in unknown.err
    assert not (here / ".nemotron").exists()


def test_a_dry_run_with_a_profile_shows_the_scripts(here: Path, nemotron: Callable) -> None:
    done = nemotron(*PIPE, "--run", "here", "--dry-run")
    assert done.code == 0
    assert done.out.count("#!/bin/bash\n") == len(STAGES)
    assert "# Commands" not in done.out
    document = json.loads(nemotron(*PIPE, "--run", "here", "--dry-run", "--json").out)
    assert document["stages"][0]["script"].startswith("#!/bin/bash\n")


def test_a_recipe_called_pipe_is_refused(toy: Path, nemotron: Callable) -> None:
    recipe(toy / "elsewhere/toy", "own.py", "pipe", "ModelArtifact", {})
    done = nemotron(*PIPE)
    assert done.code == 2
    assert "The recipe name 'toy/pipe' is taken: 'nemotron toy pipe' is a command" in done.err


def test_the_help_page_names_the_stages(toy: Path, nemotron: Callable) -> None:
    page = nemotron(*PIPE, "--help").out
    assert "nemotron toy pipe [OPTIONS] [[STAGE:]KEY=VALUE]..." in page
    assert "data/prep/sft" in page
    assert "pipe" in nemotron("toy", "--help").out
