from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from nemo_runspec.artifacts import (
    Artifact,
    InputDatasetInfo,
    ModelArtifact,
    PretrainBlendsArtifact,
    SFTDataArtifact,
    backends,
    current_tracking,
    log_artifact,
    log_artifact_once,
    setup_artifact_tracking,
)
from nemo_runspec.env_toml import load_env_toml
from nemo_runspec.errors import (
    ArtifactError,
    ArtifactNotFoundError,
    ConfigError,
    InvalidReferenceError,
    MissingDependencyError,
)
from nemo_runspec.manifest_tracker import Manifest, ManifestTracker
from nemo_runspec.run_result import read_result


def config_for(root: Path | None, **sections: Any) -> DictConfig:
    manifest = {"root": None if root is None else str(root)}
    return OmegaConf.create({"artifacts": {"manifest": manifest, "wandb": False}, **sections})


def sft_data(path: Path, **fields: Any) -> SFTDataArtifact:
    """An artifact whose folder exists."""
    path.expanduser().mkdir(parents=True, exist_ok=True)
    return SFTDataArtifact(path=path, pack_size=4096, **fields)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


def read(root: Path, name: str, version: int = 1) -> Manifest:
    return ManifestTracker(root).read(name, version)


def test_manifests_only(root: Path, tmp_path: Path) -> None:
    tracking = setup_artifact_tracking(config_for(root))
    assert (tracking.manifest, tracking.wandb, tracking.qualified_names) == (True, False, [])
    logged = log_artifact(sft_data(tmp_path / "data"), tracking, name="nano3-sft-data")
    assert logged.ref == "nano3-sft-data:v1"
    assert logged.manifest_path == str(root / "nano3-sft-data" / "v1" / "manifest.json")


def test_neither_backend(tmp_path: Path) -> None:
    tracking = setup_artifact_tracking(config_for(None))
    assert (tracking.manifest, tracking.wandb) == (False, False)
    logged = log_artifact(sft_data(tmp_path / "data"), tracking, name="nano3-sft-data")
    assert (logged.ref, logged.version, logged.manifest_path) == ("nano3-sft-data", None, None)
    assert (tmp_path / "data" / "metadata.json").is_file()


def test_without_a_backend_a_path_feeds_the_configuration(tmp_path: Path) -> None:
    sft_data(tmp_path / "data").write_metadata()
    config = config_for(
        None, run={"data": str(tmp_path / "data")}, size="${art:data,pack_size}", at="${art:data}"
    )
    setup_artifact_tracking(config)
    assert (config["size"], config["at"]) == (4096, str(tmp_path / "data"))


def test_without_a_backend_a_name_says_how_to_turn_tracking_on() -> None:
    config = config_for(None, run={"data": "nano3-sft-data:latest"})
    with pytest.raises(
        ArtifactError, match=r"tracking is off\. Turn tracking on with artifacts\.manifest\.root="
    ):
        setup_artifact_tracking(config)


@pytest.mark.parametrize("manifests", [True, False])
def test_wandb_without_its_adapter(
    root: Path,
    manifests: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As if nobody had installed one: in the workspace's own environment it is there.
    monkeypatch.setattr(backends, "entry_points", lambda **_: [])
    config = config_for(root if manifests else None)
    config.artifacts.wandb = True
    with pytest.raises(
        MissingDependencyError,
        match=r"artifacts\.wandb is true, but no installed .* artifacts\.wandb=false",
    ):
        setup_artifact_tracking(config)


def test_the_root_of_the_environment(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "env.toml").write_text('[artifacts.manifest]\nroot = "/from/env-toml"\n')
    assert setup_artifact_tracking({}).settings.root == "/from/env-toml"
    monkeypatch.setenv("NEMOTRON_ARTIFACTS_ROOT", str(root))
    assert setup_artifact_tracking({}).settings.root == str(root)
    assert setup_artifact_tracking(config_for(tmp_path / "yaml")).settings.root == str(
        tmp_path / "yaml"
    )
    assert setup_artifact_tracking(config_for(None)).settings.root is None


def test_a_relative_root_of_env_toml_lies_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "env.toml").write_text('[artifacts.manifest]\nroot = "shared/artifacts"\n')
    (tmp_path / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "down")
    assert setup_artifact_tracking({}).settings.root == str(tmp_path / "shared" / "artifacts")
    monkeypatch.setenv("NEMOTRON_ARTIFACTS_ROOT", "mine")
    assert setup_artifact_tracking({}).settings.root == str(Path("mine").absolute())


