"""What the server knows, as plain data that tests can look at."""

from __future__ import annotations

import base64
import itertools
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


class Refused(Exception):  # noqa: N818 - an answer, not a failure of the server
    """An answer with an error's status.

    The wording and the statuses are those that users of wandb.ai report.
    """

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def now() -> str:
    """The time as the server writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(eq=False)
class User:
    """Somebody with an API key.

    Attributes:
        name: The user name, also that of the user's own entity.
        key: The API key.
        teams: Entities that the user may read and write beside their own.
        default_entity: Where runs go that name no entity.
    """

    name: str
    key: str = field(repr=False)
    teams: tuple[str, ...] = ()
    default_entity: str = ""

    def may_use(self, entity: str) -> bool:
        """Whether an entity is the user's own or one of their teams."""
        return entity in {self.name, *self.teams}


@dataclass(eq=False)
class Run:
    """A run.

    Attributes:
        id: The server's id.
        name: The run's id, as the client chose it.
        state: `running`, `finished` or `failed`.
        exit_code: As the client reported it; None while it runs.
        history: What `run.log` sent, one record a step.
        inputs: Artifacts that it used, in this order.
        outputs: Artifacts that it logged, in this order.
    """

    id: str
    number: int
    entity: str
    project: str
    name: str
    display_name: str
    user: str
    state: str = "running"
    exit_code: int | None = None
    job_type: str = ""
    group: str = ""
    notes: str = ""
    host: str = ""
    program: str = ""
    commit: str = ""
    repo: str = ""
    tags: list[str] = field(default_factory=list)
    raw_config: dict[str, Any] = field(default_factory=dict, repr=False)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list, repr=False)
    events: list[dict[str, Any]] = field(default_factory=list, repr=False)
    logs: list[str] = field(default_factory=list, repr=False)
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    inputs: list[Artifact] = field(default_factory=list, repr=False)
    outputs: list[Artifact] = field(default_factory=list, repr=False)
    created_at: str = field(default_factory=now)
    heartbeat_at: str = field(default_factory=now)

    @property
    def path(self) -> str:
        """`entity/project/run`."""
        return f"{self.entity}/{self.project}/{self.name}"

    @property
    def last_step(self) -> int:
        """The step of the last record of the history; -1 without one."""
        return self.history[-1]["_step"] if self.history else -1

    @property
    def config(self) -> dict[str, Any]:
        """The configuration as the script gave it."""
        return {key: item["value"] for key, item in self.raw_config.items() if key not in _INTERNAL}


_INTERNAL = ("_wandb", "wandb_version")


@dataclass(eq=False)
class Artifact:
    """A version of an artifact, or one on its way to become a version.

    Attributes:
        id: The server's id.
        digest: What its manifest's content comes to; equal content, equal digest.
        version: Counted from 0; None until it is committed.
        state: `PENDING` or `COMMITTED`.
        manifest: Every entry by its path, as the client uploaded it.
        created_by: The run that logged it first, if any.
        used_by: The runs that used it.
    """

    id: str
    collection: Collection = field(repr=False)
    digest: str
    state: str = "PENDING"
    version: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    description: str | None = None
    tags: list[str] = field(default_factory=list)
    wanted_aliases: list[str] = field(default_factory=list)
    client_ids: set[str] = field(default_factory=set)
    history_step: int | None = None
    ttl_s: int | None = None
    manifest_id: str = ""
    manifest_file: bytes | None = field(default=None, repr=False)
    created_by: Run | None = None
    used_by: list[Run] = field(default_factory=list, repr=False)
    created_at: str = field(default_factory=now)

    @property
    def ref(self) -> str:
        """`name:vN`."""
        return f"{self.collection.name}:v{self.version}"

    @property
    def qualified_ref(self) -> str:
        """`entity/project/name:vN`."""
        return f"{self.collection.entity}/{self.collection.project}/{self.ref}"

    @property
    def aliases(self) -> list[str]:
        """The aliases that point to this version, sorted."""
        named = self.collection.aliases.items()
        return sorted(alias for alias, target in named if target is self)

    @property
    def manifest(self) -> dict[str, dict[str, Any]]:
        """The entries of the manifest by their paths."""
        if self.manifest_file is None:
            return {}
        contents: dict[str, dict[str, Any]] = json.loads(self.manifest_file)["contents"]
        return contents

    @property
    def references(self) -> dict[str, str]:
        """The URIs of the entries that were not uploaded."""
        return {path: entry["ref"] for path, entry in self.manifest.items() if "ref" in entry}

    @property
    def size_bytes(self) -> int:
        """What the manifest says of its entries."""
        return sum(entry.get("size", 0) for entry in self.manifest.values())


