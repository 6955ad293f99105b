"""Data and models that were made elsewhere: imported, then read by the recipes that train."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

STAGES = ("pretrain", "sft", "rl")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as our recipes prepare it, in a folder of its own for each stage."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for stage in STAGES:
        words = ("nano3", "data", "prep", stage, "-c", "sample", f"output_dir={folder / 'all'}")
        done = nemotron(*words, cwd=folder)
        Path(done["artifacts"][0]["path"]).rename(folder / stage)
    return folder


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NEMOTRON_ENV", "NEMOTRON_RECIPES", "NEMOTRON_ARTIFACTS_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def foreign(prepared: Path, tmp_path: Path) -> Path:
    """The same data as another software leaves it: what names its files, and no record."""
    target = tmp_path / "foreign"
    shutil.copytree(prepared, target, ignore=shutil.ignore_patterns("all", "artifacts", ".nemo*"))
    for stage in STAGES:
        for name in ("metadata.json", "report.json", "receipt.json"):
            (target / stage / name).unlink(missing_ok=True)
    for stage in ("pretrain", "sft"):
        file = target / stage / "blend.json"
        splits = json.loads(file.read_text())
        moved = {split: [move(item, target / stage) for item in splits[split]] for split in splits}
        file.write_text(json.dumps(moved))
    return target


def move(item: str, folder: Path) -> str:
    _, found, rest = item.partition("/splits/")
    return f"{folder}/splits/{rest}" if found else item


def nemotron(*words: str, code: int = 0, cwd: Path | None = None) -> dict[str, Any]:
    command = [sys.executable, "-m", "nemotron", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == code, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def imported(stage: str, place: Path, *options: str) -> dict[str, Any]:
    return nemotron("nano3", "data", "import", stage, str(place), *options)


def trained_on(stage: str, document: dict[str, Any]) -> dict[str, Any]:
    words = ("nano3", stage, "-c", "sample", "--art.data", document["ref"], "--dry-run")
    plan = nemotron(*words)
    (data,) = [item for item in plan["inputs"] if item["key"] == "data"]
    assert (data["pinned"], data["path"]) == (document["ref"], document["path"])
    config: dict[str, Any] = plan["train_config"]
    return config


def test_pretraining_reads_imported_data(foreign: Path) -> None:
    document = imported("pretrain", foreign / "pretrain" / "blend.json")
    assert document["ref"] == "nano3-pretrain-data:v1"
    assert document["fields"]["num_documents"] == 501
    config = trained_on("pretrain", document)
    assert config["data"]["per_split_data_args_path"] == f"{foreign}/pretrain/blend.json"


def test_fine_tuning_reads_imported_data(foreign: Path) -> None:
    document = imported("sft", foreign / "sft", "--pack-size", "1024")
    assert document["fields"]["num_packs"] == 98
    config = trained_on("sft", document)
    packed = config["data"]["packed"]
    assert packed["pack_size"] == 1024
    assert packed["train"] == f"{foreign}/sft/splits/train"
    assert packed["validation"] == f"{foreign}/sft/splits/valid"


def test_reinforcement_learning_reads_imported_prompts(foreign: Path) -> None:
    document = imported("rl", foreign / "rl", "--name", "prompts")
    assert document["ref"] == "prompts:v1"
    assert document["fields"]["num_records"] == 240
    config = trained_on("rl", document)
    assert config["data"]["train_jsonl_fpath"] == f"{foreign}/rl/train.jsonl"


def test_a_sub_stage_reads_its_imported_prompts_without_being_told(foreign: Path) -> None:
    document = nemotron("super3", "data", "import", "rl", "swe1", str(foreign / "rl"))
    assert document["ref"] == "super3-rl-swe1-data:v1"
    words = ("super3", "rl", "swe1", "--dry-run", "run.model=null", "policy.model_name=org/model")
    (data,) = nemotron(*words)["inputs"]
    assert (data["key"], data["pinned"], data["path"]) == (
        "data",
        document["ref"],
        document["path"],
    )


@pytest.mark.parametrize("stage", STAGES)
def test_an_import_starts_a_chain(foreign: Path, stage: str) -> None:
    options = ("--pack-size", "1024") if stage == "sft" else ()
    document = imported(stage, foreign / stage, *options)
    manifest = nemotron("artifacts", "show", document["ref"])
    assert manifest["provenance"]["imported"]["from"] == str(foreign / stage)
    assert (manifest["used_artifacts"], manifest["inputs"]) == ([], [])
    beside = json.loads((foreign / stage / "metadata.json").read_text())
    assert (beside["name"], beside["version"]) == (f"nano3-{stage}-data", 1)
    assert imported(stage, foreign / stage, *options)["status"] == "unchanged"


def test_changed_data_is_another_version(foreign: Path) -> None:
    assert imported("pretrain", foreign / "pretrain")["ref"] == "nano3-pretrain-data:v1"
    file = foreign / "pretrain" / "blend.json"
    splits = json.loads(file.read_text())
    splits["train"][0] = "0.125"
    file.write_text(json.dumps(splits))
    assert imported("pretrain", foreign / "pretrain")["ref"] == "nano3-pretrain-data:v2"


def test_the_record_of_the_preparation_is_read_and_kept(tmp_path: Path) -> None:
    made = nemotron("nano3", "data", "prep", "sft", "-c", "sample")["artifacts"][0]
    record = (Path(made["path"]) / "metadata.json").read_bytes()
    document = imported("sft", Path(made["path"]))
    manifest = nemotron("artifacts", "show", document["ref"])
    original = nemotron("artifacts", "show", made["ref"])
    assert manifest["fields"] == original["fields"]
    assert manifest["inputs"] == original["inputs"]
    assert manifest["input_revisions"] == original["input_revisions"]
    assert f"This store has it as {made['ref']} already" in document["notes"][0]
    assert (Path(made["path"]) / "metadata.json").read_bytes() == record


def test_data_that_was_moved_is_a_named_fault(prepared: Path) -> None:
    words = ("nano3", "data", "import", "pretrain", str(prepared / "pretrain"))
    error = nemotron(*words, code=1)["error"]
    assert error["where"].startswith(f"{prepared}/all/")
    assert "pretrain/blend.json: train[1] names a file that is missing" in error["what"]
    assert "if the data was moved" in error["hint"]


def test_the_other_stages_data_is_refused(foreign: Path) -> None:
    for stage, other in (("rl", "sft"), ("sft", "rl"), ("pretrain", "sft"), ("sft", "pretrain")):
        error = nemotron("nano3", "data", "import", stage, str(foreign / other), code=1)["error"]
        assert str(foreign / other) in error["where"]
