"""What every tracking backend must do, as a test class to inherit.

A backend's own test file is a subclass that says how to open the backend::

    class TestMyTracker(TrackerConformance):
        @pytest.fixture
        def tracker(self) -> Tracker:
            return MyTracker(...)

Capability flags say where a backend differs by its nature. Needs pytest.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest

from nemo_runspec.artifacts.base import Artifact
from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.artifacts.tracker import Lineage, Tracker
from nemo_runspec.artifacts.types import ModelArtifact, SFTDataArtifact
from nemo_runspec.errors import ArtifactNotFoundError, InvalidReferenceError

_WRITERS = 8
_VERSIONS_EACH = 5


class TrackerConformance:
    """The behaviour that all backends share.

    Attributes:
        first_version: The number of a name's first version.
        merges_equal_content: Whether logging the same content again gives the same version.
        server_assigns_versions: Whether a server of others gives the numbers, so that racing
            writers may leave some out.
    """

    first_version: ClassVar[int] = 1
    merges_equal_content: ClassVar[bool] = False
    server_assigns_versions: ClassVar[bool] = False

    @pytest.fixture
    def tracker(self) -> Tracker:
        """The backend under test, empty."""
        raise NotImplementedError("a subclass provides this fixture")

    def another(self, tracker: Tracker) -> Tracker:
        """Another client of the same store, as another process would open it.

        Override it where clients keep anything: what one writes, the others must see.
        """
        return tracker

    def log(self, tracker: Tracker, step: int, name: str = "nano3-sft-model") -> str:
        """Log a model and return its pinned reference."""
        artifact = ModelArtifact(path=Path("/checkpoints/run"), step=step)
        return tracker.log(artifact, name=name, lineage=Lineage()).ref

    def test_the_first_version_has_the_first_number(self, tracker: Tracker) -> None:
        assert self.log(tracker, 1) == f"nano3-sft-model:v{self.first_version}"

    def test_versions_count_up_by_one(self, tracker: Tracker) -> None:
        refs = [self.log(tracker, step) for step in range(3)]
        assert refs == [f"nano3-sft-model:v{self.first_version + n}" for n in range(3)]

    def test_names_count_apart(self, tracker: Tracker) -> None:
        self.log(tracker, 1)
        assert self.log(tracker, 1, "other") == f"other:v{self.first_version}"

    def test_equal_content(self, tracker: Tracker) -> None:
        same = self.log(tracker, 1) == self.log(tracker, 1)
        assert same is self.merges_equal_content

    def test_latest_is_the_last_version(self, tracker: Tracker) -> None:
        for step in (10, 20, 30):
            self.log(tracker, step)
        assert tracker.resolve(ArtifactReference.parse("nano3-sft-model")).value("step") == 30

    def test_an_older_version_stays_what_it_was(self, tracker: Tracker) -> None:
        first = self.log(tracker, 10)
        self.log(tracker, 20)
        assert tracker.resolve(ArtifactReference.parse(first)).value("iteration") == 10

    @pytest.mark.parametrize("scheme", ["", "art://"])
    @pytest.mark.parametrize("prefix", [":v", ":"])
    def test_every_spelling_of_a_version(self, tracker: Tracker, scheme: str, prefix: str) -> None:
        for step in (10, 20):
            self.log(tracker, step)
        text = f"{scheme}nano3-sft-model{prefix}{self.first_version}"
        assert tracker.resolve(ArtifactReference.parse(text)).value("step") == 10

    @pytest.mark.parametrize("text", ["nano3-sft-model", "nano3-sft-model:latest"])
    def test_what_was_found_names_its_version_and_its_record(
        self, tracker: Tracker, text: str
    ) -> None:
        self.log(tracker, 10)
        ref = self.log(tracker, 20)
        resolved = tracker.resolve(ArtifactReference.parse(text))
        assert resolved.ref == ref
        assert resolved.value("version") == f"v{self.first_version + 1}"
        assert resolved.value("name") == "nano3-sft-model"
        assert resolved.kind == resolved.value("type") == "model"
        assert resolved.where

    def test_a_reader_that_looked_before_sees_what_others_wrote_since(
        self, tracker: Tracker
    ) -> None:
        self.log(tracker, 10)
        reader = self.another(tracker)
        reference = ArtifactReference.parse("nano3-sft-model")
        assert reader.resolve(reference).value("step") == 10
        for step in (20, 30):
            self.log(tracker, step)
        assert reader.resolve(reference).value("step") == 30
        assert self.log(reader, 40) == f"nano3-sft-model:v{self.first_version + 3}"
        assert tracker.resolve(reference).value("step") == 40

    def test_typed_fields_and_metadata_come_back(self, tracker: Tracker) -> None:
        artifact = SFTDataArtifact(
            path=Path("/data/sft"), pack_size=4096, metadata={"note": "ünïcode", "ratio": 0.5}
        )
        tracker.log(artifact, name="nano3-sft-data", lineage=Lineage())
        resolved = tracker.resolve(ArtifactReference.parse("nano3-sft-data"))
        assert resolved.value("pack_size") == 4096
        assert resolved.value("note") == "ünïcode"
        assert resolved.value("ratio") == 0.5
        assert resolved.value("type") == "dataset"
        assert resolved.path == "/data/sft"

    def test_what_it_was_made_from_is_taken_by_every_spelling_of_an_owner(
        self, tracker: Tracker
    ) -> None:
        first = self.log(tracker, 10)
        made_from = Lineage(
            inputs=["hf://datasets/org/name"],
            input_revisions={"hf://datasets/org/name": "abc"},
            used_artifacts=[first, "another-team/their-project/data:v3"],
        )
        artifact = ModelArtifact(path=Path("/checkpoints/run"), step=20)
        ref = tracker.log(artifact, name="nano3-rl-model", lineage=made_from).ref
        assert tracker.resolve(ArtifactReference.parse(ref)).value("step") == 20

    def test_a_uri_is_kept_to_the_letter(self, tracker: Tracker) -> None:
        artifact = Artifact.model_validate({"path": "s3://bucket//odd/./key"})
        tracker.log(artifact, name="remote", lineage=Lineage())
        found = tracker.resolve(ArtifactReference.parse("remote"))
        assert found.path == "s3://bucket//odd/./key"

    def test_an_unknown_name(self, tracker: Tracker) -> None:
        self.log(tracker, 1)
        with pytest.raises(ArtifactNotFoundError, match="nano3-sft-modle"):
            tracker.resolve(ArtifactReference.parse("nano3-sft-modle"))

    def test_an_unknown_version(self, tracker: Tracker) -> None:
        self.log(tracker, 1)
        with pytest.raises(ArtifactNotFoundError, match="v77"):
            tracker.resolve(ArtifactReference.parse("nano3-sft-model:v77"))

    def test_an_unknown_alias(self, tracker: Tracker) -> None:
        self.log(tracker, 1)
        with pytest.raises(ArtifactNotFoundError, match="production"):
            tracker.resolve(ArtifactReference.parse("nano3-sft-model:production"))

    @pytest.mark.parametrize("name", ["", "latest", "v3", "7", "../up", "a b", "-x", "a/b", "a:b"])
    def test_a_name_that_is_none(self, tracker: Tracker, name: str) -> None:
        with pytest.raises(InvalidReferenceError, match="is no artifact name"):
            self.log(tracker, 1, name)

    def test_racing_writers_get_distinct_versions(self, tracker: Tracker) -> None:
        barrier = threading.Barrier(_WRITERS)
        clients = [self.another(tracker) for _ in range(_WRITERS)]

        def write(writer: int) -> list[str]:
            barrier.wait()
            return [self.log(clients[writer], writer * 100 + n) for n in range(_VERSIONS_EACH)]

        with ThreadPoolExecutor(_WRITERS) as pool:
            written = list(pool.map(write, range(_WRITERS)))
        refs = [ref for own in written for ref in own]
        assert len(set(refs)) == len(refs)
        if not self.server_assigns_versions:
            total = _WRITERS * _VERSIONS_EACH
            expected = {f"nano3-sft-model:v{self.first_version + n}" for n in range(total)}
            assert set(refs) == expected
        for writer, own in enumerate(written):
            for n, ref in enumerate(own):
                resolved = tracker.resolve(ArtifactReference.parse(ref))
                assert resolved.value("step") == writer * 100 + n
