from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

IMPORT = ("demo", "model", "import", "sft")


@pytest.fixture
def checkpoint(workplace: Path) -> Path:
    """A Megatron save directory with the steps 100 and 200."""
    save_dir = workplace / "made elsewhere"
    for step in (100, 200):
        (save_dir / f"iter_{step:07d}").mkdir(parents=True)
        (save_dir / f"iter_{step:07d}" / "common.pt").write_bytes(b"weights")
    (save_dir / "latest_checkpointed_iteration.txt").write_text("200")
    return save_dir


def flat(text: str) -> str:
    return " ".join(text.replace("│", " ").split())


def test_an_imported_model_is_an_artifact_and_the_panel_says_how(
    workplace: Path, checkpoint: Path, nemotron: Callable
) -> None:
    done = nemotron(*IMPORT, "made elsewhere", "--step", "200")
    assert (done.code, done.err) == (0, "")
    shown = flat(done.out)
    assert "Imported (demo-sft-model)" in shown
    assert "Artifact: demo-sft-model:v1" in shown
    assert f"Path: {checkpoint}" in shown
    assert "Step: 200" in shown
    assert "Lineage: starts a new lineage chain" in shown
    manifest = workplace / "artifacts" / "demo-sft-model" / "v1" / "manifest.json"
    assert f"Manifest: {manifest}" in shown
    assert json.loads(manifest.read_text())["provenance"]["imported"]["from"] == str(checkpoint)
    shown = nemotron("artifacts", "show", "demo-sft-model").out
    assert f"Imported from: {checkpoint}" in flat(shown)


def test_an_import_is_one_json_document(checkpoint: Path, nemotron: Callable) -> None:
    done = nemotron(*IMPORT, str(checkpoint / "iter_0000100"), "--json", "--name", "mine")
    document = json.loads(done.out)
    assert (document["status"], document["ref"]) == ("imported", "mine:v1")
    assert document["path"] == str(checkpoint)
    assert document["fields"] == {"step": 100, "loss": None, "format": "megatron"}
    assert document["metadata"]["absolute_path"] == str(checkpoint / "iter_0000100")
    assert document["lineage"] == "starts a new lineage chain"
    assert Path(document["manifest"]).is_file()
    assert "load iter_0000200" in document["notes"][0]
    again = nemotron(*IMPORT, str(checkpoint / "iter_0000100"), "--json", "--name", "mine")
    assert json.loads(again.out)["status"] == "unchanged"


def test_importing_twice_reuses_the_version_and_says_so(
    checkpoint: Path, nemotron: Callable
) -> None:
    assert nemotron(*IMPORT, str(checkpoint), "--quiet").out == "demo-sft-model:v1\n"
    done = nemotron(*IMPORT, str(checkpoint))
    assert "demo-sft-model:v1" in done.out
    assert "nothing changed since this version was recorded" in done.out
    assert nemotron("artifacts", "ls", "demo-sft-model", "--quiet").out == "demo-sft-model:v1\n"


def test_an_import_is_recorded_where_it_is_told(
    workplace: Path, checkpoint: Path, nemotron: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "env.toml").write_text('[artifacts.manifest]\nroot = "team"\n')
    nemotron(*IMPORT, str(checkpoint))
    monkeypatch.setenv("NEMOTRON_ARTIFACTS_ROOT", str(workplace / "mine"))
    nemotron(*IMPORT, str(checkpoint))
    nemotron(*IMPORT, str(checkpoint), "--root", "here")
    for root in ("team", "mine", "here"):
        assert (workplace / root / "demo-sft-model" / "v1" / "manifest.json").is_file()
    assert not (workplace / "artifacts").exists()


