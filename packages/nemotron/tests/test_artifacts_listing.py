from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest


def test_ls_shows_the_latest_version_of_every_name(store: Path, nemotron: Callable) -> None:
    done = nemotron("artifacts", "ls")
    assert f"Artifacts in {store}" in done.out
    assert "demo-data:v2   Data" in done.out
    assert "demo-model:v1  ModelArtifact" in done.out
    assert nemotron("artifacts", "ls", "--quiet").out == "demo-data\ndemo-model\n"


def test_ls_of_a_name_shows_its_versions(store: Path, nemotron: Callable) -> None:
    listed = json.loads(nemotron("artifacts", "ls", "demo-data", "--json").out)
    assert [(each["ref"], each["version"]) for each in listed] == [
        ("demo-data:v1", 1),
        ("demo-data:v2", 2),
    ]
    assert nemotron("artifacts", "ls", "demo-data", "--quiet").out.split() == [
        "demo-data:v1",
        "demo-data:v2",
    ]


def test_ls_of_nothing_says_so_and_creates_nothing(workplace: Path, nemotron: Callable) -> None:
    done = nemotron("artifacts", "ls")
    assert done.code == 0
    assert "None yet." in done.out
    assert not (workplace / "artifacts").exists()


def test_show_prints_the_manifest_itself_as_json(store: Path, nemotron: Callable) -> None:
    done = nemotron("artifacts", "show", "demo-data:v1", "--json")
    assert done.out == (store / "demo-data" / "v1" / "manifest.json").read_text()


@pytest.mark.parametrize(
    "reference", ["demo-data", "demo-data:v2", "demo-data:2", "art://demo-data"]
)
def test_show_takes_every_spelling(store: Path, nemotron: Callable, reference: str) -> None:
    page = nemotron("artifacts", "show", reference).out
    assert "─ demo-data:v2 ─" in page
    assert "chat.jsonl  sha256:abc" in page
    assert "total_tokens: 20" in " ".join(page.split())
    assert nemotron("artifacts", "show", reference, "--quiet").out == "demo-data:v2\n"


def test_a_root_elsewhere_can_be_named(
    store: Path, nemotron: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = tmp_path / "moved"
    store.rename(moved)
    assert "demo-data" in nemotron("artifacts", "ls", "--quiet", "--root", str(moved)).out
    monkeypatch.setenv("NEMOTRON_ARTIFACTS_ROOT", str(moved))
    assert "demo-data" in nemotron("artifacts", "ls", "--quiet").out


@pytest.mark.parametrize("command", ["show", "lineage"])
def test_what_does_not_exist_is_one_sentence(store: Path, nemotron: Callable, command: str) -> None:
    done = nemotron("artifacts", command, "demo-dat")
    assert done.code == 1
    assert "No artifact is named 'demo-dat'." in done.err
    assert "Did you mean 'demo-data'?" in done.err
    error = json.loads(nemotron("artifacts", command, "demo-data:v9", "--json").out)["error"]
    assert error["hint"] == "It has v1 to v2."


def test_a_newer_manifest_is_refused(store: Path, nemotron: Callable) -> None:
    file = store / "demo-data" / "v2" / "manifest.json"
    document = json.loads(file.read_text())
    file.write_text(json.dumps(document | {"format_version": 99}))
    done = nemotron("artifacts", "show", "demo-data")
    assert done.code == 1
    assert "has format 99" in done.err