@pytest.mark.parametrize("root", ["/lustre/x", "s3://bucket/x", "memory://x", "~/x"])
def test_a_root_of_env_toml_that_is_absolute_stays(root: str) -> None:
    Path("env.toml").write_text(f'[artifacts.manifest]\nroot = "{root}"\n')
    assert load_env_toml().artifact_defaults() == {"manifest": {"root": root}}


def test_a_section_that_is_null_turns_everything_off(tmp_path: Path) -> None:
    (tmp_path / "env.toml").write_text('[artifacts.manifest]\nroot = "/from/env-toml"\n')
    assert setup_artifact_tracking({"artifacts": None}).settings.root is None
    part = setup_artifact_tracking({"artifacts": {"manifest": {"single_writer": True}}}).settings
    assert (part.root, part.single_writer) == ("/from/env-toml", True)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"manifset": {}}, r"artifacts: There is no key 'manifset'\. Known: manifest, wandb"),
        ({"manifest": {"path": "/x"}}, r"artifacts\.manifest: There is no key 'path'"),
        ({"manifest": {"root": 7}}, r"artifacts\.manifest\.root: The artifact root must be a"),
        ({"manifest": "/x"}, r"artifacts\.manifest: The section must be a mapping"),
        ({"wandb": "yes"}, r"artifacts\.wandb: It must be true or false, not 'yes'"),
        ("manifest", "artifacts: The section must be a mapping"),
    ],
)
def test_a_section_that_cannot_be_used(section: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        setup_artifact_tracking({"artifacts": section})


def test_what_was_resolved_becomes_the_input_of_what_is_logged(root: Path, tmp_path: Path) -> None:
    first = setup_artifact_tracking(config_for(root))
    sources = [InputDatasetInfo(uri=str(tmp_path / "raw.jsonl"), revision="sha256:ab")]
    log_artifact(sft_data(tmp_path / "data", source_datasets=sources), first, name="sft-data")
    log_artifact(ModelArtifact(path=tmp_path / "base", step=1), first, name="base")

    config = config_for(root, run={"data": "sft-data:latest", "model": "art://base"})
    tracking = setup_artifact_tracking(config)
    log_artifact(ModelArtifact(path=tmp_path / "model", step=9), tracking, name="sft-model")
    assert read(root, "sft-model").used_artifacts == ["base:v1", "sft-data:v1"]
    data = read(root, "sft-data")
    assert data.inputs == [str(tmp_path / "raw.jsonl")]
    assert data.input_revisions == {str(tmp_path / "raw.jsonl"): "sha256:ab"}
    assert tracking.qualified_names == ["base:v1", "sft-data:v1"]


def test_what_is_loaded_becomes_an_input_too(root: Path, tmp_path: Path) -> None:
    setup_artifact_tracking(config_for(root))
    sft_data(tmp_path / "data").save(name="sft-data")
    Artifact.from_uri("art://sft-data")
    ModelArtifact(path=tmp_path / "model", step=1).save(name="model")
    assert read(root, "model").used_artifacts == ["sft-data:v1"]


def test_declared_inputs_are_pinned(root: Path, tmp_path: Path) -> None:
    tracking = setup_artifact_tracking(config_for(root))
    log_artifact(sft_data(tmp_path / "raw"), tracking, name="raw")
    sources = [InputDatasetInfo(uri="art://raw:latest"), InputDatasetInfo(uri="s3://b/x")]
    log_artifact(sft_data(tmp_path / "data", source_datasets=sources), tracking, name="data")
    manifest = read(root, "data")
    assert (manifest.used_artifacts, manifest.inputs) == (["raw:v1"], ["s3://b/x"])


def test_a_declared_input_that_is_gone_is_told_and_kept(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracking = setup_artifact_tracking(config_for(root))
    sources = [InputDatasetInfo(uri="art://gone:v1")]
    log_artifact(sft_data(tmp_path / "data", source_datasets=sources), tracking, name="data")
    assert read(root, "data").inputs == ["art://gone:v1"]
    assert "The input art://gone:v1 is recorded as it is written" in caplog.text


def test_latest_does_not_move_within_a_tracking(root: Path, tmp_path: Path) -> None:
    writer = ManifestTracker(root)
    setup_artifact_tracking(config_for(root))
    sft_data(tmp_path / "data").save(name="data")
    tracking = setup_artifact_tracking(config_for(root, run={"data": "data:latest"}))
    sft_data(tmp_path / "data").save(name="data")
    assert writer.latest_version("data") == 2
    assert tracking.resolve("data:latest").version == 1


def test_every_spelling_of_latest_is_one_reference(root: Path, tmp_path: Path) -> None:
    setup_artifact_tracking(config_for(root))
    sft_data(tmp_path / "data").save(name="data")
    tracking = setup_artifact_tracking(config_for(root, run={"data": "art://data"}))
    sft_data(tmp_path / "data").save(name="data")
    spellings = ("data", "data:latest", "art://data", "art://data:latest", "art://data/sub")
    assert [tracking.resolve(text).version for text in spellings] == [1] * 5
    assert tracking.inputs == ["data:v1"]


@pytest.mark.parametrize("key", ["data", "model"])
def test_a_bare_name_that_no_expression_reads_is_an_input_too(
    root: Path, tmp_path: Path, key: str
) -> None:
    with setup_artifact_tracking(config_for(root)):
        sft_data(tmp_path / "data").save(name="sft-data")
    tracking = setup_artifact_tracking(config_for(root, run={key: "sft-data", "stage": "sft-data"}))
    assert tracking.inputs == ["sft-data:v1"]
    with pytest.raises(ArtifactNotFoundError, match="No artifact is named 'sft-dta'"):
        setup_artifact_tracking(config_for(root, run={key: "sft-dta"}))


def test_a_path_under_an_artifacts_key_is_an_input_where_it_exists(
    root: Path, tmp_path: Path
) -> None:
    (tmp_path / "raw").mkdir()
    run = {"data": "./raw", "model": "owner/some-model", "base": "./raw", "empty": "", "none": None}
    tracking = setup_artifact_tracking(config_for(root, run=run))
    assert tracking.inputs == [str(tmp_path / "raw")]
    empty = setup_artifact_tracking(config_for(root, run={"data": "", "model": "???"}))
    assert empty.inputs == []


@pytest.mark.parametrize("text", ["art://data/../up", "art://data:v1/"])
def test_a_reference_that_is_none_is_never_passed_over(root: Path, text: str) -> None:
    with pytest.raises(InvalidReferenceError, match="is no path inside an artifact"):
        setup_artifact_tracking(config_for(root, run={"corpus": text}))


def test_a_with_block_scopes_the_current_tracking(root: Path, tmp_path: Path) -> None:
    outer = setup_artifact_tracking(config_for(root))
    with setup_artifact_tracking(config_for(tmp_path / "inner")) as inner:
        assert current_tracking() is inner
    assert current_tracking() is outer


def test_the_latest_tracking_is_the_current_one(root: Path) -> None:
    setup_artifact_tracking(config_for(None))
    second = setup_artifact_tracking(config_for(root))
    assert current_tracking() is second


def test_a_failed_setup_leaves_the_current_tracking(root: Path) -> None:
    first = setup_artifact_tracking(config_for(root))
    with pytest.raises(ArtifactNotFoundError, match="No artifact is named 'absent'"):
        setup_artifact_tracking(config_for(root, run={"data": "absent:latest"}))
    assert current_tracking() is first


def test_on_a_machine_of_ones_own_tracking_works_from_the_first_run(tmp_path: Path) -> None:
    ModelArtifact(path=tmp_path / "m", step=1).save(name="ModelArtifact-pretrain")
    assert read(tmp_path / "artifacts", "ModelArtifact-pretrain").fields is not None


def test_a_job_elsewhere_has_no_embedded_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    ModelArtifact(path=tmp_path / "m", step=1).save(name="model")
    assert not (tmp_path / "artifacts").exists()


def test_the_name_of_an_output(root: Path, tmp_path: Path) -> None:
    tracking = setup_artifact_tracking(config_for(root, run={"output": "nano3-sft-data-tiny"}))
    assert log_artifact(sft_data(tmp_path), tracking).name == "nano3-sft-data-tiny"
    assert log_artifact(sft_data(tmp_path), tracking, name="explicit").name == "explicit"
    assert log_artifact(sft_data(tmp_path, name="own"), tracking).name == "own"
    unnamed = setup_artifact_tracking(config_for(root))
    assert log_artifact(sft_data(tmp_path), unnamed).name == "SFTDataArtifact"
    with pytest.raises(InvalidReferenceError, match="'a b' is no artifact name"):
        log_artifact(sft_data(tmp_path), tracking, name="a b")


def test_the_same_again_is_not_recorded_twice(root: Path, tmp_path: Path) -> None:
    tracking = setup_artifact_tracking(config_for(root))
    first = log_artifact_once(sft_data(tmp_path), tracking, name="data")
    again = log_artifact_once(sft_data(tmp_path), tracking, name="data")
    changed = log_artifact_once(sft_data(tmp_path, total_tokens=9), tracking, name="data")
    assert [one.ref for one in (first, again, changed)] == ["data:v1", "data:v1", "data:v2"]
    assert [one.reused for one in (first, again, changed)] == [False, True, False]


def test_provenance_comes_from_the_submitted_job(root: Path, tmp_path: Path) -> None:
    provenance = {"git_commit": "abc", "git_dirty": True, "runspec": "nano3/data/prep/sft"}
    tracking = setup_artifact_tracking(config_for(root, run={"provenance": provenance}))
    log_artifact(sft_data(tmp_path), tracking, name="data")
    recorded = read(root, "data").provenance
    assert recorded.items() >= provenance.items()
    assert recorded["host"]


def test_a_plain_script_records_its_configuration(root: Path, tmp_path: Path) -> None:
    tracking = setup_artifact_tracking(config_for(root))
    log_artifact(sft_data(tmp_path), tracking, name="data")
    recorded = read(root, "data").provenance
    assert recorded["config_digest"].startswith("sha256:")
    assert recorded["packages"]["python"]


def test_the_producer_is_the_schedulers_job(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking = setup_artifact_tracking(config_for(root))
    monkeypatch.setenv("NEMO_RUN_DIR", "/runs/nemo_abc123")
    log_artifact(sft_data(tmp_path), tracking, name="data")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    log_artifact(sft_data(tmp_path), tracking, name="data")
    assert read(root, "data", 1).producer == "nemo_abc123"
    assert read(root, "data", 2).producer == "slurm-4711"
    assert read(root, "data", 2).provenance["job_ids"] == {"slurm": "4711"}


def test_the_content_is_measured(root: Path, tmp_path: Path) -> None:
    data = tmp_path / "data" / "splits"
    data.mkdir(parents=True)
    (data / "a.bin").write_bytes(b"12345")
    (data.parent / "b.bin").write_bytes(b"123")
    sft_data(tmp_path / "data").save(name="data")
    (tmp_path / "elsewhere").mkdir()
    content = read(tmp_path / "artifacts", "data").content
    assert content is not None
    assert (content.bytes, content.files) == (8, 2)


def test_a_job_learns_what_was_logged(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEMOTRON_RUN_DIR", str(tmp_path / "run"))
    with setup_artifact_tracking(config_for(root)) as tracking:
        log_artifact(sft_data(tmp_path / "data"), tracking, name="data")
    result = read_result(tmp_path / "run")
    assert [entry["ref"] for entry in result.artifacts] == ["data:v1"]
    assert result.manifest_missing is None
    with setup_artifact_tracking(config_for(None)) as tracking:
        log_artifact(sft_data(tmp_path / "data"), tracking, name="data")
    assert read_result(tmp_path / "run").manifest_missing == (
        "off: artifacts.manifest.root is not set"
    )


def test_relative_paths_are_recorded_absolute(root: Path, tmp_path: Path) -> None:
    tracking = setup_artifact_tracking(config_for(root))
    log_artifact(sft_data(Path("data")), tracking, name="data")
    assert read(root, "data").path == str(tmp_path / "data")
    assert json.loads((tmp_path / "data" / "metadata.json").read_bytes())["version"] == 1


def test_a_with_block_makes_its_tracking_current_and_goes_back(tmp_path: Path) -> None:
    first = setup_artifact_tracking(config_for(tmp_path / "first"))
    second = setup_artifact_tracking(config_for(tmp_path / "second"))
    for version in (1, 2):
        with first:
            sft_data(tmp_path / "data").save(name="inside")
        assert current_tracking() is second
        assert read(tmp_path / "first", "inside", version).name == "inside"


def test_what_is_loaded_from_its_folder_is_a_pinned_input(root: Path, tmp_path: Path) -> None:
    with setup_artifact_tracking(config_for(root)):
        sft_data(tmp_path / "data").save(name="nano3-sft-data")
    with setup_artifact_tracking(config_for(root)):
        SFTDataArtifact.load(tmp_path / "data")
        ModelArtifact(path=tmp_path / "model", step=1).save(name="by-load")
    with setup_artifact_tracking(config_for(root, run={"data": "./data"}, x="${art:data}")):
        ModelArtifact(path=tmp_path / "model", step=1).save(name="by-path")
    for name in ("by-load", "by-path"):
        manifest = read(root, name)
        assert (manifest.used_artifacts, manifest.inputs) == (["nano3-sft-data:v1"], [])


def test_a_folder_that_the_store_does_not_know_is_a_raw_input(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    document = {"pack_size": 8, "name": "nano3-sft-data", "version": 7}
    (folder / "metadata.json").write_text(json.dumps(document))
    with setup_artifact_tracking(config_for(root)):
        loaded = SFTDataArtifact.load("data")
        ModelArtifact(path=tmp_path / "model", step=1).save(name="model")
        loaded.save(name="again")
    assert read(root, "model").inputs == [str(folder)]
    assert read(root, "again").inputs == []


def test_a_path_that_does_not_exist_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(ArtifactNotFoundError, match="missing: The path does not exist"):
        PretrainBlendsArtifact.load(tmp_path / "missing")


@pytest.mark.parametrize("uri", ["foo://bucket/data", "unknown+scheme://x"])
def test_storage_that_cannot_be_read_is_one_sentence(uri: str) -> None:
    with pytest.raises(ArtifactError, match="The metadata cannot be read: Protocol not known"):
        setup_artifact_tracking(config_for(None, run={"data": uri}, x="${art:data}"))


def test_a_path_speaks_of_versions_as_a_reference_does(root: Path, tmp_path: Path) -> None:
    with setup_artifact_tracking(config_for(root)):
        sft_data(tmp_path / "data").save(name="nano3-sft-data")
    config = config_for(None, run={"data": "./data"}, version="${art:data,version}")
    setup_artifact_tracking(config)
    assert config.version == "v1"


class Scalar:
    """What numpy's and torch's numbers have in common."""

    def item(self) -> float:
        return 0.5


def test_values_that_json_lacks_are_converted_and_recorded_once(root: Path, tmp_path: Path) -> None:
    values = {
        "score": Scalar(),
        "day": date(2026, 3, 11),
        "folder": Path("x"),
        "pair": (1, 2),
        "city": os.fsdecode(b"caf\xe9"),
    }
    tracking = setup_artifact_tracking(config_for(root))
    (tmp_path / "model").mkdir()
    model = ModelArtifact(path=tmp_path / "model", step=1, metadata=values)
    receipts = [log_artifact_once(model, tracking, name="model") for _ in range(2)]
    assert [receipt.reused for receipt in receipts] == [False, True]
    recorded = read(root, "model").metadata
    assert (
        recorded.items()
        >= {
            "score": 0.5,
            "day": "2026-03-11",
            "folder": "x",
            "pair": [1, 2],
            "city": "caf\udce9",
        }.items()
    )
    assert ModelArtifact.load(tmp_path / "model").metadata["score"] == 0.5


def test_a_value_without_a_form_in_json_is_refused_before_anything_is_written(
    root: Path, tmp_path: Path
) -> None:
    model = ModelArtifact(path=tmp_path / "model", step=1, metadata={"net": object()})
    tracking = setup_artifact_tracking(config_for(root))
    with pytest.raises(ArtifactError, match="A value of type object cannot be recorded"):
        log_artifact(model, tracking, name="model")
    assert not root.exists()
    with pytest.raises(ArtifactError, match="A field of Artifact cannot be recorded"):
        log_artifact(Artifact(path=tmp_path, net=object()), tracking, name="model")


def test_no_secret_reaches_a_manifest(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "a-token-of-mine")
    url = "https://user:hunter22@host/raw.jsonl"
    source = InputDatasetInfo(name="raw", uri=url, revision="sha256:0")
    artifact = sft_data(
        tmp_path / "data",
        source_datasets=[source],
        metadata={"api_key": "abcdefgh", "note": "read with a-token-of-mine"},
    )
    provenance = {"argv": ["x", "a-token-of-mine"]}
    tracking = setup_artifact_tracking(config_for(root, run={"provenance": provenance}))
    log_artifact_once(artifact, tracking, name="data")
    assert log_artifact_once(artifact, tracking, name="data").reused
    assert list(read(root, "data").input_revisions) == ["https://user:***@host/raw.jsonl"]
    written = [path.read_text() for path in tmp_path.rglob("*.json")]
    assert len(written) > 2
    for text in written:
        assert not re.search("hunter22|abcdefgh|a-token-of-mine", text)


def test_the_home_folder_is_meant_by_a_tilde(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    log_artifact(sft_data(Path("~/data")), setup_artifact_tracking(config_for(root)), name="data")
    assert read(root, "data").path == str(tmp_path / "home" / "data")
    assert (tmp_path / "home" / "data" / "metadata.json").is_file()


def test_data_that_cannot_be_measured_is_recorded_all_the_same(root: Path, tmp_path: Path) -> None:
    tracking = setup_artifact_tracking(config_for(root))
    unusable = SFTDataArtifact(path=tmp_path / ("long" * 100), pack_size=1)
    log_artifact(unusable, tracking, name="data")
    assert read(root, "data").content is None


@pytest.mark.parametrize(
    ("sections", "key"),
    [
        ({"run": {"data": "${oc.env:NO_SUCH_VARIABLE}"}}, "run.data"),
        ({"run": {"data": "${nothing.there}"}}, "run.data"),
        ({"artifacts": {"manifest": {"root": "${oc.env:NO_SUCH}"}}}, "artifacts.manifest.root"),
    ],
)
def test_an_interpolation_that_fails_is_named_by_its_key(
    root: Path, sections: dict[str, Any], key: str
) -> None:
    config = OmegaConf.create({"artifacts": {"manifest": {"root": str(root)}}, **sections})
    with pytest.raises(ConfigError, match=rf"^{key}: The value .*cannot be resolved"):
        setup_artifact_tracking(config)


def test_a_job_without_a_root_says_that_nothing_is_recorded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert not current_tracking().manifest
    assert "this job has no artifacts.manifest.root" in caplog.text


def test_data_that_changed_is_recorded_again(root: Path, tmp_path: Path) -> None:
    data = sft_data(tmp_path / "data")
    (tmp_path / "data" / "rows").write_text("first")
    tracking = setup_artifact_tracking(config_for(root))
    assert log_artifact_once(data, tracking, name="data").ref == "data:v1"
    assert log_artifact_once(data, tracking, name="data").reused
    (tmp_path / "data" / "rows").write_text("other")
    changed = log_artifact_once(data, tracking, name="data")
    assert (changed.ref, changed.reused) == ("data:v2", False)


def test_a_withdrawn_input_stays_in_the_lineage(root: Path, tmp_path: Path) -> None:
    log_artifact(sft_data(tmp_path / "bad"), setup_artifact_tracking(config_for(root)), name="data")
    ManifestTracker(root).withdraw("data", 1, reason="the test split is in it")
    tracking = setup_artifact_tracking(config_for(root))

    class Derived(Artifact):
        def get_input_uris(self) -> list[str]:
            return ["art://data:v1"]

    log_artifact(Derived(path=tmp_path / "derived"), tracking, name="derived")
    assert read(root, "derived").used_artifacts == ["data:v1"]
    Artifact.load(tmp_path / "bad")
    log_artifact(Artifact(path=tmp_path / "next"), tracking, name="next")
    assert read(root, "next").used_artifacts == ["data:v1"]


def test_data_that_is_loaded_through_a_link_is_a_pinned_input(root: Path, tmp_path: Path) -> None:
    log_artifact(
        sft_data(tmp_path / "data"), setup_artifact_tracking(config_for(root)), name="data"
    )
    (tmp_path / "link").symlink_to(tmp_path / "data")
    tracking = setup_artifact_tracking(config_for(root))
    Artifact.load(tmp_path / "link")
    log_artifact(Artifact(path=tmp_path / "model"), tracking, name="model")
    assert read(root, "model").used_artifacts == ["data:v1"]


@pytest.mark.parametrize("content", ['{"sharded_backend": "torch_dist"}', "[]", "no JSON"])
def test_a_metadata_file_of_somebody_else_stays(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    checkpoint = tmp_path / "iter_0000010"
    checkpoint.mkdir()
    (checkpoint / "metadata.json").write_text(content)
    tracking = setup_artifact_tracking(config_for(root))
    log_artifact(ModelArtifact(path=checkpoint, step=10), tracking, name="model")
    assert (checkpoint / "metadata.json").read_text() == content
    assert "metadata.json is not ours and stays as it is" in caplog.text


def test_a_spawned_process_that_knows_no_tracking_says_where_it_records(tmp_path: Path) -> None:
    script = Path(__file__).parent / "drivers" / "spawned.py"
    command = [sys.executable, str(script), str(tmp_path / "store")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert f"records in {tmp_path / 'artifacts'}: set NEMOTRON_RUN_DIR" in done.stderr
