"""The data recipes as a user runs them, against a Hub with small copies of what they read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_hub import WRITER, FakeHub, running_hub
from miniatures import MODELS, PLACEHOLDERS, publish_all

from nemo_runspec.artifacts import ModelArtifact, log_artifact, setup_artifact_tracking
from nemo_runspec.model_formats import ModelFormat

FAMILIES = ("nano3", "super3")
STAGES = ("pretrain", "sft", "rl")
OF_FAMILY = {"nano3": STAGES, "super3": ("pretrain", "sft", "rl/rlvr1")}
EACH = pytest.mark.parametrize(
    ("family", "stage"), [(family, stage) for family in FAMILIES for stage in OF_FAMILY[family]]
)

Nemotron = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def stocked() -> Any:
    """A Hub that has everything; tests leave it as it is."""
    with running_hub() as hub:
        publish_all(hub)
        yield hub
    assert hub.unexpected == []


@pytest.fixture
def nemotron(stocked: FakeHub, tmp_path: Path) -> Nemotron:
    """Run the command in an empty folder, with the Hub, a new cache and nobody logged in."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "NEMO"))}
    environ = kept | {"HF_ENDPOINT": stocked.url, "HF_HOME": str(tmp_path / "hf")}

    def run(*words: str, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "nemotron", *words],
            cwd=tmp_path,
            env=environ | more,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stderr + done.stdout
        return done

    return run


def made(done: subprocess.CompletedProcess[str]) -> tuple[Any, Any, Any]:
    """The document of the run, the manifest and the report of its artifact."""
    document = json.loads(done.stdout)
    (artifact,) = document["artifacts"]
    manifest = json.loads(Path(artifact["manifest_path"]).read_bytes())
    report = json.loads((Path(artifact["path"]) / "report.json").read_bytes())
    return document, manifest, report


@EACH
@pytest.mark.parametrize("config", ["tiny", "default"])
def test_a_recipe_runs_from_the_hub_to_an_artifact(
    family: str, stage: str, config: str, nemotron: Nemotron, stocked: FakeHub
) -> None:
    words = (family, "data", "prep", *stage.split("/"), "-c", config, "--json", "workers=1")
    document, manifest, report = made(nemotron(*words))
    suffix = "" if config == "default" else f"-{config}"
    name = f"{family}-{stage.replace('/', '-')}-data{suffix}"
    assert document["artifacts"][0]["ref"] == f"{name}:v1"

    totals = report["totals"]
    assert totals["records_in"] == totals["records_out"] + sum(totals["dropped"].values())
    assert totals["records_out"] > 0
    assert set(totals["dropped"]) <= {"transform_error", "unresolved_placeholder"}

    commits = {repo.at("main").sha for repo in stocked.repos.values()}
    sources = [uri for uri in manifest["inputs"] if uri.startswith("hf://datasets/")]
    assert sources
    assert {uri.partition("@")[2].partition("/")[0] for uri in sources} <= commits
    if not stage.startswith("rl"):
        model = MODELS[FAMILIES.index(family)]
        repo = f"nvidia/{model}-{'Base-BF16' if stage == 'pretrain' else 'BF16'}"
        uri = f"hf://{repo}@{stocked.repos['models', repo].at('main').sha}"
        assert manifest["fields"]["tokenizer"] == report["tokenizer"] == uri
        assert uri in manifest["inputs"]


@pytest.mark.parametrize("stage", ["rlvr2", "rlvr3", "swe1", "swe2", "rlhf"])
def test_every_stage_of_rl_of_super_has_prompts_of_its_own(stage: str, nemotron: Nemotron) -> None:
    words = ("super3", "data", "prep", "rl", stage, "--json", "workers=1")
    document, manifest, report = made(nemotron(*words))
    assert document["artifacts"][0]["ref"] == f"super3-rl-{stage}-data:v1"
    assert any(uri.endswith(f"/{stage}.jsonl") for uri in manifest["inputs"])
    assert report["totals"]["dropped"] == {}


