from __future__ import annotations

import json
import math
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_runspec.artifacts import Lineage, ModelArtifact, SFTDataArtifact
from nemo_runspec.errors import ManifestFormatError
from nemo_runspec.manifest_tracker import FORMAT_VERSION, Manifest, ManifestTracker
from nemo_runspec.manifest_tracker.schema import parse_manifest

GOLDEN = Path(__file__).parent / "golden_manifest_format_0.json"

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
manifests = st.builds(
    Manifest,
    format_version=st.just(FORMAT_VERSION),
    name=st.just("nano3-sft-data"),
    version=st.integers(1, 10**6),
    type=st.sampled_from(["SFTDataArtifact", "ModelArtifact", "Unheard"]),
    kind=st.sampled_from(["dataset", "model"]),
    path=st.text(min_size=1, max_size=40),
    created_at=st.datetimes(timezones=st.just(timezone(timedelta(hours=-7)))),
    producer=st.none() | st.text(max_size=20),
    metadata=st.dictionaries(st.text(max_size=8), json_values, max_size=5),
    fields=st.none() | st.dictionaries(st.text(max_size=8), json_values, max_size=5),
    inputs=st.lists(st.text(max_size=20), max_size=4),
    used_artifacts=st.lists(st.just("a:v1"), max_size=2),
    provenance=st.dictionaries(st.text(max_size=8), json_values, max_size=3),
    claim_id=st.text(max_size=8),
)


@given(manifests)
def test_a_manifest_reads_back_as_itself(manifest: Manifest) -> None:
    assert parse_manifest(manifest.to_json(), where="m") == manifest


def test_the_documented_record_stays_readable(tmp_path: Path) -> None:
    folder = tmp_path / "nano3-sft-data" / "v2"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes(GOLDEN.read_bytes())
    (tmp_path / "nano3-sft-data" / "latest").write_text("v2")
    resolved = ManifestTracker(tmp_path).resolve("nano3-sft-data")
    artifact = SFTDataArtifact.from_document(dict(resolved.document), where=resolved.where)
    assert artifact.pack_size == 4096
    assert artifact.total_tokens == 15_000_000
    assert artifact.created_at == datetime.fromisoformat("2026-03-11T10:30:00-07:00")
    assert resolved.value("type") == "dataset"
    assert resolved.value("version") == "v2"


def test_an_old_record_of_a_model_is_a_model() -> None:
    document = json.loads(GOLDEN.read_bytes()) | {"type": "ModelArtifact"}
    assert parse_manifest(json.dumps(document).encode(), where="m").kind == "model"


def test_a_newer_format_is_refused() -> None:
    document = json.loads(GOLDEN.read_bytes()) | {"format_version": FORMAT_VERSION + 1}
    with pytest.raises(
        ManifestFormatError, match=r"^m: The manifest has format 2; .* up to 1\. Upgrade with: pip"
    ):
        parse_manifest(json.dumps(document).encode(), where="m")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"name": "x", "ver', "m: The manifest is damaged"),
        (b"\xff\xfe", "m: The manifest is damaged"),
        (b"[" * 200_000, "m: The manifest is damaged"),
        (b"[]", "m: The manifest is no JSON object"),
        (b"{}", "m: The manifest's 'name' is unusable: Field required"),
        (b'{"format_version": "one"}', "m: The manifest's format_version is 'one'"),
    ],
)
def test_a_damaged_manifest_says_so(data: bytes, message: str) -> None:
    with pytest.raises(ManifestFormatError, match=message):
        parse_manifest(data, where="m")


def test_unknown_keys_of_the_same_format_are_kept() -> None:
    document = json.loads(GOLDEN.read_bytes()) | {"reviewed_by": "the data team"}
    manifest = parse_manifest(json.dumps(document).encode(), where="m")
    assert json.loads(manifest.to_json())["reviewed_by"] == "the data team"


def test_a_diverged_loss_is_recorded(tmp_path: Path) -> None:
    artifact = ModelArtifact(path=tmp_path, step=7, loss=math.nan, metadata={"peak": math.inf})
    tracker = ManifestTracker(tmp_path / "artifacts")
    tracker.log(artifact, name="diverged", lineage=Lineage())
    document = dict(tracker.resolve("diverged").document)
    assert "NaN" in json.dumps(document, allow_nan=False)
    assert math.isnan(ModelArtifact.from_document(document, where="m").loss or 0.0)
