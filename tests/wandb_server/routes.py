"""What each request means: GraphQL, the stream of records, files up and down."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from . import operations, streams, versions
from .graphql import Document, QueryError, execute, parse
from .nodes import Call
from .state import Artifact, Refused, Run, State, User


class UnexpectedError(Exception):
    """A request that this server does not understand."""


@dataclass
class Request:
    """A request.

    Attributes:
        method: The HTTP method.
        path: The path, without the query, decoded.
        headers: By lower-case names.
        body: The content.
        url: The server's address.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    url: str
    body: bytes = b""

    def json(self) -> Any:
        """The content, which may come compressed."""
        packed = self.headers.get("content-encoding") == "gzip"
        return json.loads(gzip.decompress(self.body) if packed else self.body)


Answer = Callable[[State, Request, tuple[str, ...]], tuple[int, bytes]]


def find(method: str, path: str) -> tuple[str, Answer, tuple[str, ...]]:
    """The name of a request's kind, what answers it, and the parts of its path.

    Raises:
        UnexpectedError: There is no such route.
    """
    for name, (wanted, pattern, answer) in ROUTES.items():
        match = pattern.fullmatch(path) if wanted == method else None
        if match:
            return name, answer, tuple(unquote(part) for part in match.groups())
    raise UnexpectedError(f"{method} {path}")


def operation_name(request: Request) -> str:
    """The name of the GraphQL operation that a request carries; of its field if it has none.

    Raises:
        UnexpectedError: It carries none.
    """
    try:
        document = parse(request.json()["query"])
    except (QueryError, KeyError, ValueError) as error:
        raise UnexpectedError(f"no query: {request.body!r}") from error
    return document.name or document.selections[0].name


def _graphql(state: State, request: Request, _parts: tuple[str, ...]) -> tuple[int, bytes]:
    asked = request.json()
    document = parse(asked["query"])
    try:
        call = Call(state, _user(state, request), request.url)
        root = operations.mutations if document.kind == "mutation" else operations.queries
        data = execute(document, root(call), asked.get("variables") or {})
    except Refused as refused:
        return refused.status, json.dumps(_error(document, refused)).encode()
    except QueryError as error:
        raise UnexpectedError(f"{operation_name(request)}: {error}") from error
    return 200, json.dumps({"data": data}).encode()


def _error(document: Document, refused: Refused) -> dict[str, Any]:
    """An error in the shape that users of wandb.ai report (wandb/wandb: issues 8609, 9620)."""
    root = document.selections[0].alias
    error: dict[str, Any] = {"message": str(refused), "path": [root]}
    if refused.code:
        error["extensions"] = {"code": refused.code}
    return {"errors": [error], "data": {root: None}}


def _user(state: State, request: Request) -> User:
    """Who has the key: the password of HTTP's basic authentication, whose user is `api`."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    key = ""
    if scheme.lower() == "basic":
        key = base64.b64decode(credentials).decode().partition(":")[2]
    if key not in state.users:
        raise Refused(401, "user is not logged in", "PERMISSION_ERROR")
    return state.users[key]


def _file_stream(state: State, request: Request, parts: tuple[str, ...]) -> tuple[int, bytes]:
    entity, project, name = parts
    found = state.project(_user(state, request), entity, project)
    if found is None or name not in found.runs:
        raise Refused(404, f"run {entity}/{project}/{name} not found")
    try:
        reply = streams.take(found.runs[name], request.json())
    except KeyError as error:
        raise UnexpectedError(f"file_stream: {error}") from error
    return 200, json.dumps(reply).encode()


def _upload_run_file(state: State, request: Request, parts: tuple[str, ...]) -> tuple[int, bytes]:
    run_id, name = parts
    _run(state, run_id).files[name] = request.body
    return 200, b""


def _upload_artifact(state: State, request: Request, parts: tuple[str, ...]) -> tuple[int, bytes]:
    artifact_id, _ = parts
    wanted = request.headers.get("content-md5")
    if wanted != versions.md5(request.body):
        raise Refused(400, "The Content-MD5 you specified did not match what we received.")
    versions.store(state, state.artifact(artifact_id), request.body)
    return 200, b""


def _upload_manifest(state: State, request: Request, parts: tuple[str, ...]) -> tuple[int, bytes]:
    _of_manifest(state, parts[0]).manifest_file = request.body
    return 200, b""


def _download_run_file(
    state: State, _request: Request, parts: tuple[str, ...]
) -> tuple[int, bytes]:
    run_id, name = parts
    return 200, _run(state, run_id).files[name]


def _download_artifact(
    state: State, _request: Request, parts: tuple[str, ...]
) -> tuple[int, bytes]:
    artifact_id, name = parts
    return 200, versions.blob(state, state.artifact(artifact_id), name)


def _download_manifest(
    state: State, _request: Request, parts: tuple[str, ...]
) -> tuple[int, bytes]:
    content = _of_manifest(state, parts[0]).manifest_file
    if content is None:
        raise Refused(404, "manifest not found")
    return 200, content


def _download_by_digest(
    state: State, request: Request, parts: tuple[str, ...]
) -> tuple[int, bytes]:
    """sdk/artifacts/storage_policies/wandb_storage_policy.py: where no URL was handed out."""
    entity, digest = parts[0], base64.b64encode(bytes.fromhex(parts[1])).decode()
    if not _user(state, request).may_use(entity) or (entity, digest) not in state.blobs:
        raise Refused(404, "file not found")
    return 200, state.blobs[entity, digest].content


def _run(state: State, run_id: str) -> Run:
    for run in state.runs():
        if run.id == run_id:
            return run
    raise Refused(404, f"run {run_id} not found")


def _of_manifest(state: State, manifest_id: str) -> Artifact:
    for artifact in state.artifacts():
        if artifact.manifest_id == manifest_id:
            return artifact
    raise Refused(404, f"manifest {manifest_id} not found")


def _route(method: str, path: str, answer: Answer) -> tuple[str, re.Pattern[str], Answer]:
    return method, re.compile(path), answer


GRAPHQL = "graphql"
ROUTES = {
    GRAPHQL: _route("POST", "/graphql", _graphql),
    "file_stream": _route("POST", "/files/([^/]+)/([^/]+)/([^/]+)/file_stream", _file_stream),
    "upload_run_file": _route("PUT", "/upload/run/([^/]+)/(.+)", _upload_run_file),
    "upload_artifact": _route("PUT", "/upload/artifact/([^/]+)/(.+)", _upload_artifact),
    "upload_manifest": _route("PUT", "/upload/manifest/([^/]+)", _upload_manifest),
    "download_run_file": _route("GET", "/download/run/([^/]+)/(.+)", _download_run_file),
    "download_artifact": _route("GET", "/download/artifact/([^/]+)/(.+)", _download_artifact),
    "download_manifest": _route("GET", "/download/manifest/([^/]+)", _download_manifest),
    "download_by_digest": _route(
        "GET", "/artifactsV2/[^/]+/([^/]+)/(?:.+/)?([0-9a-f]{32})(?:/[^/]+)?", _download_by_digest
    ),
}