def test_placeholders_are_filled_by_default_and_counted_in_the_small_slice(
    nemotron: Nemotron,
) -> None:
    _, manifest, report = made(nemotron("nano3", "data", "prep", "rl", "--json", "workers=1"))
    assert report["totals"]["dropped"] == {}
    assert any("DAPO-Math-17k" in uri for uri in manifest["inputs"])
    _, manifest, report = made(
        nemotron("nano3", "data", "prep", "rl", "-c", "tiny", "--json", "workers=1")
    )
    assert report["totals"]["dropped"] == {"unresolved_placeholder": PLACEHOLDERS}
    assert not any("DAPO-Math-17k" in uri for uri in manifest["inputs"])


def test_what_is_there_is_used_again(nemotron: Nemotron, tmp_path: Path) -> None:
    words = ("nano3", "data", "prep", "sft", "-c", "tiny", "--json", "workers=1")
    first, again = made(nemotron(*words))[0], made(nemotron(*words))[0]
    assert (first["summary"]["cache"], again["summary"]["cache"]) == ("miss", "hit")
    assert again["artifacts"][0]["ref"] == first["artifacts"][0]["ref"]
    names = {path.name for path in (tmp_path / "hf").rglob("snapshots/*/*")}
    assert names == {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}

    shards = set((tmp_path / "output/nano3/sft-tiny/tokenized").iterdir())
    report = made(nemotron(*words, "pack_size=2048"))[2]
    assert report["packing"]["pack_size"] == 2048
    assert set((tmp_path / "output/nano3/sft-tiny/tokenized").iterdir()) == shards


@pytest.mark.parametrize("stage", STAGES)
def test_a_chain_of_tiny_fits_together(stage: str, nemotron: Nemotron, tmp_path: Path) -> None:
    nemotron("nano3", "data", "prep", stage, "-c", "tiny", "--quiet", "workers=1")
    models: list[tuple[str, ModelFormat]] = [
        ("nano3-pretrain-model-tiny", "megatron"),
        ("nano3-sft-model-tiny-hf", "hf"),
    ]
    with setup_artifact_tracking({"artifacts": {"manifest": {"root": f"{tmp_path}/artifacts"}}}):
        for name, form in models:
            log_artifact(ModelArtifact(path=Path("/", name), step=1, format=form), name=name)
    plan = json.loads(nemotron("nano3", stage, "-c", "tiny", "--dry-run", "--json").stdout)
    assert plan["inputs"][0]["pinned"] == f"nano3-{stage}-data-tiny:v1"


def test_a_gated_dataset_says_how_to_get_in(nemotron: Nemotron, stocked: FakeHub) -> None:
    repo = stocked.repos["datasets", "nvidia/Nemotron-CC-v2"]
    repo.gated = True
    try:
        done = nemotron("nano3", "data", "prep", "pretrain", code=1)
    finally:
        repo.gated = False
    assert "nvidia/Nemotron-CC-v2 is gated" in done.stderr
    assert "hf auth login" in done.stderr
    assert "Traceback" not in done.stderr


@EACH
def test_without_a_connection_a_dry_run_still_checks_the_configuration(
    family: str, stage: str, nemotron: Nemotron, tmp_path: Path
) -> None:
    words = (family, "data", "prep", *stage.split("/"), "--dry-run", "--json")
    plan = json.loads(nemotron(*words, HF_ENDPOINT="http://127.0.0.1:9").stdout)
    assert plan["output"] == f"{family}-{stage.replace('/', '-')}-data"
    assert "Hub" in plan["preview"]["unknown"]
    assert not (tmp_path / "output").exists()


@EACH
def test_a_dry_run_shows_what_would_be_made(
    family: str, stage: str, nemotron: Nemotron, tmp_path: Path
) -> None:
    done = nemotron(family, "data", "prep", *stage.split("/"), "-c", "tiny", "--dry-run")
    assert "─ Data Preview (" in done.stdout
    assert not (tmp_path / "output").exists()


def test_without_a_connection_a_run_stops_in_one_sentence(nemotron: Nemotron) -> None:
    done = nemotron(
        "nano3", "data", "prep", "sft", code=1, HF_ENDPOINT="http://127.0.0.1:9", HF_TOKEN=WRITER
    )
    assert "Traceback" not in done.stderr
    assert "Hub" in done.stderr
