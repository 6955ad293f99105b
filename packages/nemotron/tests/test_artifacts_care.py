"""``nemotron artifacts alias | withdraw | restore | verify | gc | doctor``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nemo_runspec.artifacts import Artifact
from nemo_runspec.artifacts.tracker import Lineage
from nemo_runspec.manifest_tracker import ManifestTracker


def documents(done: object) -> object:
    return json.loads(done.out)


def test_an_alias_is_set_moved_listed_and_removed(store: Path, nemotron: Callable) -> None:
    alias = ("artifacts", "alias")
    assert nemotron(*alias, "demo-data:v1", "production").out == (
        "demo-data:production means v1.\n"
    )
    assert nemotron(*alias, "demo-data", "production").out == (
        "demo-data:production means v2; it meant v1 before.\n"
    )
    assert nemotron(*alias, "demo-data:2", "production").out == (
        "demo-data:production means v2, as before.\n"
    )
    assert "production  v2" in nemotron(*alias, "demo-data").out
    assert nemotron("artifacts", "show", "demo-data:production", "--quiet").out == "demo-data:v2\n"
    assert nemotron(*alias, "demo-data:production", "--remove").out == (
        "demo-data:production is removed; it meant v2.\n"
    )
    assert "None yet." in nemotron(*alias, "demo-data").out


def test_aliases_are_data_too(store: Path, nemotron: Callable) -> None:
    alias = ("artifacts", "alias", "demo-data:v1", "golden")
    expected = {"name": "demo-data", "alias": "golden", "version": 1, "before": None}
    assert documents(nemotron(*alias, "--json")) == expected
    assert nemotron(*alias, "--quiet").out == "demo-data:v1\n"
    (store / "demo-data" / "aliases" / "golden").write_text("v7")
    assert documents(nemotron("artifacts", "alias", "demo-data", "--json")) == [
        {"name": "demo-data", "alias": "golden", "version": 7, "problem": "v7 does not exist"}
    ]
    assert "nothing: v7 does not exist" in nemotron("artifacts", "alias", "demo-data").out
    assert nemotron("artifacts", "alias", "demo-data", "--quiet").out == "demo-data:golden\n"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["demo-data:v9", "x"], 1, "'demo-data' has no version v9."),
        (["demo-dat:v1", "x"], 1, "No artifact is named 'demo-dat'."),
        (["demo-dat"], 1, "No artifact is named 'demo-dat'."),
        (["demo-data:v1", "v3"], 2, "'v3' cannot be an alias: it reads as a version."),
        (["demo-data:v1", "latest"], 2, "'latest' cannot be an alias"),
        (["demo-data:v1", "a/b"], 2, "'a/b' is no alias."),
        (["demo-data:v1", "--remove"], 2, "'demo-data:v1' names no alias to remove."),
        (["demo-data:nothing", "--remove"], 1, "'demo-data' has no alias 'nothing'."),
    ],
)
def test_a_wrong_alias_is_one_sentence(
    store: Path, nemotron: Callable, words: list[str], code: int, message: str
) -> None:
    done = nemotron("artifacts", "alias", *words)
    assert done.code == code
    assert message in done.err


def test_a_withdrawn_version_gets_no_alias(store: Path, nemotron: Callable) -> None:
    ManifestTracker(store).withdraw("demo-data", 1, reason="a bad split")
    done = nemotron("artifacts", "alias", "demo-data:v1", "golden")
    assert done.code == 1
    assert "demo-data:v1 was withdrawn" in done.err


def test_a_version_is_withdrawn_and_restored(store: Path, nemotron: Callable) -> None:
    withdraw = ("artifacts", "withdraw", "demo-data:v2", "--reason", "a bad split")
    assert "demo-data:v2 is withdrawn" in nemotron(*withdraw).out
    assert nemotron("artifacts", "show", "demo-data", "--quiet").out == "demo-data:v1\n"
    assert "is in use again" in nemotron("artifacts", "restore", "demo-data:v2").out
    assert nemotron("artifacts", "show", "demo-data", "--quiet").out == "demo-data:v2\n"
    restored = nemotron("artifacts", "restore", "demo-data:v2", "--json")
    assert documents(restored) == {"ref": "demo-data:v2", "was_withdrawn": False}
    notice = documents(nemotron(*withdraw, "--json"))
    assert (notice["ref"], notice["reason"]) == ("demo-data:v2", "a bad split")


def test_withdrawing_needs_a_reason_and_no_alias(store: Path, nemotron: Callable) -> None:
    done = nemotron("artifacts", "withdraw", "demo-data:v2")
    assert done.code == 2
    assert "Missing option '--reason'" in done.err
    ManifestTracker(store).set_alias("demo-data", 2, "golden")
    done = nemotron("artifacts", "withdraw", "demo-data:v2", "--reason", "x")
    assert done.code == 1
    assert "golden means it" in done.err


def test_verify_names_every_fault_and_fails(store: Path, nemotron: Callable) -> None:
    done = nemotron("artifacts", "verify", "demo-data")
    assert (done.code, done.err) == (0, "")
    assert "1 file as recorded." in done.out
    shard = store.parent / "data" / "shard"
    shard.write_text("abcd")
    done = nemotron("artifacts", "verify", "demo-data")
    assert done.code == 1
    assert f"{shard} has 4 bytes; 3 were recorded" in done.out
    done = nemotron("artifacts", "verify", "demo-data", "--quiet")
    assert done.out == f"{shard} has 4 bytes; 3 were recorded\n"
    found = documents(nemotron("artifacts", "verify", "demo-data", "--json"))
    assert found["intact"] is False
    assert found["faults"] == [{"path": str(shard), "problem": "has 4 bytes; 3 were recorded"}]


def test_verify_says_what_it_could_not_check(store: Path, nemotron: Callable) -> None:
    (store.parent / "ckpt").mkdir(exist_ok=True)
    page = nemotron("artifacts", "verify", "demo-model").out
    assert "Not checked:" in page


def test_gc_shows_and_changes_nothing_by_itself(store: Path, nemotron: Callable) -> None:
    page = nemotron("artifacts", "gc").out
    assert "demo-data:v2   latest" in page
    assert "Would be withdrawn (1)" in page
    assert "Nothing was changed. Withdraw with: nemotron artifacts gc --apply" in page
    assert ManifestTracker(store).withdrawal("demo-data", 1) is None
    plan = documents(nemotron("artifacts", "gc", "--keep", "2", "--json"))
    assert plan["candidates"] == []
    assert plan["kept"]["demo-data:v1"] == ["one of the last 2"]
    assert "There is nothing to withdraw." in nemotron("artifacts", "gc", "--keep", "2").out


def test_gc_spares_what_is_young(store: Path, nemotron: Callable) -> None:
    plan = documents(nemotron("artifacts", "gc", "--older-than", "7", "--json"))
    assert plan["candidates"] == []
    assert plan["kept"]["demo-data:v1"] == ["younger than 7 days"]
    done = nemotron("artifacts", "gc", "--older-than", "-1")
    assert done.code == 2
    assert "-1" in done.err


def test_gc_spares_the_data_of_withdrawn_versions_too(
    store: Path, nemotron: Callable, workplace: Path
) -> None:
    tracker = ManifestTracker(store)
    for place in ("held", "later"):
        (workplace / place).mkdir()
        (workplace / place / "shard").write_text("abc")
        tracker.log(Artifact(path=workplace / place), name="held", lineage=Lineage())
    tracker.withdraw("held", 1, reason="by hand")
    for words in (["--exclude", "held"], ["--older-than", "7"]):
        assert nemotron("artifacts", "gc", "--apply", "--delete-data", *words).code == 0
        assert (workplace / "held" / "shard").exists()
    assert nemotron("artifacts", "gc", "--apply", "--delete-data").code == 0
    assert not (workplace / "held").exists()
    assert (workplace / "later").exists()


def test_gc_withdraws_and_deletes_what_it_is_told_to(
    store: Path, nemotron: Callable, workplace: Path
) -> None:
    assert nemotron("artifacts", "gc", "--apply", "--quiet").out == "demo-data:v1\n"
    assert ManifestTracker(store).versions("demo-data") == [1, 2]
    assert nemotron("artifacts", "gc", "--quiet").out == ""
    (place,) = documents(nemotron("artifacts", "gc", "--apply", "--delete-data", "--json"))["data"]
    assert (place["path"], place["deleted"]) == (str(workplace / "data"), False)
    assert place["obstacle"] == "demo-data:v2 needs it"
    ManifestTracker(store).withdraw("demo-model", 1, reason="old")
    ManifestTracker(store).withdraw("demo-data", 2, reason="old")
    page = nemotron("artifacts", "gc", "--apply", "--delete-data").out
    assert "Deleted (1)" in page
    assert f"{workplace / 'data'}  2 versions, 3 bytes" in page
    assert not (workplace / "data").exists()


def test_gc_deletes_nothing_without_apply(store: Path, nemotron: Callable) -> None:
    done = nemotron("artifacts", "gc", "--delete-data")
    assert done.code == 2
    assert "'--delete-data' works together with '--apply' only." in done.err


def test_gc_names_what_cannot_be_made_again(store: Path, nemotron: Callable) -> None:
    tracker = ManifestTracker(store)
    tracker.withdraw("demo-model", 1, reason="old")
    (store / "demo-data" / "v3").mkdir()
    manifest = (store / "demo-data" / "v2" / "manifest.json").read_text()
    newer = manifest.replace('"version": 2', '"version": 3')
    (store / "demo-data" / "v3" / "manifest.json").write_text(newer)
    plan = documents(nemotron("artifacts", "gc", "--json"))
    assert plan["unreproducible"] == {"demo-model:v1": ["demo-data:v2"]}
    assert "Cannot be made again afterwards (1)" in nemotron("artifacts", "gc").out


def test_gc_stops_at_what_it_cannot_read(store: Path, nemotron: Callable) -> None:
    (store / "demo-model" / "v1" / "manifest.json").write_text("{")
    done = nemotron("artifacts", "gc")
    assert done.code == 0
    assert "Cannot be read, and may use any version (1)" in done.out
    done = nemotron("artifacts", "gc", "--apply")
    assert done.code == 1
    assert "Nothing was withdrawn: demo-model:v1 cannot be read" in done.err
    done = nemotron("artifacts", "gc", "--apply", "--exclude", "demo-model", "--quiet")
    assert done.out == "demo-data:v1\n"


def test_doctor_says_what_a_sound_store_honours(store: Path, nemotron: Callable) -> None:
    done = nemotron("artifacts", "doctor", str(store))
    assert done.code == 0
    page = " ".join(done.out.split())
    assert "Holds: 2 names, 3 versions" in page
    assert "A second writer of a version: refused" in page
    assert "Result: Sound." in page
    assert nemotron("artifacts", "doctor", "--quiet").out == ""
    found = documents(nemotron("artifacts", "doctor", "--json", "--root", str(store)))
    assert (found["sound"], found["publishing"], found["create_only"]) == (True, "link", True)


def test_doctor_names_each_fault_with_its_cure(store: Path, nemotron: Callable) -> None:
    (store / "demo-data" / "latest").write_text("v9")
    (store / "demo-data" / "v1" / "manifest.json").write_text("{")
    (store / "demo-data" / "v2" / "metadata.json").unlink()
    done = nemotron("artifacts", "doctor")
    assert done.code == 1
    assert "Result:                        2 faults." in done.out
    assert "Left over, and harmless" in done.out
    assert done.out.count("Cure: ") == 3
    done = nemotron("artifacts", "doctor", "--repair")
    assert done.code == 1
    assert "Repaired" in done.out
    found = documents(nemotron("artifacts", "doctor", "--json"))
    assert [finding["where"] for finding in found["findings"]] == [
        str(store / "demo-data" / "v1" / "manifest.json")
    ]
    assert (store / "demo-data" / "latest").read_text() == "v2"


@pytest.mark.parametrize(
    ("place", "message"),
    [("nowhere", "There is no store here."), ("chat.jsonl", "Not a directory.")],
)
def test_doctor_of_what_is_no_store_is_one_sentence(
    store: Path, nemotron: Callable, place: str, message: str
) -> None:
    done = nemotron("artifacts", "doctor", place)
    assert done.code == 1
    assert message in done.err
    assert not (store.parent / "nowhere").exists()


def test_doctor_takes_one_root(store: Path, nemotron: Callable) -> None:
    done = nemotron("artifacts", "doctor", str(store), "--root", str(store))
    assert done.code == 2
    assert "The store is named twice." in done.err
