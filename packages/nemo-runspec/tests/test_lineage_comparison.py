from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemo_runspec.artifacts import Artifact, Lineage, ModelArtifact, SFTDataArtifact
from nemo_runspec.errors import ArtifactNotFoundError
from nemo_runspec.lineage import Comparison, compare_histories
from nemo_runspec.manifest_tracker import ManifestTracker

PACKAGES = {"python": "3.11.7", "nemotron": "0.1.0"}


@pytest.fixture
def tracker(tmp_path: Path) -> ManifestTracker:
    return ManifestTracker(tmp_path / "artifacts")


def provenance(
    runspec: str, config: Mapping[str, Any] | None, digest: str | None = None, **changes: Any
) -> dict[str, Any]:
    recorded = {
        "runspec": runspec,
        "git_commit": "c1",
        "git_dirty": False,
        "packages": PACKAGES,
        "image": "registry/nemo:1",
        "host": "anything",
        "config_digest": digest or json.dumps(config),
    }
    if config is not None:
        recorded["config_values"] = {**config, "run": {"output": "x", **config.get("run", {})}}
    return recorded | changes


def log_data(tracker: ManifestTracker, name: str = "sft-data", **making: Any) -> str:
    """Prepared data, as a recipe would record it."""
    raw = making.pop("raw", {"/raw/chat.jsonl": "sha256:1"})
    tokenizer = making.pop("tokenizer", "tok-a")
    used = making.pop("used", [])
    config = making.pop("config", {"pack_size": 8, "tokenizer": tokenizer})
    made = provenance("nano3/data/prep/sft", config, **making)
    lineage = Lineage(
        inputs=list(raw),
        input_revisions={uri: one for uri, one in raw.items() if one},
        used_artifacts=used,
        provenance=made,
    )
    size = (config or {}).get("pack_size", 8)
    artifact = SFTDataArtifact(path=Path("/out") / name, pack_size=size, tokenizer=tokenizer)
    return tracker.log(artifact, name=name, lineage=lineage).ref


def log_model(tracker: ManifestTracker, *used: str, name: str = "sft-model", **making: Any) -> str:
    """A checkpoint, trained on what it uses."""
    run = {"data": used[0]} if used else {}
    config = making.pop("config", {})
    values = None if config is None else {"lr": 1e-4, **config, "run": run}
    made = provenance(making.pop("runspec", "nano3/sft"), values, **making)
    artifact = ModelArtifact(path=Path("/ckpt") / name, step=10)
    lineage = Lineage(used_artifacts=list(used), provenance=made)
    return tracker.log(artifact, name=name, lineage=lineage).ref


def told(found: Comparison) -> list[tuple[str, str, Any, Any]]:
    return [(each.category, each.key, each.left, each.right) for each in found.differences]


def categories(found: Comparison) -> list[str]:
    return list(dict.fromkeys(each.category for each in found.differences))


# One change each, in the making of the data; its model was trained again on it, likewise.
IN_THE_DATA: dict[str, dict[str, Any]] = {
    "config": {"config": {"pack_size": 16, "tokenizer": "tok-a"}},
    "code": {"git_commit": "c2"},
    "data": {"raw": {"/raw/chat.jsonl": "sha256:2"}},
    "tokenizer": {"tokenizer": "tok-b"},
    "software": {"packages": {**PACKAGES, "nemotron": "0.2.0"}},
    "image": {"image": "registry/nemo:2"},
}
KEYS = {
    "config": ("config", "pack_size", 8, 16),
    "code": ("code", "git_commit", "c1", "c2"),
    "data": ("data", "/raw/chat.jsonl", "sha256:1", "sha256:2"),
    "tokenizer": ("tokenizer", "tokenizer", "tok-a", "tok-b"),
    "software": ("software", "nemotron", "0.1.0", "0.2.0"),
    "image": ("image", "image", "registry/nemo:1", "registry/nemo:2"),
}


def changed(*kinds: str) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for kind in kinds:
        merged |= IN_THE_DATA[kind]
    if {"config", "tokenizer"} <= {*kinds}:
        merged["config"] = {"pack_size": 16, "tokenizer": "tok-b"}
    return merged


