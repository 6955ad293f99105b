"""What is to be recorded in W&B, as plain data: it can wait in a file until W&B can be reached."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from nemo_runspec.errors import ArtifactError
from nemo_runspec.json_values import json_text

if TYPE_CHECKING:
    from wandb import Run

METADATA_FILE = "metadata.json"

# The part of a document that says where it comes from, apart from the artifact's own fields.
OWN_SECTION = "nemotron"

# Where W&B puts runs that name no project.
DEFAULT_PROJECT = "uncategorized"

_FORMAT = 1


@dataclass(frozen=True)
class RunIdentity:
    """A run, and what makes it anew where it never reached the server.

    Attributes:
        id: Its id.
        project: Its project.
        entity: Its team or user; None for that of the API key.
        name: Its display name.
        job_type: What kind of job it is.
        group: The group that it belongs to.
        notes: Its description.
        tags: Its tags.
    """

    id: str
    project: str
    entity: str | None = None
    name: str | None = None
    job_type: str | None = None
    group: str | None = None
    notes: str | None = None
    tags: tuple[str, ...] = ()

    @classmethod
    def of(cls, run: Run) -> Self:
        """Take down a run that was started, online or not."""
        return cls(
            id=run.id,
            project=run.project or DEFAULT_PROJECT,
            entity=run.entity or None,
            name=run.name or None,
            job_type=run.job_type or None,
            group=run.group or None,
            notes=run.notes or None,
            tags=tuple(run.tags or ()),
        )

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read it back from JSON values."""
        return cls(**{**document, "tags": tuple(document.get("tags", ()))})


@dataclass(frozen=True)
class RecordedArtifact:
    """A version of an artifact, before W&B gave it a number.

    Attributes:
        name: Its name.
        kind: ``dataset`` or ``model``: W&B's type.
        type: The artifact's class.
        document: Its flat dump, as its ``metadata.json`` in W&B holds it.
        files: Small files to upload: pairs of local path and name in the artifact.
        references: Data that W&B refers to: pairs of URI and name in the artifact.
        manifest: The version of the manifest store that it stands for; None where there is none.
    """

    name: str
    kind: str
    type: str
    document: Mapping[str, Any]
    files: tuple[tuple[str, str], ...] = ()
    references: tuple[tuple[str, str], ...] = ()
    manifest: str | None = None

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read it back from JSON values."""
        files = tuple((path, name) for path, name in document["files"])
        references = tuple((uri, name) for uri, name in document["references"])
        return cls(**{**document, "files": files, "references": references})


@dataclass(frozen=True)
class WandbRecord:
    """Something that one run made or used.

    Attributes:
        run: The run; None for one that is made for this record alone, see :meth:`own_run`.
        project: Where that run is made, and bare names are looked up.
        entity: The team or user that owns the project; None for that of the API key.
        artifact: What was made; None where something was merely used.
        aliases: Aliases of the version, ``manifest-v2`` for example.
        used: Full names of the versions that it was made from.
        id: Unique, and part of the recorded content: W&B would otherwise take a second artifact
            of equal content for the first, and its run would not be in the graph. Publishing the
            same record again makes no second version.
    """

    run: RunIdentity | None
    project: str
    entity: str | None = None
    artifact: RecordedArtifact | None = None
    aliases: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def what(self) -> str:
        """What people call it."""
        if self.artifact is None:
            return f"inputs ({', '.join(self.used)})"
        return self.artifact.manifest or self.artifact.name

    def own_run(self) -> RunIdentity:
        """The run that is made for this record alone: the same one, however often it is tried."""
        name = None if self.artifact is None else f"record-{self.artifact.name}"
        return RunIdentity(f"record-{self.id}", self.project, self.entity, name, job_type="record")

    def to_json(self) -> bytes:
        """Write it as a JSON document."""
        return json_text({"format": _FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, content: bytes, *, where: str) -> Self:
        """Read it back.

        Args:
            content: What :meth:`to_json` gave.
            where: The file, for messages.

        Raises:
            ArtifactError: It is damaged, or a newer release wrote it.
        """
        try:
            document = json.loads(content)
            if document.pop("format") != _FORMAT:
                raise ArtifactError(
                    "The record was written by a newer release.",
                    where=where,
                    hint="Upgrade nemotron-kit-wandb.",
                )
            return cls._from_document(document)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ArtifactError(
                f"The record cannot be read: {error}.", where=where, hint="Remove the file."
            ) from error

    @classmethod
    def _from_document(cls, document: Mapping[str, Any]) -> Self:
        run, artifact = document["run"], document["artifact"]
        read = {
            "run": None if run is None else RunIdentity.from_document(run),
            "artifact": None if artifact is None else RecordedArtifact.from_document(artifact),
            "aliases": tuple(document["aliases"]),
            "used": tuple(document["used"]),
        }
        return cls(**{**document, **read})
