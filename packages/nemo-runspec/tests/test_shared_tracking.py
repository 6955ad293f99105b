"""What the processes of one job know of each other's tracking."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nemo_runspec.artifacts import (
    Artifact,
    ModelArtifact,
    SFTDataArtifact,
    current_tracking,
    log_artifact,
    setup_artifact_tracking,
)
from nemo_runspec.artifacts.scope import CURRENT
from nemo_runspec.manifest_tracker import Manifest, ManifestTracker
from nemo_runspec.resolvers import clear_artifact_cache

DRIVER = Path(__file__).parent / "drivers" / "job.py"

Process = Callable[..., list[Any]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with ``sft-data:v1``, ``base:v1`` and ``late:v1``."""
    store = tmp_path / "store"
    with setup_artifact_tracking({"artifacts": {"manifest": {"root": str(store)}}}):
        for name in ("sft-data", "base", "late"):
            (tmp_path / name).mkdir()
            log_artifact(ModelArtifact(path=tmp_path / name, step=1), name=name)
    CURRENT.set(None)
    return store


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.fixture
def in_job(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process belongs to the job."""
    monkeypatch.setenv("NEMOTRON_RUN_DIR", str(run_dir))


@pytest.fixture
def config(root: Path) -> dict[str, Any]:
    return {
        "artifacts": {"manifest": {"root": str(root)}},
        "run": {
            "data": "sft-data:latest",
            "model": "base",
            "output": "sft-model",
            "provenance": {"runspec": "demo/sft", "git_commit": "abc"},
        },
        "seed": 7,
        "where": "${art:data}",
    }


@pytest.fixture
def process(tmp_path: Path, run_dir: Path) -> Process:
    """Runs one process of the job to its end; keyword arguments are environment variables."""

    def start(*steps: str, **environ: str) -> list[Any]:
        done = subprocess.run(
            [sys.executable, str(DRIVER), *steps],
            env=os.environ | {"NEMOTRON_RUN_DIR": str(run_dir)} | environ,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr
        given: list[Any] = json.loads(done.stdout)
        return given

    return start


def read(root: Path, ref: str) -> Manifest:
    return ManifestTracker(root).find(ref)


def newer(root: Path, name: str, path: Path) -> None:
    with setup_artifact_tracking({"artifacts": {"manifest": {"root": str(root)}}}):
        log_artifact(ModelArtifact(path=path, step=2), name=name)
    CURRENT.set(None)


def test_the_last_rank_knows_what_rank_0_resolved(
    root: Path, tmp_path: Path, config: dict[str, Any], process: Process
) -> None:
    setup = f"setup={json.dumps(config)}"
    process(setup, "use=late:latest", f"use={tmp_path / 'late'}", RANK="0", WORLD_SIZE="3")
    for rank in ("1", "2"):
        given = process(setup, f"checkpoint={tmp_path / 'checkpoints'}", RANK=rank, WORLD_SIZE="3")
    recorded = read(root, given[-1])
    assert recorded.ref == "sft-model:v2"
    assert recorded.used_artifacts == ["base:v1", "sft-data:v1", "late:v1"]


@pytest.mark.usefixtures("in_job")
def test_a_process_that_never_called_setup_joins_its_job(
    root: Path, tmp_path: Path, config: dict[str, Any], process: Process
) -> None:
    (tmp_path / "raw.jsonl").write_text("{}\n")
    driver = setup_artifact_tracking(config)
    first = process(f"checkpoint={tmp_path / 'checkpoints'}")
    driver.resolve("late")
    driver.resolve(str(tmp_path / "raw.jsonl"))
    second = process(f"checkpoint={tmp_path / 'checkpoints'}")
    assert (first, second) == (["sft-model:v1"], ["sft-model:v2"])
    assert read(root, "sft-model:v1").used_artifacts == ["base:v1", "sft-data:v1"]
    recorded = read(root, "sft-model:v2")
    assert sorted(recorded.used_artifacts) == ["base:v1", "late:v1", "sft-data:v1"]
    assert recorded.inputs == [str(tmp_path / "raw.jsonl")]
    assert recorded.input_revisions[str(tmp_path / "raw.jsonl")].startswith("sha256:")
    assert recorded.provenance["runspec"] == "demo/sft"
    assert recorded.provenance["config_values"]["seed"] == 7


@pytest.mark.usefixtures("in_job")
def test_what_a_worker_resolves_is_an_input_of_its_job(
    root: Path, tmp_path: Path, config: dict[str, Any], process: Process
) -> None:
    tracking = setup_artifact_tracking(config)
    process("use=late:latest")
    logged = log_artifact(ModelArtifact(path=tmp_path / "m", step=1), tracking)
    assert read(root, logged.ref).used_artifacts == ["base:v1", "sft-data:v1", "late:v1"]


@pytest.mark.usefixtures("in_job")
def test_latest_means_the_same_in_every_process(
    root: Path,
    tmp_path: Path,
    config: dict[str, Any],
    process: Process,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tracking = setup_artifact_tracking(config)
    process("use=late:latest")
    ManifestTracker(root).set_alias("late", 1, "production")
    with monkeypatch.context() as elsewhere:
        elsewhere.delenv("NEMOTRON_RUN_DIR")
        newer(root, "late", tmp_path / "newer")
        newer(root, "sft-data", tmp_path / "newer")
    assert process("use=art://late", "use=sft-data") == [
        str(tmp_path / "late"),
        str(tmp_path / "sft-data"),
    ]
    assert tracking.resolve("late").version == 1


def test_a_requeued_job_reads_the_same_inputs(
    root: Path, tmp_path: Path, config: dict[str, Any], process: Process
) -> None:
    setup = f"setup={json.dumps(config)}"
    first = process(setup, "value=where", "use=late")
    newer(root, "sft-data", tmp_path / "newer")
    newer(root, "late", tmp_path / "newer")
    assert process(setup, "value=where", "use=late") == first
    assert first[1:] == [str(tmp_path / "sft-data"), str(tmp_path / "late")]


def test_another_step_of_the_job_reads_latest_for_itself(
    root: Path, tmp_path: Path, config: dict[str, Any], process: Process
) -> None:
    process(f"setup={json.dumps(config)}", "use=late", RANK="0", WORLD_SIZE="2")
    newer(root, "sft-data", tmp_path / "newer")
    config["run"] |= {"output": "evaluation", "provenance": {"runspec": "demo/eval"}}
    setup = f"setup={json.dumps(config)}"
    given = process(setup, "value=where", "log=scores:scores", RANK="0", WORLD_SIZE="2")
    assert given[1] == str(tmp_path / "newer")
    assert read(root, "scores:v1").used_artifacts == ["base:v1", "sft-data:v2"]


def test_what_rank_0_sets_up_alone_keeps_no_rank_waiting(
    root: Path, tmp_path: Path, config: dict[str, Any], process: Process
) -> None:
    alone = {**config, "run": {"data": "late", "output": "sft-model"}}
    setup, ranks = f"setup={json.dumps(config)}", {"WORLD_SIZE": "2"}
    process(f"setup={json.dumps(alone)}", setup, setup, "use=late", RANK="0", **ranks)
    given = process(setup, "checkpoint=out", RANK="1", NEMOTRON_RESOLVE_TIMEOUT_S="5", **ranks)
    assert read(root, given[1]).used_artifacts == ["base:v1", "sft-data:v1"]
    assert read(root, given[1]).path == str(tmp_path / "out")


@pytest.mark.usefixtures("in_job")
def test_a_worker_that_stands_elsewhere_writes_to_the_same_store(
    root: Path, tmp_path: Path, config: dict[str, Any], process: Process
) -> None:
    config["artifacts"]["manifest"]["root"] = "store"
    setup_artifact_tracking(config)
    (tmp_path / "elsewhere").mkdir()
    process(f"stand={tmp_path / 'elsewhere'}", "checkpoint=out")
    assert read(root, "sft-model:v1").used_artifacts == ["base:v1", "sft-data:v1"]


@pytest.mark.usefixtures("in_job")
def test_trackings_of_one_process_keep_their_inputs_apart(
    root: Path, tmp_path: Path, config: dict[str, Any]
) -> None:
    config["run"] = {"output": "sft-model"}
    for name in ("base", "late"):
        with setup_artifact_tracking(config):
            Artifact.from_uri(name)
            log_artifact(ModelArtifact(path=tmp_path / "m", step=1))
    assert read(root, "sft-model:v1").used_artifacts == ["base:v1"]
    assert read(root, "sft-model:v2").used_artifacts == ["late:v1"]


@pytest.mark.usefixtures("in_job")
def test_a_worker_joins_the_tracking_that_is_current(
    root: Path, config: dict[str, Any], process: Process
) -> None:
    setup_artifact_tracking(config)
    config["run"] = {"output": "inner-model"}
    with setup_artifact_tracking(config):
        assert process("checkpoint=checkpoints") == ["inner-model:v1"]
    assert process("checkpoint=checkpoints") == ["sft-model:v1"]


@pytest.mark.usefixtures("in_job")
def test_after_its_last_tracking_a_job_has_none_to_join(config: dict[str, Any]) -> None:
    with setup_artifact_tracking(config):
        pass
    assert current_tracking().output_name is None


@pytest.mark.usefixtures("in_job")
def test_the_end_of_a_step_leaves_another_steps_tracking(
    config: dict[str, Any], process: Process
) -> None:
    with setup_artifact_tracking(config):
        config["run"] = {"output": "next-model"}
        process(f"setup={json.dumps(config)}")
    assert current_tracking().output_name == "next-model"


@pytest.mark.usefixtures("in_job")
def test_a_configuration_that_a_worker_gets_belongs_to_the_job(
    root: Path, tmp_path: Path, config: dict[str, Any], process: Process
) -> None:
    setup_artifact_tracking(config)
    shipped = json.dumps({**config, "late": "${art:'late:latest'}"})
    given = process(f"load={shipped}", "value=late", "checkpoint=checkpoints")
    assert given[0] == str(tmp_path / "late")
    recorded = read(root, given[1])
    assert sorted(recorded.used_artifacts) == ["base:v1", "late:v1", "sft-data:v1"]


@pytest.mark.usefixtures("in_job")
def test_clearing_the_cache_forgets_what_the_job_shares_too(
    root: Path, tmp_path: Path, config: dict[str, Any]
) -> None:
    tracking = setup_artifact_tracking(config)
    tracking.manifest_tracker.log(  # type: ignore[union-attr]
        SFTDataArtifact(path=tmp_path / "newer", pack_size=1),
        name="sft-data",
        lineage=lineage(),
    )
    clear_artifact_cache()
    assert tracking.resolve("sft-data").version == 2


def lineage() -> Any:
    from nemo_runspec.artifacts.tracker import Lineage

    return Lineage()


def test_a_run_directory_that_cannot_be_written_costs_no_job(
    root: Path,
    tmp_path: Path,
    config: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NEMOTRON_RUN_DIR", str(tmp_path / "file"))
    tracking = setup_artifact_tracking(config)
    assert "Other processes of this job do not learn of sft-data:v1" in caplog.text
    assert "Other processes of this job cannot join its tracking" in caplog.text
    assert tracking.inputs == ["base:v1", "sft-data:v1"]


@pytest.mark.usefixtures("in_job")
@pytest.mark.parametrize("damage", ["{", "[" * 200_000])
def test_a_damaged_description_is_told_and_passed_over(
    run_dir: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    (run_dir / ".coordination").mkdir()
    (run_dir / ".coordination" / "tracking.json").write_text(damage)
    assert current_tracking().output_name is None
    assert "What another process of this job left cannot be read" in caplog.text


@pytest.mark.usefixtures("in_job")
def test_no_secret_is_shared(
    root: Path, tmp_path: Path, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "a-token-of-mine")
    config["model"] = {"api_key": "abcdefgh", "note": "a-token-of-mine"}
    tracking = setup_artifact_tracking(config)
    log_artifact(ModelArtifact(path=tmp_path / "m", step=1), tracking)
    written = [file for file in tmp_path.rglob("*.json") if file.is_file()]
    assert any(file.name == "tracking.json" for file in written)
    for file in written:
        text = file.read_text()
        assert "a-token-of-mine" not in text
        assert "abcdefgh" not in text
    assert read(root, "sft-model:v1").provenance["config_values"]["model"]["api_key"] == "***"
