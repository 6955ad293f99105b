"""Stores that take a second create-only write for the first are refused, but for one writer."""

from __future__ import annotations

import json
import logging
import re

import pytest
from logging_models import NAME, log
from proxy import Proxy, answer

from nemo_runspec.errors import StoreError
from nemo_runspec.manifest_tracker import ManifestTracker


def test_the_store_is_refused(careless_root: str) -> None:
    expected = (
        rf"^{re.escape(careless_root)}: This storage accepts no create-only writes, or takes a "
        r"second one.*one would be lost\..*artifacts\.manifest\.single_writer=true\.$"
    )
    for _ in range(2):
        with pytest.raises(StoreError, match=expected):
            log(ManifestTracker(careless_root))
    assert ManifestTracker(careless_root).names() == []


def test_what_was_found_is_kept(careless_root: str) -> None:
    files = ManifestTracker(careless_root).files
    with pytest.raises(StoreError, match="takes a second one"):
        log(ManifestTracker(careless_root))
    record = json.loads(files.read(".nemotron/store.json") or b"")
    assert record == {"format_version": 1, "publish": "conditional write", "create_only": False}


def test_a_single_writer_is_warned_once_and_served(
    careless_root: str, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = ManifestTracker(careless_root, single_writer=True)
    with caplog.at_level(logging.WARNING):
        refs = [log(tracker, step) for step in range(3)]
    assert refs == [f"{NAME}:v{number}" for number in (1, 2, 3)]
    (warning,) = caplog.messages
    assert warning.startswith(careless_root)
    assert "one of the two versions is overwritten and lost" in warning
    assert tracker.resolve(f"{NAME}:v2").value("step") == 1
    assert ManifestTracker(careless_root).resolve(NAME).version == 3


def test_a_single_writer_that_resumes_overwrites_nothing(careless_root: str) -> None:
    first = ManifestTracker(careless_root, single_writer=True)
    for step in (1, 2):
        log(first, step)
    first.files.replace(f"{NAME}/latest", b"v1")
    assert log(ManifestTracker(careless_root, single_writer=True), 3) == f"{NAME}:v3"
    assert first.resolve(f"{NAME}:v2").value("step") == 2


def test_a_store_that_knows_no_conditions_is_careless_too(moto: str, moto_proxy: Proxy) -> None:
    unknown = answer(501, "NotImplemented")
    moto_proxy.spoil(lambda request: "/probe-" in request.path, unknown)
    with pytest.raises(StoreError, match="accepts no create-only writes, or takes a second one"):
        log(ManifestTracker(moto))
    assert log(ManifestTracker(moto, single_writer=True)) == f"{NAME}:v1"


def test_a_single_writer_of_a_sound_store_needs_no_warning(
    root: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert log(ManifestTracker(root, single_writer=True)) == f"{NAME}:v1"
    assert not caplog.messages


@pytest.mark.parametrize("options", [{}, {"single_writer": True}])
def test_examining_a_careless_store(careless_root: str, options: dict[str, bool]) -> None:
    report = ManifestTracker(careless_root, **options).files.examine()
    assert (report.publishing, report.create_only) == ("conditional write", False)
    assert report.leftovers == []


def test_examining_a_sound_store(root: str) -> None:
    tracker = ManifestTracker(root)
    log(tracker)
    tracker.files.replace(".nemotron/probe-of-one-who-died", b"")
    report = ManifestTracker(root).files.examine()
    assert (report.publishing, report.create_only) == ("conditional write", True)
    assert report.leftovers == [f"{root}/.nemotron/probe-of-one-who-died"]


def test_examining_corrects_the_record(root: str) -> None:
    files = ManifestTracker(root).files
    record = {"format_version": 1, "publish": "conditional write", "create_only": False}
    files.replace(".nemotron/store.json", json.dumps(record).encode())
    with pytest.raises(StoreError, match="takes a second one"):
        log(ManifestTracker(root))
    assert files.examine().create_only
    assert log(ManifestTracker(root)) == f"{NAME}:v1"
