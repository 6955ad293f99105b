"""How many requests S3 sees, whatever the number of versions; the probe's are not counted."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from logging_models import NAME, log
from proxy import Proxy

from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.manifest_tracker.versions import manifest_path

LATEST = ArtifactReference(NAME)


def requests(proxy: Proxy, action: Callable[[], object]) -> list[str]:
    before = len(proxy.counted)
    action()
    return [f"{request.method} {request.path}" for request, _ in proxy.counted[before:]]


@pytest.mark.parametrize("versions", [1, 1_000])
def test_requests_to_log_and_to_resolve(
    seaweedfs: str, seaweedfs_proxy: Proxy, versions: int
) -> None:
    log(ManifestTracker(seaweedfs))
    document = ManifestTracker(seaweedfs).read_document(NAME, 1)
    files = ManifestTracker(seaweedfs).files
    manifest = json.dumps(document | {"version": versions}).encode()
    files.replace(manifest_path(NAME, versions), manifest)
    files.replace(f"{NAME}/latest", f"v{versions}".encode())
    writer, reader = ManifestTracker(seaweedfs), ManifestTracker(seaweedfs)
    logged = requests(seaweedfs_proxy, lambda: log(writer))
    assert len(logged) <= 4, logged
    found = requests(seaweedfs_proxy, lambda: reader.find_version(LATEST))
    assert len(found) <= 2, found
    resolved = requests(seaweedfs_proxy, lambda: reader.resolve(LATEST))
    assert len(resolved) <= 3, resolved
    pinned = requests(seaweedfs_proxy, lambda: reader.resolve(f"{NAME}:v{versions + 1}"))
    assert len(pinned) <= 2, pinned
    assert reader.resolve(LATEST).version == versions + 1


def test_a_later_process_reads_one_object_instead_of_probing(
    seaweedfs: str, seaweedfs_proxy: Proxy
) -> None:
    log(ManifestTracker(seaweedfs))
    before = len(seaweedfs_proxy.replies)
    log(ManifestTracker(seaweedfs))
    control = [request for request, _ in seaweedfs_proxy.replies[before:] if request.is_control]
    assert [(request.method, request.path.rpartition("/")[2]) for request in control] == [
        ("GET", "store.json")
    ]
