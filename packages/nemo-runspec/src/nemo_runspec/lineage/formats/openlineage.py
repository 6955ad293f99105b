"""A lineage as OpenLineage run events, for catalogues such as Marquez or DataHub.

Every version is the output of one completed run of its own, whose id follows from the version and
its claim id, so that sending an event twice changes nothing. Artifacts are datasets in the
namespace of their store; raw inputs are named as OpenLineage names files and buckets.

The schema is OpenLineage 2-0-2, https://openlineage.io/spec/2-0-2/OpenLineage.json.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nemo_runspec.artifacts.paths import local_path
from nemo_runspec.lineage.graph import LineageGraph
from nemo_runspec.lineage.reading import read_manifests
from nemo_runspec.lineage.records import RawInput, VersionRecord, imported_from
from nemo_runspec.manifest_tracker import Manifest, ManifestTracker
from nemo_runspec.printable import printable

_SPEC = "https://openlineage.io/spec"
_EVENT = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = {
    "version": "1-0-1/DatasetVersionDatasetFacet",
    "dataSource": "1-0-1/DatasourceDatasetFacet",
    "datasetType": "1-0-1/DatasetTypeDatasetFacet",
    "outputStatistics": "1-0-2/OutputStatisticsOutputDatasetFacet",
    "jobType": "2-0-4/JobTypeJobFacet",
    "processing_engine": "1-1-1/ProcessingEngineRunFacet",
    "tags": "1-0-0/TagsRunFacet",
}
_NAMESPACE = "nemotron"
_TAGS = ("git_commit", "git_dirty", "config_digest", "config", "image")
_SAFE_IN_URI = "/:?#[]@!$&'()*+,;=%~"


def openlineage(tracker: ManifestTracker, graph: LineageGraph) -> str:
    """Write the run that made each version of a graph, one JSON document a line.

    Args:
        tracker: The store: configuration digests, commits and sizes are read there.
        graph: The graph.
    """
    events = _events(tracker, graph)
    return "".join(f"{json.dumps(event)}\n" for event in events)


def _events(tracker: ManifestTracker, graph: LineageGraph) -> Iterator[dict[str, Any]]:
    known = {node.ref for node in graph.artifacts if node.record is not None}
    readings = read_manifests(tracker, (ref for ref in graph.in_order() if ref in known))
    store = _Names(tracker.root)
    for reading in readings.values():
        if reading.manifest is not None:
            yield _event(reading.manifest, store)


def _time(manifest: Manifest) -> datetime:
    created = manifest.created_at
    return created if created.tzinfo else created.replace(tzinfo=UTC)


class _Names:
    """What the datasets of a store are called."""

    def __init__(self, root: str) -> None:
        local = local_path(root)
        self.namespace = _text(root if local is None else f"file://{local}")

    def artifact(self, ref: str) -> dict[str, Any]:
        """An artifact as a dataset."""
        name, _, version = ref.rpartition(":")
        return self.dataset(
            self.namespace, name or version, {"version": {"datasetVersion": version}}
        )

    def raw(self, source: RawInput) -> dict[str, Any]:
        """Raw data as a dataset."""
        namespace, name = _place(source.uri)
        version = {"version": {"datasetVersion": source.revision}} if source.revision else {}
        return self.dataset(namespace, name, version)

    def dataset(self, namespace: str, name: str, facets: Mapping[str, Any]) -> dict[str, Any]:
        """A dataset with facets."""
        return {"namespace": namespace, "name": _text(name), "facets": _facets(facets)}


def _event(manifest: Manifest, store: _Names) -> dict[str, Any]:
    record = VersionRecord.of(manifest)
    inputs = [*map(store.artifact, record.used), *map(store.raw, record.raw_inputs)]
    return {
        "eventType": "COMPLETE",
        "eventTime": _time(manifest).isoformat(),
        "producer": _producer(),
        "schemaURL": _EVENT,
        "run": {"runId": str(_run_id(manifest, store.namespace)), "facets": _run_facets(manifest)},
        "job": _job(manifest),
        "inputs": inputs,
        "outputs": [_output(manifest, store)],
    }


def _run_id(manifest: Manifest, namespace: str) -> uuid.UUID:
    """The same for every account of the same version, another for any other."""
    name = f"{namespace}/{manifest.ref}#{manifest.claim_id or ''}"
    return uuid.uuid5(uuid.NAMESPACE_URL, name)


def _job(manifest: Manifest) -> dict[str, Any]:
    source = imported_from(manifest.provenance)
    recipe = manifest.provenance.get("runspec")
    name = f"import/{manifest.name}" if source else str(recipe or manifest.name)
    kind = {"processingType": "BATCH", "integration": "NEMOTRON"}
    return {"namespace": _NAMESPACE, "name": _text(name), "facets": _facets({"jobType": kind})}


def _run_facets(manifest: Manifest) -> dict[str, Any]:
    known = {key: manifest.provenance.get(key) for key in _TAGS} | {"producer": manifest.producer}
    tags = [
        {"key": key, "value": _text(_tag(value)), "source": "NEMOTRON"}
        for key, value in known.items()
        if value is not None
    ]
    facets: dict[str, Any] = {"tags": {"tags": tags}} if tags else {}
    packages = manifest.provenance.get("packages")
    version = packages.get("nemo-runspec") if isinstance(packages, Mapping) else None
    if version:
        facets["processing_engine"] = {"name": "nemo-runspec", "version": str(version)}
    return _facets(facets)


def _tag(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _output(manifest: Manifest, store: _Names) -> dict[str, Any]:
    dataset = store.dataset(
        store.namespace,
        manifest.name,
        {
            "version": {"datasetVersion": f"v{manifest.version}"},
            "dataSource": {"name": _text(manifest.path), "uri": _uri(manifest.path)},
            "datasetType": {"datasetType": manifest.kind.upper(), "subType": manifest.type},
        },
    )
    content = manifest.content
    if content is not None:
        sizes = {"size": content.bytes, "fileCount": content.files}
        dataset["outputFacets"] = _facets({"outputStatistics": sizes})
    return dataset


def _facets(values: Mapping[str, Any]) -> dict[str, Any]:
    producer = _producer()
    return {
        key: {"_producer": producer, "_schemaURL": _schema_url(key), **value}
        for key, value in values.items()
    }


def _schema_url(facet: str) -> str:
    schema = _FACETS[facet]
    return f"{_SPEC}/facets/{schema}.json#/$defs/{schema.partition('/')[2]}"


def _producer() -> str:
    return f"https://pypi.org/project/nemo-runspec/{metadata.version('nemo-runspec')}"


def _place(uri: str) -> tuple[str, str]:
    """Namespace and name: ``file`` and the path, or scheme and bucket, and the rest."""
    local = local_path(uri)
    if local is not None:
        return "file", str(local)
    scheme, _, rest = uri.partition("://")
    authority, _, key = rest.partition("/")
    return _text(f"{scheme}://{authority}"), key or "/"


def _uri(path: str) -> str:
    local = local_path(path)
    if local is None:
        return quote(path.encode(errors="surrogatepass"), safe=_SAFE_IN_URI)
    return Path("/", local).as_uri()


def _text(text: str) -> str:
    return printable(text)