@pytest.mark.parametrize("kind", IN_THE_DATA)
def test_one_change_in_the_data_is_named_alone(tracker: ManifestTracker, kind: str) -> None:
    for making in ({}, changed(kind)):
        log_model(tracker, log_data(tracker, **making))
    found = compare_histories(tracker, "sft-model:v1", "sft-model:v2")
    assert told(found) == [KEYS[kind]]
    assert found.differences[0].at == ("sft-data:v1", "sft-data:v2")
    assert categories(compare_histories(tracker, "sft-data:v1", "sft-data:v2")) == [kind]


@pytest.mark.parametrize("kinds", list(itertools.combinations(IN_THE_DATA, 2)))
def test_of_two_changes_both_are_named(tracker: ManifestTracker, kinds: tuple[str, str]) -> None:
    for making in ({}, changed(*kinds)):
        log_model(tracker, log_data(tracker, **making))
    found = compare_histories(tracker, "sft-model:v1", "sft-model:v2")
    assert sorted(told(found)) == sorted(KEYS[kind] for kind in kinds)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"config": {"lr": 2e-4}}, ("config", "lr", 1e-4, 2e-4)),
        ({"config": {"mtp": {"layers": 2}}}, ("config", "mtp.layers", None, 2)),
        ({"git_commit": "c9"}, ("code", "git_commit", "c1", "c9")),
        ({"git_dirty": True}, ("code", "git_dirty", False, True)),
        ({"image": "registry/nemo:9"}, ("image", "image", "registry/nemo:1", "registry/nemo:9")),
        ({"packages": {"python": "3.11.7"}}, ("software", "nemotron", "0.1.0", None)),
    ],
)
def test_one_change_in_training_is_named_alone(
    tracker: ManifestTracker, change: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    data = log_data(tracker)
    log_model(tracker, data)
    log_model(tracker, data, **change)
    found = compare_histories(tracker, "sft-model:v1", "sft-model:v2")
    assert told(found) == [expected]
    assert "first differ in one thing" in found.summary


@settings(deadline=None, max_examples=40)
@given(
    below=st.sets(st.sampled_from(sorted(IN_THE_DATA))),
    above=st.sets(st.sampled_from(["config", "code", "image"])),
)
def test_every_combination_names_exactly_what_was_changed(below: set[str], above: set[str]) -> None:
    root = f"memory://why-{'-'.join(sorted(below))}/{'-'.join(sorted(above))}"
    tracker = ManifestTracker(root)
    training: dict[str, dict[str, Any]] = {
        "config": {"config": {"lr": 3e-4}},
        "code": {"git_commit": "c7"},
        "image": {"image": "registry/nemo:7"},
    }
    making = {key: value for kind in above for key, value in training[kind].items()}
    if not tracker.names():
        log_model(tracker, log_data(tracker))
        log_model(tracker, log_data(tracker, **changed(*below)), **making)
    found = compare_histories(tracker, "sft-model:v1", "sft-model:v2")
    if not below and not above:
        # Data that was prepared again without a change of its record is another version.
        assert told(found) == [("data", "sft-data", "sft-data:v1", "sft-data:v2")]
    elif not below:
        assert set(categories(found)) == above | {"data"}
    else:
        assert set(categories(found)) == below | above
        mirrored = compare_histories(tracker, "sft-model:v2", "sft-model:v1")
        assert [(one, key, b, a) for one, key, a, b in told(mirrored)] == told(found)


def test_a_change_that_both_stages_share_is_named_where_it_is_first(
    tracker: ManifestTracker,
) -> None:
    for commit in ("c1", "c2"):
        log_model(tracker, log_data(tracker, git_commit=commit), git_commit=commit)
    (only,) = compare_histories(tracker, "sft-model:v1", "sft-model:v2").differences
    assert (only.category, only.at) == ("code", ("sft-data:v1", "sft-data:v2"))


def test_training_follows_the_tokenizer_of_its_data(tracker: ManifestTracker) -> None:
    for tokenizer in ("tok-a", "tok-b"):
        data = log_data(tracker, tokenizer=tokenizer)
        log_model(tracker, data, config={"model": {"tokenizer_path": f"/models/{tokenizer}"}})
    found = compare_histories(tracker, "sft-model:v1", "sft-model:v2")
    assert told(found) == [KEYS["tokenizer"]]


def test_a_tokenizer_file_is_a_tokenizer(tracker: ManifestTracker) -> None:
    for revision in ("sha256:1", "sha256:2"):
        log_data(tracker, tokenizer="/tok.json", raw={"/raw": "sha256:0", "/tok.json": revision})
    found = compare_histories(tracker, "sft-data:v1", "sft-data:v2")
    assert told(found) == [("tokenizer", "/tok.json", "sha256:1", "sha256:2")]


def test_the_container_in_the_configuration_is_the_image(tracker: ManifestTracker) -> None:
    for image in ("nemo:1", "nemo:2"):
        log_data(tracker, image=image, config={"run": {"env": {"container": image}}})
    found = compare_histories(tracker, "sft-data:v1", "sft-data:v2")
    assert told(found) == [("image", "image", "nemo:1", "nemo:2")]


@pytest.mark.parametrize(
    "spell",
    [
        lambda ref: ref,
        lambda ref: f"art://{ref}",
        lambda ref: f"art://{ref}/blend.json",
        lambda ref: f"${{art:'{ref}',path}}/packed",
        lambda ref: [{"data": ref}],
    ],
)
def test_references_to_inputs_are_consequences(tracker: ManifestTracker, spell: Any) -> None:
    for revision in ("sha256:1", "sha256:2"):
        data = log_data(tracker, raw={"/raw/chat.jsonl": revision})
        log_model(tracker, data, config={"dataset": spell(data)})
    assert told(compare_histories(tracker, "sft-model:v1", "sft-model:v2")) == [KEYS["data"]]


def test_a_pin_and_latest_mean_the_same_input(tracker: ManifestTracker) -> None:
    data = log_data(tracker)
    log_model(tracker, data, config={"dataset": "sft-data:latest"})
    log_model(tracker, data, config={"dataset": "sft-data:v1"})
    assert told(compare_histories(tracker, "sft-model:v1", "sft-model:v2")) == []


def test_a_raw_file_elsewhere_is_another_data_version(tracker: ManifestTracker) -> None:
    for place in ("/a/chat.jsonl", "/b/chat.jsonl"):
        log_data(tracker, raw={place: "sha256:1"}, config={"source": place})
    (only,) = compare_histories(tracker, "sft-data:v1", "sft-data:v2").differences
    assert (only.category, only.left, only.right) == ("data", "/a/chat.jsonl", "/b/chat.jsonl")
    assert only.remark == "of the same revision"


def test_inputs_that_come_and_go(tracker: ManifestTracker) -> None:
    log_data(tracker, raw={"/a": "sha256:1"})
    log_data(tracker, raw={"/a": "sha256:1", "/b": "sha256:2"})
    base = log_model(tracker, name="base")
    data = log_data(tracker)
    log_model(tracker, data)
    log_model(tracker, data, base)
    assert told(compare_histories(tracker, "sft-data:v1", "sft-data:v2")) == [
        ("data", "input", None, "/b")
    ]
    assert told(compare_histories(tracker, "sft-model:v1", "sft-model:v2")) == [
        ("data", "input", None, "base:v1")
    ]


def test_inputs_of_other_names_are_paired_by_type(tracker: ManifestTracker) -> None:
    for name, size in (("chat-data", 8), ("code-data", 16)):
        data = log_data(tracker, name, config={"pack_size": size})
        log_model(tracker, data)
    found = compare_histories(tracker, "sft-model:v1", "sft-model:v2")
    assert told(found) == [KEYS["config"]]
    assert found.differences[0].at == ("chat-data:v1", "code-data:v1")


def test_older_records_know_only_the_digest(tracker: ManifestTracker) -> None:
    for digest in ("sha256:1", "sha256:2"):
        log_data(tracker, config=None, digest=digest)
    (only,) = compare_histories(tracker, "sft-data:v1", "sft-data:v2").differences
    assert (only.category, only.remark) == ("config", "the keys were not recorded")


def test_a_digest_that_the_references_explain_is_a_note(tracker: ManifestTracker) -> None:
    for number in ("1", "2"):
        data = log_data(tracker, raw={"/raw/chat.jsonl": f"sha256:{number}"})
        log_model(tracker, data, config=None, digest=f"sha256:{number}")
    found = compare_histories(tracker, "sft-model:v1", "sft-model:v2")
    assert told(found) == [KEYS["data"]]
    assert "perhaps only in their references to inputs" in " ".join(found.notes)


def test_equal_histories_say_so(tracker: ManifestTracker) -> None:
    data = log_data(tracker)
    for _ in range(2):
        log_model(tracker, data)
    found = compare_histories(tracker, "sft-model:v1", "sft-model:v2")
    assert found.summary == "sft-model:v1 and sft-model:v2 have the same recorded history."
    same = compare_histories(tracker, "sft-model:v2", "sft-model:latest")
    assert same.summary == "Both are sft-model:v2."


def test_two_steps_of_one_training_differ_in_their_fields(tracker: ManifestTracker) -> None:
    for step in (1, 2):
        artifact = ModelArtifact(path=Path("/ckpt"), step=step)
        tracker.log(artifact, name="model", lineage=Lineage(provenance=provenance("sft", {})))
    found = compare_histories(tracker, "model:v1", "model:v2")
    assert found.summary.endswith("have the same recorded history; their own fields differ: step.")


def test_what_is_unrelated_says_so(tracker: ManifestTracker) -> None:
    for name in ("one", "two"):
        tracker.log(Artifact(path=Path(name)), name=name, lineage=Lineage(inputs=[f"/{name}"]))
    found = compare_histories(tracker, "one", "two")
    assert not found.related
    assert found.summary == "one:v1 and two:v1 have nothing in common: no name, input or recipe."


def test_what_was_imported_and_what_was_made(tracker: ManifestTracker) -> None:
    for source in ("/a", "/a", "/b"):
        imported = {"imported": {"from": source, "at": "2026-01-01T00:00:00+00:00"}}
        artifact = ModelArtifact(path=Path(source), step=1)
        tracker.log(artifact, name="model", lineage=Lineage(provenance=imported))
    log_model(tracker, name="model")
    assert told(compare_histories(tracker, "model:v1", "model:v2")) == []
    assert told(compare_histories(tracker, "model:v2", "model:v3")) == [
        ("data", "imported from", "/a", "/b")
    ]
    assert told(compare_histories(tracker, "model:v3", "model:v4")) == [
        ("recipe", "origin", "imported from /b", "nano3/sft")
    ]


def test_another_recipe_is_one_difference(tracker: ManifestTracker) -> None:
    data = log_data(tracker)
    log_model(tracker, data)
    log_model(tracker, data, runspec="nano3/rl", config={"kl": 0.1})
    assert told(compare_histories(tracker, "sft-model:v1", "sft-model:v2")) == [
        ("recipe", "runspec", "nano3/sft", "nano3/rl")
    ]


def test_what_cannot_be_told_is_noted(tracker: ManifestTracker) -> None:
    log_data(tracker, raw={"/raw": ""}, git_dirty=True)
    log_data(tracker, raw={"/raw": ""}, git_dirty=True)
    log_data(tracker, raw={"/raw": ""}, git_commit=None)
    notes = compare_histories(tracker, "sft-data:v1", "sft-data:v2").notes
    assert notes == [
        "The revision of /raw is not recorded on both sides.",
        "sft-data:v1 and sft-data:v2 were made with uncommitted changes, which are not recorded.",
    ]
    notes = compare_histories(tracker, "sft-data:v1", "sft-data:v3").notes
    assert "No commit is recorded of sft-data:v3." in notes


def test_an_input_without_a_record_is_a_data_version(tracker: ManifestTracker) -> None:
    data = log_data(tracker)
    log_model(tracker, data)
    log_model(tracker, "sft-data:v7")
    found = compare_histories(tracker, "sft-model:v1", "sft-model:v2")
    assert told(found) == [("data", "sft-data", "sft-data:v1", "sft-data:v7")]
    assert "has no version v7" in (found.differences[0].remark or "")
    assert "sft-data:v7 cannot be looked into" in found.notes[0]


def test_circles_and_long_histories_end(tracker: ManifestTracker, tmp_path: Path) -> None:
    for number in range(1, 3):
        log_model(tracker, f"other:v{number}")
        log_model(tracker, f"sft-model:v{number}", name="other")
    found = compare_histories(tracker, "sft-model:v1", "sft-model:v2")
    assert not found.differences

    used: list[list[str]] = [[], []]
    memory = ManifestTracker("memory://why-long")
    for step in range(1_500):
        for side, name in enumerate(("a", "b")):
            made = provenance("nano3/sft", {"seed": side} if step == 0 else {})
            lineage = Lineage(used_artifacts=used[side], provenance=made)
            artifact = ModelArtifact(path=Path("/ckpt"), step=step)
            used[side] = [memory.log(artifact, name=name, lineage=lineage).ref]
    assert told(compare_histories(memory, "a", "b")) == [("config", "seed", 0, 1)]


def test_both_must_be_there(tracker: ManifestTracker) -> None:
    log_data(tracker)
    with pytest.raises(ArtifactNotFoundError, match="No artifact is named 'absent'"):
        compare_histories(tracker, "sft-data", "absent")


def test_the_comparison_as_json(tracker: ManifestTracker) -> None:
    for making in ({}, changed("code", "data")):
        log_data(tracker, **making)
    document = json.loads(
        json.dumps(compare_histories(tracker, "sft-data:v1", "sft-data:v2").to_dict())
    )
    assert document["categories"] == ["data", "code"]
    assert document["differences"][0] == {
        "category": "data",
        "key": "/raw/chat.jsonl",
        "left": "sha256:1",
        "right": "sha256:2",
        "left_artifact": "sft-data:v1",
        "right_artifact": "sft-data:v2",
        "remark": None,
    }


@pytest.mark.parametrize(
    ("left", "right", "key"),
    [
        ({"name": "a"}, {"name": "b", "revision": "c1"}, "tokenizer.name"),
        ("a", {"name": "a"}, "tokenizer"),
        (None, "b", "tokenizer"),
    ],
)
def test_a_tokenizer_can_be_described_in_any_form(
    tracker: ManifestTracker, left: Any, right: Any, key: str
) -> None:
    for tokenizer in (left, right):
        artifact = Artifact(path=Path("/data"), metadata={"tokenizer": tokenizer})
        tracker.log(artifact, name="data", lineage=Lineage())
    (only,) = compare_histories(tracker, "data:v1", "data:v2").differences
    assert (only.category, only.key) == ("tokenizer", key)


def test_an_import_of_changed_content_is_another_data_version(
    tracker: ManifestTracker, tmp_path: Path
) -> None:
    folder = tmp_path / "ckpt"
    folder.mkdir()
    imported = {"imported": {"from": str(folder), "at": "2026-01-01T00:00:00+00:00"}}
    for size in (1, 2):
        (folder / "weights").write_bytes(b"x" * size)
        artifact = ModelArtifact(path=folder, step=1)
        tracker.log(artifact, name="base", lineage=Lineage(provenance=imported))
        log_model(tracker, f"base:v{size}")
    found = compare_histories(tracker, "sft-model:v1", "sft-model:v2")
    assert told(found) == [("data", "size_bytes", 1, 2)]
    assert found.differences[0].remark == f"both imported from {folder}"


def log_files(
    tracker: ManifestTracker, folder: Path, text: str, kind: type[Artifact] = SFTDataArtifact
) -> str:
    """What was made in one way, whatever came of it."""
    folder.mkdir(exist_ok=True)
    (folder / "shard.txt").write_text(text)
    fields: dict[str, Any] = {"step": 1} if kind is ModelArtifact else {"pack_size": 8}
    artifact = kind(path=folder, **fields)
    made = Lineage(provenance=provenance("nano3/data/prep/sft", {"pack_size": 8}))
    return tracker.log(artifact, name=kind.__name__, lineage=made).ref


def test_other_content_is_named_where_nothing_says_why(
    tracker: ManifestTracker, tmp_path: Path
) -> None:
    data = [log_files(tracker, tmp_path / "data", text) for text in ("one", "two", "two")]
    for ref in data:
        log_model(tracker, ref)
    contents = [tracker.find(ref).content for ref in data]
    digests = [content.digest for content in contents if content]
    found = compare_histories(tracker, "sft-model:v1", "sft-model:v2")
    assert told(found) == [("data", "content", digests[0], digests[1])]
    assert found.differences[0].at == (data[0], data[1])
    assert not compare_histories(tracker, data[1], data[2]).differences
    weights = [log_files(tracker, tmp_path / "m", text, ModelArtifact) for text in ("one", "two")]
    assert not compare_histories(tracker, *weights).differences


def test_content_is_no_cause_where_something_else_is(
    tracker: ManifestTracker, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for size in (8, 16):
        (folder / "shard.txt").write_text(str(size))
        made = Lineage(provenance=provenance("nano3/data/prep/sft", {"pack_size": size}))
        artifact = SFTDataArtifact(path=folder, pack_size=size, total_tokens=1)
        tracker.log(artifact, name="data", lineage=made)
    found = compare_histories(tracker, "data:v1", "data:v2")
    assert told(found) == [("config", "pack_size", 8, 16)]


def test_an_import_of_rewritten_files_is_another_data_version(
    tracker: ManifestTracker, tmp_path: Path
) -> None:
    imported = Lineage(provenance={"imported": {"from": "/a", "at": "2026-01-01T00:00:00+00:00"}})
    folder = tmp_path / "model"
    folder.mkdir()
    for modified in (1, 2):
        (folder / "weights").write_text("same size")
        os.utime(folder / "weights", (modified, modified))
        tracker.log(ModelArtifact(path=folder, step=1), name="m", lineage=imported)
        manifest = tmp_path / "artifacts" / "m" / f"v{modified}" / "manifest.json"
        document = json.loads(manifest.read_text())
        document["content"]["digest"] = None
        manifest.write_text(json.dumps(document))
    found = compare_histories(tracker, "m:v1", "m:v2")
    assert [(each.category, each.key) for each in found.differences] == [("data", "listing")]


def test_a_tokenizer_that_does_not_follow_from_the_data_is_named(tracker: ManifestTracker) -> None:
    for in_data, in_training in (("gpt2", "gpt2"), ("llama", "mistral"), ("llama", "/m/llama")):
        data = log_data(tracker, tokenizer=in_data)
        log_model(tracker, data, config={"tokenizer": in_training})
    assert told(compare_histories(tracker, "sft-model:v1", "sft-model:v2")) == [
        ("tokenizer", "tokenizer", "gpt2", "llama"),
        ("tokenizer", "tokenizer", "gpt2", "mistral"),
    ]
    assert told(compare_histories(tracker, "sft-model:v1", "sft-model:v3")) == [
        ("tokenizer", "tokenizer", "gpt2", "llama")
    ]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ({}, {"extra": None}, [("config", "extra", None, None)]),
        ({"extra": None}, {}, [("config", "extra", None, None)]),
        ({"flag": 1}, {"flag": True}, [("config", "flag", 1, True)]),
        ({"flag": [0]}, {"flag": [False]}, [("config", "flag.0", 0, False)]),
        ({"rate": 1}, {"rate": 1.0}, []),
    ],
)
def test_nulls_and_booleans_are_values_of_their_own(
    tracker: ManifestTracker, left: dict[str, Any], right: dict[str, Any], expected: list[Any]
) -> None:
    data = log_data(tracker)
    for config in (left, right):
        log_model(tracker, data, config=config)
    assert told(compare_histories(tracker, "sft-model:v1", "sft-model:v2")) == expected
