"""The full names and addresses that are made without asking W&B."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_runspec.artifacts.reference import ArtifactReference
from nemotron_kit_wandb.destination import Destination, manifest_alias
from nemotron_kit_wandb.pages import artifact_page, run_page
from nemotron_kit_wandb.recording import host_place
from nemotron_kit_wandb.records import RecordedArtifact, RunIdentity, WandbRecord

KNOWN = Destination("nemotron", "team")


@pytest.mark.parametrize(
    ("destination", "owner"),
    [
        (KNOWN, "team/nemotron/"),
        (Destination("nemotron"), "nemotron/"),
        (Destination(), ""),
        (Destination(None, "team"), ""),
    ],
)
def test_as_much_of_the_owner_as_is_known(destination: Destination, owner: str) -> None:
    assert destination.full_name(ArtifactReference.parse("data")) == f"{owner}data:latest"
    assert destination.edge_name("data:v2") == f"{owner}data:manifest-v2"
    assert destination.pinned_name("data:v2") == f"{owner}data:v2"


def test_an_owner_that_is_named_counts() -> None:
    assert KNOWN.edge_name("e/p/data:v3") == "e/p/data:v3"
    assert KNOWN.pinned_name("art://e/p/data:v3/part") == "e/p/data:v3"


@given(version=st.integers(min_value=0, max_value=10**17))
def test_the_alias_of_a_version_is_a_reference(version: int) -> None:
    alias = manifest_alias(version)
    assert alias == manifest_alias(f"v{version}")
    assert ArtifactReference.parse(f"data:{alias}").selector == alias


@pytest.mark.parametrize(
    ("variables", "site"),
    [
        ({"WANDB_BASE_URL": "https://api.wandb.test"}, "https://app.wandb.test"),
        ({"WANDB_BASE_URL": "https://api.mlops.example.com"}, "https://app.mlops.example.com"),
        ({"WANDB_BASE_URL": "http://localhost:8080"}, "http://localhost:8080"),
        ({"WANDB_APP_URL": "https://show.example.com/"}, "https://show.example.com"),
    ],
)
def test_the_pages_that_people_open(tmp_path: Path, variables: dict[str, str], site: str) -> None:
    environ = {"HOME": str(tmp_path), "WANDB_DIR": str(tmp_path), **variables}
    page = artifact_page("team/nemotron", "model", "sft-model", "v3", environ)
    assert page == f"{site}/team/nemotron/artifacts/model/sft-model/v3"
    assert run_page("team/my project", "abc", environ) == f"{site}/team/my%20project/runs/abc"


def test_what_lies_elsewhere_has_no_host_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMO_RUN_DIR", "/lustre/job")
    assert host_place("/nemo_run/save") == "/lustre/job/save"
    assert host_place("file:///nemo_run/save") == "file:///lustre/job/save"
    assert host_place("s3://nemo_run/save") == "s3://nemo_run/save"
    assert host_place("/data/save") == "/data/save"


_TEXTS = st.text(min_size=1, max_size=20)
_PAIRS = st.lists(st.tuples(_TEXTS, _TEXTS), max_size=3).map(tuple)
_RUNS = st.builds(
    RunIdentity, _TEXTS, _TEXTS, *(st.none() | _TEXTS,) * 5, st.lists(_TEXTS).map(tuple)
)
_ARTIFACTS = st.builds(
    RecordedArtifact,
    name=_TEXTS,
    kind=_TEXTS,
    type=_TEXTS,
    document=st.dictionaries(_TEXTS, st.integers() | _TEXTS | st.lists(_TEXTS)),
    files=_PAIRS,
    references=_PAIRS,
    manifest=st.none() | _TEXTS,
)


@given(
    run=st.none() | _RUNS,
    artifact=st.none() | _ARTIFACTS,
    aliases=st.lists(_TEXTS).map(tuple),
    used=st.lists(_TEXTS).map(tuple),
)
def test_a_record_comes_back_from_its_file(
    run: RunIdentity | None,
    artifact: RecordedArtifact | None,
    aliases: tuple[str, ...],
    used: tuple[str, ...],
) -> None:
    made = WandbRecord(run, "nemotron", "team", artifact, aliases, used)
    read = WandbRecord.from_json(made.to_json(), where="here")
    assert read == made
    assert read.own_run() == made.own_run()
