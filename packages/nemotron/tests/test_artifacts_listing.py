from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from nemo_runspec.manifest_tracker import ManifestTracker


def test_ls_shows_every_name_with_its_latest_version(store: Path, nemotron: Callable) -> None:
    ManifestTracker(store).set_alias("demo-data", 1, "golden")
    page = nemotron("artifacts", "ls").out
    assert f"Artifacts in {store}" in page
    assert re.search(r"demo-data:v2 +2 +(just now|\d+ seconds? ago) +3 bytes +Data +golden", page)
    assert re.search(r"demo-model:v1 +1 +.* ModelArtifact", page)
    assert nemotron("artifacts", "ls", "--quiet").out == "demo-data\ndemo-model\n"


def test_ls_as_json_has_all_of_a_name(store: Path, nemotron: Callable) -> None:
    ManifestTracker(store).set_alias("demo-data", 1, "golden")
    data, model = json.loads(nemotron("artifacts", "ls", "--json").out)
    assert data["created_at"]
    assert data | {"created_at": ""} == {
        "name": "demo-data",
        "versions": 2,
        "ref": "demo-data:v2",
        "version": 2,
        "type": "Data",
        "kind": "dataset",
        "path": str(store.parent / "data"),
        "created_at": "",
        "producer": None,
        "size_bytes": 3,
        "files": 1,
        "aliases": {"golden": 1},
        "problem": None,
    }
    assert (model["name"], model["kind"]) == ("demo-model", "model")


def test_ls_of_a_name_shows_its_versions(store: Path, nemotron: Callable) -> None:
    tracker = ManifestTracker(store)
    tracker.set_alias("demo-data", 2, "golden")
    tracker.withdraw("demo-data", 1, reason="a bad split")
    page = nemotron("artifacts", "ls", "demo-data").out
    assert re.search(r"demo-data:v1 .* withdrawn: a bad split", page)
    assert re.search(r"demo-data:v2 .* golden", page)
    listed = json.loads(nemotron("artifacts", "ls", "demo-data", "--json").out)
    assert [(each["ref"], each["aliases"]) for each in listed] == [
        ("demo-data:v1", []),
        ("demo-data:v2", ["golden"]),
    ]
    assert listed[0]["withdrawn"]["reason"] == "a bad split"
    assert listed[1]["withdrawn"] is None
    assert nemotron("artifacts", "ls", "demo-data", "--quiet").out.split() == [
        "demo-data:v1",
        "demo-data:v2",
    ]


@pytest.mark.parametrize("damage", ["{", "", "\0\0", "[]", '{"name": "demo-data"}'])
def test_a_damaged_manifest_is_named_and_the_rest_still_lists(
    store: Path, nemotron: Callable, damage: str
) -> None:
    (store / "demo-data" / "v2" / "manifest.json").write_text(damage)
    for words in (["ls"], ["ls", "demo-data"]):
        done = nemotron("artifacts", *words)
        assert done.code == 0
        assert "v2/manifest.json: The manifest" in done.out
    listed = json.loads(nemotron("artifacts", "ls", "demo-data", "--json").out)
    assert listed[0]["problem"] is None
    assert "v2/manifest.json" in listed[1]["problem"]
    names = json.loads(nemotron("artifacts", "ls", "--json").out)
    assert [each["name"] for each in names] == ["demo-data", "demo-model"]
    assert "v2/manifest.json" in names[0]["problem"]
    assert names[1]["problem"] is None


def test_a_time_without_a_zone_is_local(store: Path, nemotron: Callable) -> None:
    file = store / "demo-data" / "v2" / "manifest.json"
    document = json.loads(file.read_text())
    file.write_text(json.dumps(document | {"created_at": "2020-01-01T00:00:00"}))
    assert re.search(r"demo-data:v2 .* years ago", nemotron("artifacts", "ls").out)
    assert nemotron("artifacts", "gc", "--older-than", "1").code == 0


def test_a_dangling_alias_is_listed_as_such(store: Path, nemotron: Callable) -> None:
    tracker = ManifestTracker(store)
    tracker.set_alias("demo-data", 1, "golden")
    (store / "demo-data" / "aliases" / "golden").write_text("v7")
    assert "demo-data:golden  v7 does not exist" in nemotron("artifacts", "ls", "demo-data").out
    assert "golden (v7 does not exist)" in nemotron("artifacts", "ls").out


