"""Whatever befalls a request, no version is lost, doubled or half; errors name the store."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable

import pytest
from logging_models import NAME, log
from proxy import (
    Fault,
    Proxy,
    Request,
    answer,
    cut_reply,
    keep_waiting,
    lose_reply,
    lose_request,
)

from nemo_runspec.errors import StoreError
from nemo_runspec.manifest_tracker import ManifestTracker

pytestmark = pytest.mark.usefixtures("hurried")

FAULTS = {
    "reset": lose_request,
    "lost-reply": lose_reply,
    "cut-reply": cut_reply,
    "slow": keep_waiting,
    "503": answer(503, "SlowDown"),
    "429": answer(429, "TooManyRequests"),
    "500": answer(500, "InternalError"),
    "409": answer(409, "ConditionalRequestConflict"),
}
each_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
QUICK = {name: fault for name, fault in FAULTS.items() if name != "slow"}
each_quick_fault = pytest.mark.parametrize("fault", QUICK.values(), ids=QUICK)


def is_claim(request: Request) -> bool:
    return request.is_claim


def is_manifest_read(request: Request) -> bool:
    return request.method == "GET" and request.path.endswith("/manifest.json")


def is_anything(_request: Request) -> bool:
    return True


def is_companion(request: Request) -> bool:
    return request.method == "PUT" and not request.is_claim


def assert_versions(root: str, expected: int) -> None:
    """Exactly these versions are there, whole, and the name resolves to the last."""
    tracker = ManifestTracker(root)
    assert tracker.versions(NAME) == list(range(1, expected + 1))
    claims = [tracker.read(NAME, version).claim_id for version in tracker.versions(NAME)]
    assert len(set(claims)) == expected
    assert tracker.resolve(NAME).version == expected


@each_fault
@pytest.mark.parametrize("times", [1, 2])
def test_a_claim_survives_a_fault(moto: str, moto_proxy: Proxy, fault: Fault, times: int) -> None:
    tracker = ManifestTracker(moto)
    log(tracker)
    moto_proxy.spoil(is_claim, fault, times)
    assert log(tracker) == f"{NAME}:v2"
    assert log(tracker) == f"{NAME}:v3"
    assert_versions(moto, 3)


@each_quick_fault
def test_every_other_request_survives_a_fault(moto: str, moto_proxy: Proxy, fault: Fault) -> None:
    spoiled: set[Request] = set()

    def first_time(request: Request) -> bool:
        new = request not in spoiled
        spoiled.add(request)
        return new

    tracker = ManifestTracker(moto)
    moto_proxy.spoil(first_time, fault)
    assert log(tracker) == f"{NAME}:v1"
    tracker.set_alias(NAME, 1, "production")
    assert tracker.resolve(f"{NAME}:production").version == 1
    assert tracker.names() == [NAME]
    assert len(spoiled) > 6
    moto_proxy.heal()
    assert_versions(moto, 1)


def test_a_read_survives_a_silence(moto: str, moto_proxy: Proxy) -> None:
    tracker = ManifestTracker(moto)
    log(tracker)
    moto_proxy.spoil(is_manifest_read, keep_waiting, 1)
    assert tracker.resolve(NAME).version == 1


def test_replies_to_every_claim_are_lost(moto: str, moto_proxy: Proxy) -> None:
    moto_proxy.spoil(is_claim, lose_reply)
    tracker = ManifestTracker(moto)
    assert [log(tracker) for _ in range(3)] == [f"{NAME}:v{number}" for number in (1, 2, 3)]
    assert_versions(moto, 3)


def test_a_store_that_goes_silent_after_a_claim(moto: str, moto_proxy: Proxy) -> None:
    tracker = ManifestTracker(moto)
    log(tracker)
    moto_proxy.spoil(is_claim, lose_reply, 1)
    moto_proxy.spoil(is_claim, lose_request)
    moto_proxy.spoil(is_manifest_read, lose_request)
    doubt = rf"{re.escape(moto)}/{NAME}/v2/manifest.json: .*{NAME}:v2 may have been recorded"
    with pytest.raises(StoreError, match=doubt) as caught:
        log(tracker)
    moto_proxy.heal()
    assert_versions(moto, 2)
    manifest = json.loads(tracker.files.read(f"{NAME}/v2/manifest.json") or b"")
    assert f"claim_id {manifest['claim_id']}" in str(caught.value)
    assert log(tracker) == f"{NAME}:v3"


@each_fault
def test_a_store_that_does_not_recover(moto: str, moto_proxy: Proxy, fault: Fault) -> None:
    tracker = ManifestTracker(moto)
    log(tracker)
    moto_proxy.spoil(is_anything, fault)
    for action in (lambda: log(tracker), lambda: tracker.resolve(NAME), tracker.names):
        with pytest.raises(StoreError, match=re.escape(moto)) as caught:
            action()
        assert caught.value.hint
    moto_proxy.heal()
    assert_versions(moto, 1)


@pytest.mark.parametrize("name", ["reset", "503", "429", "500"])
def test_a_version_stands_without_its_companions(
    moto: str, moto_proxy: Proxy, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = ManifestTracker(moto)
    log(tracker)
    moto_proxy.spoil(is_companion, FAULTS[name])
    with caplog.at_level(logging.WARNING):
        assert log(tracker) == f"{NAME}:v2"
    assert "The version is recorded, but its" in caplog.text
    moto_proxy.heal()
    assert tracker.files.read(f"{NAME}/latest") == b"v1"
    assert_versions(moto, 2)


@pytest.mark.parametrize("store", ["seaweedfs", "gcs"])
def test_a_refused_connection(
    store: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = request.getfixturevalue(store)
    for variable in ("AWS_ENDPOINT_URL_S3", "STORAGE_EMULATOR_HOST"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    expected = rf"{re.escape(root)}/{NAME}/latest: No connection to 127.0.0.1:9 could be made\."
    actions: list[Callable[[ManifestTracker], object]] = [log, lambda t: t.resolve(NAME)]
    for action in actions:
        with pytest.raises(StoreError, match=expected):
            action(ManifestTracker(root))


@each_fault
def test_google_survives_a_fault(gcs: str, gcs_proxy: Proxy, fault: Fault) -> None:
    tracker = ManifestTracker(gcs)
    log(tracker)
    for expected in (2, 3):
        gcs_proxy.spoil(lambda request: request.method == "POST", fault, 1)
        assert log(tracker) == f"{NAME}:v{expected}"
        gcs_proxy.spoil(lambda request: request.method == "GET", fault, 1)
        assert tracker.resolve(NAME).version == expected
    gcs_proxy.heal()
    assert_versions(gcs, 3)


@each_fault
def test_a_google_storage_that_does_not_recover(gcs: str, gcs_proxy: Proxy, fault: Fault) -> None:
    tracker = ManifestTracker(gcs)
    log(tracker)
    gcs_proxy.spoil(is_anything, fault)
    for action in (lambda: log(tracker), lambda: tracker.resolve(NAME)):
        with pytest.raises(StoreError, match=re.escape(gcs)) as caught:
            action()
        assert caught.value.hint
    gcs_proxy.heal()
    assert_versions(gcs, 1)