@dataclass(eq=False)
class Collection:
    """The versions of one name.

    Attributes:
        type: The type of all of them, such as `dataset`.
        versions: The committed versions, by their numbers.
        pending: Those on their way.
        aliases: The version that each alias points to.
    """

    id: str
    entity: str
    project: str
    name: str
    type: str
    description: str | None = None
    versions: list[Artifact] = field(default_factory=list)
    pending: list[Artifact] = field(default_factory=list)
    aliases: dict[str, Artifact] = field(default_factory=dict, repr=False)
    created_at: str = field(default_factory=now)

    def find(self, version_or_alias: str) -> Artifact | None:
        """The version that `v3` or an alias names."""
        if version_or_alias[:1] == "v" and version_or_alias[1:].isdecimal():
            number = int(version_or_alias[1:])
            return self.versions[number] if number < len(self.versions) else None
        return self.aliases.get(version_or_alias)


@dataclass(eq=False)
class Project:
    """The runs and the artifacts of a project.

    Attributes:
        runs: By their ids.
        collections: By their names.
    """

    id: str
    number: int
    entity: str
    name: str
    runs: dict[str, Run] = field(default_factory=dict)
    collections: dict[str, Collection] = field(default_factory=dict)
    created_at: str = field(default_factory=now)


@dataclass(frozen=True)
class Blob:
    """The content of an uploaded file.

    Attributes:
        content: The bytes.
        birth: The id of the artifact that it was uploaded for.
    """

    content: bytes = field(repr=False)
    birth: str


@dataclass
class State:
    """Everything. Hold `lock` while reading from another thread than the server's.

    Attributes:
        users: By their API keys.
        projects: By entity and name.
        blobs: Uploaded artifact files by entity and MD5 (in base64, as manifests have it).
    """

    users: dict[str, User] = field(default_factory=dict)
    projects: dict[tuple[str, str], Project] = field(default_factory=dict)
    blobs: dict[tuple[str, str], Blob] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1), repr=False)

    def new_id(self, kind: str) -> tuple[int, str]:
        """A number, and the opaque id that the server makes of it."""
        number = next(self._numbers)
        return number, opaque(kind, number)

    def add_user(self, name: str, key: str, *teams: str) -> User:
        """Let somebody in, whose runs go to their first team, else to themselves."""
        user = User(name, key, teams, default_entity=(*teams, name)[0])
        self.users[key] = user
        return user

    def make_project(self, user: User, entity: str, name: str, during: str) -> Project:
        """The project of that name; made where there is none.

        Raises:
            Refused: The entity does not exist, or is not for this user.
        """
        everyone = self.users.values()
        if not any(other.may_use(entity) for other in everyone):
            raise Refused(404, f"entity {entity} not found during {during}")
        if not user.may_use(entity):
            raise Refused(403, "permission denied", "PERMISSION_ERROR")
        if (entity, name) not in self.projects:
            number, made = self.new_id("Project")
            self.projects[entity, name] = Project(made, number, entity, name)
        return self.projects[entity, name]

    def project(self, user: User, entity: str, name: str) -> Project | None:
        """A project that exists and that this user may see."""
        return self.projects.get((entity, name)) if user.may_use(entity) else None

    def artifacts(self) -> Iterator[Artifact]:
        """Every artifact, pending ones among them."""
        for project in self.projects.values():
            for collection in project.collections.values():
                yield from (*collection.versions, *collection.pending)

    def artifact(self, artifact_id: str) -> Artifact:
        """An artifact by the server's id.

        Raises:
            Refused: There is none.
        """
        for artifact in self.artifacts():
            if artifact.id == artifact_id:
                return artifact
        raise Refused(404, f"artifact {artifact_id} not found")

    def runs(self) -> Iterator[Run]:
        """Every run."""
        for project in self.projects.values():
            yield from project.runs.values()


def opaque(kind: str, number: int) -> str:
    """An id as the server writes them: base64 of the kind and a number."""
    return base64.b64encode(f"{kind}:{number}".encode()).decode()