def test_a_dangling_latest_still_lists(store: Path, nemotron: Callable) -> None:
    (store / "demo-data" / "latest").write_text("v7")
    assert "demo-data:v2" in nemotron("artifacts", "ls").out


def test_a_file_as_root_is_one_sentence(workplace: Path, nemotron: Callable) -> None:
    (workplace / "artifacts").write_text("")
    done = nemotron("artifacts", "ls")
    assert done.code == 1
    assert "Cannot list the artifact store: Not a directory." in done.err


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


def test_show_says_what_became_of_a_version(store: Path, nemotron: Callable) -> None:
    tracker = ManifestTracker(store)
    tracker.set_alias("demo-data", 2, "golden")
    tracker.withdraw("demo-data", 1, reason="a bad split")
    page = nemotron("artifacts", "show", "demo-data:v1").out
    assert re.search(r"Withdrawn: .*: a bad split", page)
    assert "no recorded producer" in page
    page = nemotron("artifacts", "show", "demo-data:golden").out
    assert re.search(r"Aliases: +golden", page)
    assert re.search(r"Content: +1 file, 3 bytes, sha256:", page)


def test_a_newer_manifest_is_refused(store: Path, nemotron: Callable) -> None:
    file = store / "demo-data" / "v2" / "manifest.json"
    document = json.loads(file.read_text())
    file.write_text(json.dumps(document | {"format_version": 99}))
    done = nemotron("artifacts", "show", "demo-data")
    assert done.code == 1
    assert "has format 99" in done.err


def test_a_strange_entry_takes_nothing_else_down(store: Path, nemotron: Callable) -> None:
    (store / "loop").symlink_to("loop")
    (store / "demo-model" / "v1" / "manifest.json").write_text("[" * 200_000)
    for words in (["ls"], ["gc"], ["doctor"], ["lineage", "demo-data"], ["why", "demo-data", "1"]):
        done = nemotron("artifacts", *words)
        assert "Traceback" not in done.err
        assert "Too many levels" not in done.out + done.err
    assert "demo-data:v2" in nemotron("artifacts", "ls").out
    assert "The manifest is damaged" in nemotron("artifacts", "show", "demo-model").err


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00", "9999-12-31T23:59:59-12:00"])
def test_the_first_and_the_last_day_of_the_calendar_are_listed(
    store: Path, nemotron: Callable, time: str
) -> None:
    file = store / "demo-data" / "v2" / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"created_at": time}))
    for words in (["ls"], ["ls", "demo-data"], ["show", "demo-data"]):
        assert nemotron("artifacts", *words).code == 0


def test_a_record_cannot_command_the_terminal(store: Path, nemotron: Callable) -> None:
    file = store / "demo-data" / "v2" / "manifest.json"
    evil = "x\x1b[2J\x1b]0;title\x07"
    changed = {"type": evil, "path": f"/{evil}", "producer": evil, "metadata": {evil: evil}}
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))
    (store / "demo-data" / "aliases").mkdir()
    (store / "demo-data" / "aliases" / evil).write_text("v2")
    tracker = ManifestTracker(store)
    tracker.withdraw("demo-data", 1, reason=evil)
    for words in (
        ["ls"],
        ["ls", "demo-data"],
        ["show", "demo-data"],
        ["verify", "demo-data"],
        ["alias", "demo-data"],
        ["why", "demo-data:v1", "demo-data:v2"],
        ["lineage", "demo-data"],
        ["show", "demo-data:v1"],
    ):
        done = nemotron("artifacts", *words)
        assert "\x1b" not in done.out + done.err, words
        assert "\x07" not in done.out + done.err, words
    assert r"x\x1b[2J\x1b]0;title\x07" in nemotron("artifacts", "show", "demo-data").out


def test_a_record_that_is_no_strict_json_is_shown_as_json(store: Path, nemotron: Callable) -> None:
    file = store / "demo-data" / "v2" / "manifest.json"
    damaged = json.loads(file.read_text()) | {"metadata": {"loss": float("nan")}}
    file.write_text(json.dumps(damaged))
    page = nemotron("artifacts", "show", "demo-data", "--json").out

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads(page, parse_constant=refuse)["metadata"] == {"loss": "NaN"}
