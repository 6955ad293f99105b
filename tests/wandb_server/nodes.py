"""The server's objects as the types of its GraphQL schema.

Fields are those that the documents of wandb 0.24.1 to 0.31.0 ask for (sdk/artifacts/_generated,
apis/_generated, apis/public/runs.py, files.py and the documents inside wandb-core).
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from . import versions
from .graphql import Node
from .state import Artifact, Collection, Project, Run, State, User, opaque


@dataclass(frozen=True)
class Call:
    """Who asks, and what they ask about.

    Attributes:
        state: What the server knows.
        user: Whose API key it is.
        url: The server's address, for the URLs that it hands out.
    """

    state: State
    user: User
    url: str


def user_node(user: User) -> Node:
    """Type User."""
    teams = [{"__typename": "Entity", "name": name} for name in (user.name, *user.teams)]
    return {
        "__typename": "User",
        "id": opaque("User", 1),
        "name": user.name,
        "username": user.name,
        "email": f"{user.name}@example.com",
        "entity": user.default_entity,
        "admin": False,
        "flags": "{}",
        "deletedAt": None,
        "apiKeys": connection([]),
        "teams": connection(teams),
    }


def project_node(call: Call, project: Project) -> Node:
    """Type Project."""
    runs = project.runs

    def run(name: str) -> Node | None:
        return run_node(call, runs[name]) if name in runs else None

    def bucket(name: str, missing_ok: bool = False) -> Node | None:  # noqa: FBT001, FBT002
        return run(name)

    def collection(name: str) -> Node | None:
        found = project.collections.get(name)
        return collection_node(call, found) if found else None

    def membership(name: str) -> Node | None:
        found = _named(project, name)
        return membership_node(call, found) if found else None

    def artifact(name: str, enable_tracking: bool = False) -> Node | None:  # noqa: FBT001, FBT002
        found = _named(project, name)
        return artifact_node(call, found) if found else None

    return {
        "__typename": "Project",
        "id": project.id,
        "internalId": opaque("ProjectInternalId", project.number),
        "name": project.name,
        "entityName": project.entity,
        "entity": entity_node(project.entity),
        "createdAt": project.created_at,
        "description": None,
        "access": "PRIVATE",
        "views": "{}",
        "isBenchmark": False,
        "readOnly": False,
        "user": user_node(call.user),
        "run": run,
        "bucket": bucket,
        "runCount": lambda **_filters: len(runs),
        "runs": _pages(lambda: [run_node(call, item) for item in runs.values()]),
        "artifact": artifact,
        "artifactCollection": collection,
        "artifactCollectionMembership": membership,
        "artifactType": lambda name: _type_node(call, project, name),
        "artifactTypes": _pages(lambda: _type_nodes(call, project)),
        "artifactCollections": _pages(
            lambda: [collection_node(call, item) for item in project.collections.values()]
        ),
    }


def entity_node(name: str) -> Node:
    """Type Entity, with nothing but what clients ask of entities outside an organization."""
    return {
        "__typename": "Entity",
        "id": opaque("Entity", 1),
        "name": name,
        "organization": None,
        "xxhashDigestsEnabled": False,
    }


def run_node(call: Call, run: Run) -> Node:
    """Type Run."""
    return {
        "__typename": "Run",
        "id": run.id,
        "name": run.name,
        "displayName": run.display_name,
        "state": run.state,
        "tags": run.tags,
        "notes": run.notes,
        "description": run.notes,
        "group": run.group,
        "jobType": run.job_type,
        "commit": run.commit,
        "host": run.host,
        "sweepName": None,
        "readOnly": False,
        "createdAt": run.created_at,
        "heartbeatAt": run.heartbeat_at,
        "user": {"__typename": "User", "name": run.user, "username": run.user},
        "projectId": call.state.projects[run.entity, run.project].number,
        "project": lambda: project_node(call, call.state.projects[run.entity, run.project]),
        "config": json.dumps(run.raw_config),
        "wandbConfig": lambda keys: json.dumps(_internal_config(run, keys)),
        "summaryMetrics": json.dumps(run.summary),
        "systemMetrics": json.dumps(run.events[-1] if run.events else {}),
        **_history_fields(run),
        **_file_fields(call, run),
        "inputArtifacts": _pages(lambda: [artifact_node(call, item) for item in run.inputs]),
        "outputArtifacts": _pages(lambda: [artifact_node(call, item) for item in run.outputs]),
    }


def artifact_node(call: Call, artifact: Artifact) -> Node:
    """Type Artifact: a version, by its content."""
    collection = artifact.collection
    latest = collection.aliases.get("latest")
    creator = artifact.created_by
    return {
        "__typename": "Artifact",
        "id": artifact.id,
        "state": artifact.state,
        "digest": artifact.digest,
        "digestAlgorithm": "MANIFEST_MD5",
        "versionIndex": artifact.version,
        "description": artifact.description,
        "metadata": json.dumps(artifact.metadata),
        "size": artifact.size_bytes,
        "fileCount": len(artifact.manifest),
        "historyStep": artifact.history_step,
        "ttlDurationSeconds": -2 if artifact.ttl_s is None else artifact.ttl_s,
        "ttlIsInherited": artifact.ttl_s is None,
        "commitHash": hashlib.md5(artifact.id.encode(), usedforsecurity=False).hexdigest()[:20],
        "createdAt": artifact.created_at,
        "updatedAt": artifact.created_at,
        "tags": [{"__typename": "Tag", "id": opaque(tag, 1), "name": tag} for tag in artifact.tags],
        "artifactType": {"__typename": "ArtifactType", "name": collection.type},
        "artifactSequence": lambda: {
            **collection_node(call, collection),
            "latestArtifact": lambda: artifact_node(call, latest) if latest else None,
        },
        "aliases": [_alias_node(call, artifact, alias) for alias in artifact.aliases],
        "createdBy": lambda: run_node(call, creator) if creator else None,
        "usedBy": lambda: connection([run_node(call, run) for run in artifact.used_by]),
        "artifactMemberships": lambda: connection([membership_node(call, artifact)]),
        "currentManifest": lambda: manifest_node(call, artifact),
        **_artifact_file_fields(call, artifact),
    }


def membership_node(call: Call, artifact: Artifact) -> Node:
    """Type ArtifactCollectionMembership: a version, by its place in a collection."""
    return {
        "__typename": "ArtifactCollectionMembership",
        "id": opaque("ArtifactCollectionMembership", artifact.version or 0),
        "versionIndex": artifact.version,
        "createdAt": artifact.created_at,
        "aliases": [_alias_node(call, artifact, alias) for alias in artifact.aliases],
        "artifactCollection": lambda: collection_node(call, artifact.collection),
        "artifact": lambda: artifact_node(call, artifact),
        **_artifact_file_fields(call, artifact),
    }


def collection_node(call: Call, collection: Collection) -> Node:
    """Type ArtifactSequence, the collection that versions are logged to."""

    def artifacts(first: int | None = None, after: str | None = None, **_order: Any) -> Node:
        newest_first = list(reversed(collection.versions))
        found = connection([artifact_node(call, item) for item in newest_first], first, after)
        for edge in found["edges"]:
            edge["version"] = f"v{edge['node']['versionIndex']}"
        return found

    def membership(alias_name: str) -> Node | None:
        found = collection.find(alias_name)
        return membership_node(call, found) if found else None

    return {
        "__typename": "ArtifactSequence",
        "__interfaces": ("ArtifactCollection",),
        "id": collection.id,
        "name": collection.name,
        "description": collection.description,
        "createdAt": collection.created_at,
        "updatedAt": collection.created_at,
        "state": "READY",
        "digestAlgorithm": "MANIFEST_MD5",
        "project": lambda: project_node(
            call, call.state.projects[collection.entity, collection.project]
        ),
        "defaultArtifactType": {"__typename": "ArtifactType", "name": collection.type},
        "tags": connection([]),
        "artifacts": artifacts,
        "artifactMembership": membership,
        "aliases": _pages(
            lambda: [_alias_node(call, item, alias) for alias, item in collection.aliases.items()]
        ),
    }


def manifest_node(call: Call, artifact: Artifact) -> Node:
    """Type ArtifactManifest."""
    name = f"manifest/{quote(artifact.manifest_id, safe='')}"
    return {
        "__typename": "ArtifactManifest",
        "id": artifact.manifest_id,
        "digest": hashlib.md5(artifact.manifest_file or b"", usedforsecurity=False).hexdigest(),
        "file": {
            "__typename": "File",
            "id": artifact.manifest_id,
            "name": "wandb_manifest.json",
            "displayName": "wandb_manifest.json",
            "directUrl": f"{call.url}/download/{name}",
            "uploadUrl": f"{call.url}/upload/{name}",
            "uploadHeaders": [],
        },
    }


def connection(
    nodes: Sequence[Node], first: int | None = None, after: str | None = None
) -> dict[str, Any]:
    """A page of a list, in the shape of every list that GraphQL servers page."""
    start = int(after or 0)
    end = len(nodes) if first is None else min(start + first, len(nodes))
    edges = [
        {"__typename": "Edge", "cursor": str(at + 1), "node": nodes[at]} for at in range(start, end)
    ]
    return {
        "__typename": "Connection",
        "totalCount": len(nodes),
        "edges": edges,
        "pageInfo": {
            "__typename": "PageInfo",
            "endCursor": str(end) if edges else None,
            "hasNextPage": end < len(nodes),
        },
    }


def _named(project: Project, name: str) -> Artifact | None:
    """`name:alias`; the client adds `:latest` where a user gave none."""
    collection, _, alias = name.partition(":")
    found = project.collections.get(collection)
    return found.find(alias or "latest") if found else None


def _pages(nodes: Callable[[], Sequence[Node]]) -> Callable[..., Node]:
    """A field that is a list in pages, which is neither sorted nor filtered here."""

    def page(first: int | None = None, after: str | None = None, **_order: Any) -> Node:
        return connection(nodes(), first, after)

    return page


def _type_nodes(call: Call, project: Project) -> list[Node]:
    names = sorted({collection.type for collection in project.collections.values()})
    return [node for name in names if (node := _type_node(call, project, name))]


def _type_node(call: Call, project: Project, name: str) -> Node | None:
    of_type = [item for item in project.collections.values() if item.type == name]
    if not of_type:
        return None

    def collection(name: str) -> Node | None:
        return next((collection_node(call, item) for item in of_type if item.name == name), None)

    def artifact(name: str) -> Node | None:
        found = _named(project, name)
        return artifact_node(call, found) if found else None

    return {
        "__typename": "ArtifactType",
        "artifact": artifact,
        "id": opaque("ArtifactType", 1),
        "name": name,
        "description": None,
        "createdAt": project.created_at,
        "artifactCollection": collection,
        "artifactCollections": _pages(lambda: [collection_node(call, item) for item in of_type]),
    }


def _alias_node(call: Call, artifact: Artifact, alias: str) -> Node:
    return {
        "__typename": "ArtifactAlias",
        "id": opaque(f"ArtifactAlias:{artifact.collection.id}", len(alias)),
        "alias": alias,
        "artifactCollection": lambda: collection_node(call, artifact.collection),
    }


def _internal_config(run: Run, keys: Sequence[str]) -> dict[str, Any]:
    internal = run.raw_config.get("_wandb", {}).get("value", {})
    return {key: internal[key] for key in keys if key in internal}


def _history_fields(run: Run) -> dict[str, Any]:
    keys = sorted({key for record in run.history for key in record})
    counts: dict[str, Any] = {
        key: {"typeCounts": [{"type": "number", "count": len(run.history)}]} for key in keys
    }

    def history(samples: int, min_step: int = 0, max_step: int = sys.maxsize) -> list[str]:
        wanted = [item for item in run.history if min_step <= item["_step"] < max_step]
        return [json.dumps(item) for item in wanted[:samples]]

    def sampled(specs: list[str]) -> list[list[dict[str, Any]]]:
        return [_sampled(run, json.loads(spec)) for spec in specs]

    return {
        "historyKeys": {"sets": [], "keys": counts, "lastStep": run.last_step},
        "historyLineCount": len(run.history),
        "eventsLineCount": len(run.events),
        "logLineCount": len(run.logs),
        # Lists of JSON documents, themselves in JSON (core: runbranch/resume.go).
        "historyTail": json.dumps([json.dumps(item) for item in run.history[-1:]]),
        "eventsTail": json.dumps([json.dumps(item) for item in run.events[-1:]]),
        "history": history,
        "sampledHistory": sampled,
    }


def _sampled(run: Run, spec: dict[str, Any]) -> list[dict[str, Any]]:
    keys = spec.get("keys")
    if not keys:
        return run.history
    complete = [item for item in run.history if all(key in item for key in keys)]
    return [{key: item[key] for key in keys} for item in complete]


def _file_fields(call: Call, run: Run) -> dict[str, Any]:
    def files(
        names: list[str] | None = None,
        first: int | None = None,
        after: str | None = None,
        pattern: str | None = None,
    ) -> Node:
        place = f"run/{quote(run.id, safe='')}"
        wanted = [
            _file_node(call, place, name, content)
            for name, content in run.files.items()
            if not names or name in names
        ]
        return connection(wanted, first, after)

    return {"files": files, "fileCount": len(run.files)}


def _artifact_file_fields(call: Call, artifact: Artifact) -> dict[str, Callable[..., Node]]:
    def file(name: str, entry: dict[str, Any]) -> Node:
        if "ref" in entry:  # listed too: the client downloads what is listed
            return _reference_node(name, entry)
        place = f"artifact/{quote(artifact.id, safe='')}"
        return _file_node(call, place, name, versions.blob(call.state, artifact, name))

    def files(
        names: list[str] | None = None, first: int | None = None, after: str | None = None
    ) -> Node:
        entries = artifact.manifest.items()
        wanted = [file(name, entry) for name, entry in entries if not names or name in names]
        return connection(wanted, first, after)

    def by_entries(
        entries: list[dict[str, Any]],
        storage_layout: str,
        manifest_version: str,
        storage_region: str | None = None,
    ) -> Node:
        return files([entry["name"] for entry in entries])

    return {"files": files, "filesByManifestEntries": by_entries}


def _reference_node(name: str, entry: dict[str, Any]) -> Node:
    return {
        "__typename": "File",
        "id": opaque(f"File:{name}", 0),
        "name": name,
        "displayName": name,
        "url": entry["ref"],
        "directUrl": entry["ref"],
        "uploadUrl": None,
        "sizeBytes": entry.get("size", 0),
        "storagePath": None,
        "mimetype": None,
        "updatedAt": None,
        "digest": entry["digest"],
        "md5": None,
    }


def _file_node(call: Call, place: str, name: str, content: bytes) -> Node:
    path = f"{place}/{quote(name)}"
    digest = hashlib.md5(content, usedforsecurity=False).digest()
    return {
        "__typename": "File",
        "id": opaque("File", len(content)),
        "name": name,
        "displayName": name,
        "url": f"{call.url}/download/{path}",
        "directUrl": f"{call.url}/download/{path}",
        "uploadUrl": f"{call.url}/upload/{path}",
        "sizeBytes": len(content),
        "storagePath": path,
        "mimetype": "application/octet-stream",
        "updatedAt": None,
        "digest": base64.b64encode(digest).decode(),
        "md5": digest.hex(),
    }
