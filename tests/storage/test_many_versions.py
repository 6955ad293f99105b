"""Thousands of versions: a hint that lags behind all of them, and listings of many pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from http.client import HTTPConnection
from urllib.parse import quote, urlencode, urlsplit

from logging_models import NAME, log
from proxy import Proxy

from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.manifest_tracker.versions import manifest_path

Upload = Callable[[str, str], tuple[str, str]]


def to_s3(bucket: str, key: str) -> tuple[str, str]:
    return "PUT", f"/{bucket}/{quote(key)}"


def to_gcs(bucket: str, key: str) -> tuple[str, str]:
    query = urlencode({"uploadType": "media", "name": key})
    return "POST", f"/upload/storage/v1/b/{bucket}/o?{query}"


def lay_down(server: str, root: str, versions: Iterable[int], upload: Upload) -> None:
    """Write versions as files, without the hint, faster than any client."""
    document = ManifestTracker(root).read_document(NAME, 1)
    bucket, _, prefix = root.partition("://")[2].partition("/")
    target = urlsplit(server)
    connection = HTTPConnection(str(target.hostname), target.port or 80)
    for version in versions:
        method, path = upload(bucket, f"{prefix}/{manifest_path(NAME, version)}")
        connection.request(method, path, json.dumps(document | {"version": version}))
        response = connection.getresponse()
        response.read()
        assert response.status == 200
    connection.close()


def test_a_hint_stale_by_5000(gcs: str, fake_gcs_server: str, gcs_proxy: Proxy) -> None:
    log(ManifestTracker(gcs))
    lay_down(fake_gcs_server, gcs, range(2, 5_002), to_gcs)
    tracker = ManifestTracker(gcs)
    before = len(gcs_proxy.replies)
    assert tracker.resolve(NAME).version == 5_001
    assert len(gcs_proxy.replies) - before <= 32
    assert log(tracker) == f"{NAME}:v5002"
    assert len(gcs_proxy.replies) - before <= 72
    assert tracker.files.read(f"{NAME}/latest") == b"v5002"
    assert tracker.versions(NAME) == list(range(1, 5_003))


def test_a_listing_of_several_pages_on_s3(moto: str, moto_server: str) -> None:
    tracker = ManifestTracker(moto)
    log(tracker)
    lay_down(moto_server, moto, range(2, 1_202), to_s3)
    assert tracker.versions(NAME) == list(range(1, 1_202))
    assert tracker.resolve(NAME).version == 1_201
