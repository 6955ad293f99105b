from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nemo_runspec.artifacts.reference import (
    ArtifactReference,
    check_alias,
    is_explicit_reference,
    looks_like_path,
)
from nemo_runspec.errors import InvalidReferenceError

words = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}", fullmatch=True).filter(
    lambda word: word != "latest" and not word.lstrip("v").isdigit()
)


@pytest.mark.parametrize(
    ("text", "selector", "version"),
    [
        ("nano3-sft-data", "latest", None),
        ("nano3-sft-data:latest", "latest", None),
        ("nano3-sft-data:v3", "v3", 3),
        ("nano3-sft-data:3", "v3", 3),
        ("nano3-sft-data:production", "production", None),
        ("art://nano3-sft-data", "latest", None),
        ("art://nano3-sft-data:v12", "v12", 12),
    ],
)
def test_the_spellings_of_a_reference(text: str, selector: str, version: int | None) -> None:
    reference = ArtifactReference.parse(text)
    assert (reference.name, reference.selector, reference.version, reference.owner) == (
        "nano3-sft-data",
        selector,
        version,
        None,
    )


def test_a_full_wandb_reference_keeps_its_owner() -> None:
    reference = ArtifactReference.parse("my-team/nemotron/nano3-sft-data:v3")
    assert reference.owner == "my-team/nemotron"
    assert str(reference) == "my-team/nemotron/nano3-sft-data:v3"


@pytest.mark.parametrize(
    ("text", "whole", "inside"),
    [
        ("art://data/blend.json", "data:latest", "blend.json"),
        ("art://data:v2/sub/blend.json", "data:v2", "sub/blend.json"),
        ("art://data:production/a b/c:d", "data:production", "a b/c:d"),
        ("art://data/sub/shard-0", "data:latest", "sub/shard-0"),
        ("art://data:v2/sub/x:1", "data:v2", "sub/x:1"),
        ("art://team/project/name:v1", "team/project/name:v1", ""),
        ("art://data/a/b/c:1", "data:latest", "a/b/c:1"),
    ],
)
def test_a_path_may_follow_a_reference_with_a_scheme(text: str, whole: str, inside: str) -> None:
    reference = ArtifactReference.parse(text)
    assert (str(reference.whole), reference.inside) == (whole, inside)
    assert ArtifactReference.parse(str(reference)) == reference
    assert not looks_like_path(text)


def test_a_reference_with_a_path_is_pinned_with_it() -> None:
    reference = ArtifactReference.parse("art://data/sub/blend.json")
    assert str(reference.pinned(7)) == "art://data:v7/sub/blend.json"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no artifact name"),
        ("a b", "is no artifact name"),
        ("../etc", "is no artifact name"),
        ("-flag", "is no artifact name"),
        ("latest", "reads as a version"),
        ("v3", "reads as a version"),
        ("7", "reads as a version"),
        ("name:", "ends after its colon"),
        ("name:a b", "is no version or alias"),
        ("name:v٣", "is no version or alias"),
        ("name:v1:v2", "is no version or alias"),
        ("art:///a/b", "is no artifact name"),
        ("a/b", "is no artifact name"),
        ("name:v1/sub/blend.json", "is no version or alias"),
        ("art://name:v1/../up", r"'\.\./up' is no path inside an artifact.*relative path"),
        ("art://name:v1/a/./b", "is no path inside an artifact"),
        ("art://name:v1//etc/passwd", "is no path inside an artifact"),
        ("art://name:v1/", "is no path inside an artifact"),
        ("art://name:v1/a//b", "is no path inside an artifact"),
        ("art://name:v1/a\\b", "is no path inside an artifact"),
        ("art://name:v1/a\nb", "is no path inside an artifact"),
        ("art://team/project/name:", "ends after its colon"),
        ("x" * 200, "has 200 characters"),
    ],
)
def test_what_is_no_reference(text: str, message: str) -> None:
    with pytest.raises(InvalidReferenceError, match=message):
        ArtifactReference.parse(text)


@pytest.mark.parametrize("alias", ["latest", "v3", "7", "V3", "Latest", "LATEST"])
def test_a_version_is_no_alias(alias: str) -> None:
    with pytest.raises(InvalidReferenceError, match="reads as a version"):
        check_alias(alias)


def test_an_alias_has_the_characters_of_a_name() -> None:
    with pytest.raises(InvalidReferenceError, match="is no alias"):
        check_alias("a/b")


@given(name=words, selector=words | st.integers(0, 10**9).map(lambda n: f"v{n}"))
def test_a_reference_reads_back_as_itself(name: str, selector: str) -> None:
    reference = ArtifactReference(name, selector)
    assert ArtifactReference.parse(str(reference)) == reference
    assert ArtifactReference.parse(f"art://{reference}") == reference


parts = st.text(st.characters(exclude_characters="/\\", exclude_categories=("C",)), min_size=1)


@given(name=words, selector=words, inside=st.lists(parts, min_size=1, max_size=4).map("/".join))
def test_a_reference_with_a_path_reads_back_as_itself(
    name: str, selector: str, inside: str
) -> None:
    assume(not {".", ".."} & set(inside.split("/")))
    reference = ArtifactReference(name, selector, inside=inside)
    assert ArtifactReference.parse(str(reference)) == reference


@given(st.text(max_size=60) | st.text("art:/v1.\\ ", max_size=20).map("art://x".__add__))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    try:
        reference = ArtifactReference.parse(text)
    except InvalidReferenceError:
        return
    assert ArtifactReference.parse(str(reference)) == reference


@pytest.mark.parametrize(
    "path", ["/data/x", "./x", "../x", "~/x", "s3://bucket/x", "a/b", "hf://org/repo", "."]
)
def test_paths_are_told_from_references(path: str) -> None:
    assert looks_like_path(path)
    assert not is_explicit_reference(path)


@pytest.mark.parametrize("reference", ["name", "name:v1", "art://name", "team/project/name:v1"])
def test_references_are_told_from_paths(reference: str) -> None:
    assert not looks_like_path(reference)


def test_a_version_of_absurd_length_is_refused() -> None:
    with pytest.raises(InvalidReferenceError, match=r"has 5000 digits\. Use at most 18"):
        ArtifactReference.parse(f"data:v{'9' * 5000}")
