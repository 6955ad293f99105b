"""What ``nemotron artifacts ls | show | lineage`` print."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.artifacts.settings import environment_settings
from nemo_runspec.lineage import LineageNode, trace_lineage
from nemo_runspec.manifest_tracker import Manifest, ManifestTracker
from nemotron.cli.app import App, OutputMode
from nemotron.cli.panels import Panel, Row, Tree
from nemotron.cli.values import show_count, show_size, show_time, show_value

_EMBEDDED_ROOT = "artifacts"


class Store:
    """The manifest store that one invocation looks at.

    Args:
        app: The invocation.
        root: What ``--root`` says; by default the environment's root, else ``./artifacts``.
    """

    def __init__(self, app: App, root: str | None) -> None:
        self.app = app
        self._root = root

    @cached_property
    def tracker(self) -> ManifestTracker:
        """The tracker of the store; nothing is created."""
        configured = self._root or environment_settings().root
        return ManifestTracker(configured or self.app.cwd / _EMBEDDED_ROOT)

    def find(self, reference: str) -> Manifest:
        """Read the manifest that a reference means.

        Raises:
            ArtifactNotFoundError: There is no such name, version or alias.
            ManifestFormatError: It is damaged or newer than this release.
        """
        wanted = ArtifactReference.parse(reference)
        return self.tracker.read(wanted.name, self.tracker.find_version(wanted))


def list_artifacts(store: Store, name: str | None, mode: OutputMode) -> None:
    """List every artifact with its latest version, or every version of one artifact."""
    tracker = store.tracker
    if name is None:
        found = [tracker.read(each, tracker.latest_version(each)) for each in tracker.names()]
        title = f"Artifacts in {tracker.root}"
    else:
        wanted = ArtifactReference.parse(name)
        tracker.latest_version(wanted.name)
        found = [tracker.read(wanted.name, number) for number in tracker.versions(wanted.name)]
        title = f"Versions of {wanted.name} in {tracker.root}"
    if mode == "json":
        store.app.document([_summary(manifest) for manifest in found])
    elif mode == "quiet":
        lines = [manifest.name if name is None else manifest.ref for manifest in found]
        store.app.write("".join(f"{line}\n" for line in lines))
    else:
        store.app.panel(Panel(title, _listing_rows(found) or ["None yet."], fill=False))


def show_manifest(store: Store, reference: str, mode: OutputMode) -> None:
    """Show one version; as JSON, the manifest itself."""
    manifest = store.find(reference)
    if mode == "json":
        store.app.document(store.tracker.read_document(manifest.name, manifest.version))
    elif mode == "quiet":
        store.app.write(f"{manifest.ref}\n")
    else:
        location = store.tracker.manifest_location(manifest.name, manifest.version)
        rows = [*_manifest_rows(manifest), ("Manifest:", location)]
        store.app.panel(Panel(manifest.ref, rows, gap=1, fill=False))


def show_lineage(store: Store, reference: str, mode: OutputMode) -> None:
    """Show what a version was made from, down to the raw data."""
    node = trace_lineage(store.tracker, reference)
    if mode == "json":
        store.app.document(node.to_dict())
    elif mode == "quiet":
        lines = dict.fromkeys(each.ref for each in node.walk())
        store.app.write("".join(f"{line}\n" for line in lines))
    else:
        store.app.tree(_node_title(node), _lineage_tree(node))


def _summary(manifest: Manifest) -> dict[str, Any]:
    return {
        "ref": manifest.ref,
        "name": manifest.name,
        "version": manifest.version,
        "type": manifest.type,
        "path": manifest.path,
        "created_at": manifest.created_at.isoformat(),
        "producer": manifest.producer,
    }


def _listing_rows(manifests: list[Manifest]) -> list[Row]:
    return [
        (manifest.ref, f"{manifest.type}  {show_time(manifest.created_at)}  {manifest.path}")
        for manifest in manifests
    ]


def _manifest_rows(manifest: Manifest) -> list[Row]:
    rows: list[Row] = [
        ("Type:", f"{manifest.type} ({manifest.kind})"),
        ("Path:", manifest.path),
        ("Created:", show_time(manifest.created_at)),
        ("Producer:", manifest.producer or "unknown"),
    ]
    if manifest.content is not None:
        files = show_count(manifest.content.files, "file")
        rows.append(("Content:", f"{files}, {show_size(manifest.content.bytes)}"))
    rows += [("Made from:", reference) for reference in manifest.used_artifacts]
    for uri in manifest.inputs:
        rows.append(("Input:", _with_revision(uri, manifest.input_revisions.get(uri))))
    rows += _provenance_rows(manifest.provenance)
    fields = {**manifest.metadata, **(manifest.fields or {})}
    known = {key: value for key, value in fields.items() if value not in (None, [], {})}
    return rows + [(f"{key}:", show_value(value)) for key, value in known.items()]


def _provenance_rows(provenance: dict[str, Any]) -> list[Row]:
    commit = provenance.get("git_commit")
    state = " with uncommitted changes" if provenance.get("git_dirty") else ""
    known = {
        "Recipe:": provenance.get("runspec"),
        "Config:": provenance.get("config"),
        "Commit:": f"{commit}{state}" if commit else None,
        "Config digest:": provenance.get("config_digest"),
        "Image:": provenance.get("image"),
    }
    return [(label, str(value)) for label, value in known.items() if value]


def _node_title(node: LineageNode) -> str:
    if node.manifest is None:
        return f"{node.ref}  ({node.problem})"
    return f"{node.ref}  {node.manifest.type}  {show_time(node.manifest.created_at)}"


def _lineage_tree(node: LineageNode) -> Tree:
    raw: dict[str, Tree | str] = {
        _with_revision(item.uri, item.revision): "" for item in node.raw_inputs
    }
    return raw | {_node_title(used): _lineage_tree(used) for used in node.used}


def _with_revision(uri: str, revision: str | None) -> str:
    return f"{_relative(uri)}  {revision or '(no digest recorded)'}"


def _relative(uri: str) -> str:
    """Shorten a local path to what lies below the working directory."""
    path = Path(uri)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else uri