def test_the_next_recipe_reads_an_imported_model(
    workplace: Path, checkpoint: Path, nemotron: Callable
) -> None:
    nemotron(*IMPORT, str(checkpoint))
    (workplace / "recipes" / "demo" / "config" / "train" / "from-model.yaml").write_text(
        "run:\n  model: demo-sft-model\ncheckpoint:\n  load: ${art:model,path}\n"
        "  step: ${art:model,iteration}\n"
    )
    done = nemotron("demo", "sft", "-c", "from-model", "--dry-run", "--json")
    document = json.loads(done.out)
    assert document["train_config"]["checkpoint"] == {"load": str(checkpoint), "step": 200}
    assert document["inputs"][0]["pinned"] == "demo-sft-model:v1"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "Missing argument 'PATH'."),
        (["made elsewhere", "--step", "x"], 2, "'x' is not a valid integer range."),
        (["made elsewhere", "--step", "-1"], 2, "-1 is not in the range x>=0."),
        (["made elsewhere", "--step", "5"], 2, "Step 5 was given, and latest_checkpointed_"),
        (["made elsewhere", "--name", "a b"], 2, "'a b' is no artifact name"),
        (["made elsewhere", "--pack-size", "5"], 2, "has no option '--pack-size'"),
        (["recipes"], 1, "No model was found in this folder."),
        (["nowhere"], 1, "The path does not exist."),
        (["s3://bucket/model"], 2, "remote storage"),
    ],
)
def test_a_wrong_import_records_nothing(
    checkpoint: Path, nemotron: Callable, words: list[str], code: int, message: str
) -> None:
    done = nemotron(*IMPORT, *words)
    assert done.code == code
    assert message in flat(done.err)
    assert done.out == ""
    assert not (checkpoint.parent / "artifacts").exists()
    assert not (checkpoint / "metadata.json").exists()


def test_a_store_that_cannot_be_written_to_is_named(
    workplace: Path, checkpoint: Path, nemotron: Callable
) -> None:
    (workplace / "artifacts").write_text("a file")
    done = nemotron(*IMPORT, str(checkpoint))
    assert done.code == 1
    assert str(workplace / "artifacts") in done.err
    assert not (checkpoint / "metadata.json").exists()


def test_data_without_data_preparation_says_how_to_get_it(
    workplace: Path, nemotron: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name, *rest: None if name == "nemotron_data_prep" else found(name, *rest),
    )
    done = nemotron("demo", "data", "import", "sft", str(workplace))
    assert done.code == 1
    shown = flat(done.err)
    assert "nemotron demo data import sft needs nemotron-data-prep" in shown
    assert "pip install nemotron-data-prep" in shown


def test_help_pages_show_imports_beside_recipes(workplace: Path, nemotron: Callable) -> None:
    page = nemotron("demo", "data", "--help").out
    assert "│ prep sft " in page
    assert "│ import sft " in page
    assert "demo model import … " in nemotron("--help").out
    page = nemotron(*IMPORT, "--help").out
    assert "Usage: nemotron demo model import sft PATH [OPTIONS]" in page
    assert "[default: demo-sft-model]" in page
    assert "Did you mean 'model import sft'?" in flat(nemotron("demo", "model/import/sft").err)


def test_help_names_the_parts_of_a_stage_that_can_be_imported(
    workplace: Path, nemotron: Callable
) -> None:
    header = '# /// script\n# [tool.runspec]\n# schema = "1"\n# name = "demo/rl/{}"\n# ///\n'
    for name in ("second", "first"):
        (workplace / "recipes/demo" / f"{name}.py").write_text(header.format(name))
    page = " ".join(nemotron("--help").out.split())
    assert "│ demo model import rl … Record models made elsewhere: first, second. │" in page
    assert "Imports of demo/model/import/rl." in nemotron("demo", "model", "import", "rl", "-h").out


@pytest.mark.parametrize("subject", ["data", "model"])
def test_help_loads_nothing_heavy(workplace: Path, subject: str) -> None:
    heavy = ("fsspec", "numpy", "omegaconf", "pyarrow", "pydantic", "yaml")
    code = (
        "import sys; from nemotron.cli.main import main; main(sys.argv[1:]);"
        f"print('LOADED', sorted(set({heavy!r}) & set(sys.modules)))"
    )
    words = ["demo", subject, "import", "sft", "--help"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "LOADED []"
