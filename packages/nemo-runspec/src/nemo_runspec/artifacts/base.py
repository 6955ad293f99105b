"""The artifact: a named, versioned, typed pointer to a path.

Subclass it to add typed fields; they go to ``metadata.json`` and answer ``${art:NAME,FIELD}``::

    class MyDataArtifact(Artifact):
        num_samples: int
"""

from __future__ import annotations

import builtins
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticSerializationError

from nemo_runspec.artifacts.metadata_file import write_metadata
from nemo_runspec.artifacts.paths import RemotePath, as_artifact_path, expand_home
from nemo_runspec.errors import ArtifactError
from nemo_runspec.json_values import json_value
from nemo_runspec.redaction import redact_values

logger = logging.getLogger(__name__)

Kind = Literal["dataset", "model"]

_CORE_FIELDS = frozenset(
    {"path", "type", "kind", "name", "version", "created_at", "producer", "metadata"}
)


class Artifact(BaseModel):
    """A pointer to data or a model, with typed metadata.

    Attributes:
        path: Where it lies: a local path, or a URI kept to the letter.
        type: The class name; a class of that name is looked up when the artifact is loaded.
        kind: ``dataset`` or ``model``.
        name: The name it was recorded under; None before that.
        version: The number it was recorded under, from 1; None before that.
        created_at: When it was recorded, with its time zone.
        producer: The scheduler's job id, or the run's id, that made it.
        metadata: Free-form values beside the typed fields.
    """

    model_config = ConfigDict(extra="allow")

    default_kind: ClassVar[Kind] = "dataset"

    path: Path | RemotePath
    type: str = ""
    kind: Kind = "dataset"
    name: str | None = None
    version: int | None = Field(default=None, ge=0)
    created_at: datetime | None = None
    producer: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)

    _seen_at: Path | None = PrivateAttr(default=None)
    _wanted_aliases: tuple[str, ...] = PrivateAttr(default=())

    @field_validator("path", mode="before")
    @classmethod
    def _keep_uri(cls, value: Any) -> Any:
        place = as_artifact_path(value) if isinstance(value, str) else value
        return expand_home(place) if isinstance(place, Path) else place

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        filled = {"kind": cls.default_kind, **values}
        if not filled.get("type"):
            filled["type"] = cls.__name__
        cls._refuse_unknown(filled)
        return filled

    @model_validator(mode="after")
    def _metadata_shadows_nothing(self) -> Self:
        shadowed = sorted(set(self.metadata) & (set(self.typed_fields()) | _CORE_FIELDS))
        if shadowed:
            raise ValueError(f"metadata repeats the field {shadowed[0]!r}: set the field itself")
        return self

    @classmethod
    def _refuse_unknown(cls, values: Mapping[str, Any]) -> None:
        if cls is Artifact:
            return
        unknown = sorted(set(values) - set(cls.model_fields))
        if unknown:
            raise ValueError(
                f"{cls.__name__} has no field {unknown[0]!r}{_suggest(cls, unknown[0])}"
            )

    @property
    def seen_at(self) -> Path | None:
        """Where this process sees the data, if that is another place than the recorded one."""
        return self._seen_at

    def see_at(self, place: Path) -> None:
        """Say where this process sees the data: a container has its own names for folders."""
        self._seen_at = place

    @property
    def wanted_aliases(self) -> tuple[str, ...]:
        """Aliases that its version gets when it is recorded; they move there from earlier ones."""
        return self._wanted_aliases

    def want_aliases(self, aliases: Sequence[str]) -> None:
        """Say which aliases the version gets that is recorded next."""
        self._wanted_aliases = tuple(aliases)

    def typed_fields(self) -> dict[str, Any]:
        """The values of the fields that the artifact's own type adds, as JSON values."""
        return self._dump(exclude=_CORE_FIELDS)

    def to_metadata(self) -> dict[str, Any]:
        """The flat dump that ``metadata.json`` holds and resolvers read."""
        free: dict[str, Any] = json_value(self.metadata)
        return {**free, **self._dump(exclude=frozenset({"metadata"})), "metadata": free}

    def _dump(self, *, exclude: frozenset[str]) -> dict[str, Any]:
        try:
            dumped: dict[str, Any] = json_value(self.model_dump(mode="json", exclude=set(exclude)))
        except PydanticSerializationError as error:
            raise ArtifactError(
                f"A field of {type(self).__name__} cannot be recorded: {error}.",
                hint="Use numbers, texts, lists and mappings.",
            ) from error
        return dumped

    def save(self, name: str | None = None) -> None:
        """Write ``metadata.json`` beside the data, and record a version in the active tracking.

        Args:
            name: The name to record under; by default the artifact's own name, else the
                output name of the running recipe, else the type.

        Raises:
            NemotronError: The record could not be written.
        """
        from nemo_runspec.artifacts.tracking import log_artifact

        log_artifact(self, name=name)

    def write_metadata(self) -> Path | None:
        """Write ``metadata.json`` into the artifact's folder.

        Returns:
            The file, or None where the folder is remote or cannot be written.
        """
        return write_metadata(self.path, redact_values(self.to_metadata()))

    @classmethod
    def load(cls, path: str | Path | RemotePath) -> Self:
        """Load an artifact from the folder that it points to, through its ``metadata.json``.

        The folder is noted as an input of the current tracking.

        Args:
            path: The artifact's folder, or a folder without metadata where the type has no
                required field.

        Raises:
            ArtifactNotFoundError: The path does not exist.
            ArtifactError: The metadata is missing, damaged or of another type.
        """
        from nemo_runspec.artifacts.tracking import load_place

        return load_place(str(path), cls)

    @classmethod
    def from_uri(cls, uri: str) -> Self:
        """Load an artifact through a reference such as ``art://nano3-sft-data:latest``.

        Args:
            uri: A reference, with or without ``art://``.

        Raises:
            ArtifactNotFoundError: There is no such artifact or version.
            ArtifactError: It has another type.
        """
        from nemo_runspec.artifacts.tracking import load_artifact

        return load_artifact(uri, cls)

    @classmethod
    def from_document(cls, document: Mapping[str, Any], *, where: str) -> Self:
        """Build an artifact from a flat metadata dump.

        Fields that a newer release of the type may have added are kept in ``metadata``.

        Args:
            document: Core fields, typed fields and free-form values in one mapping.
            where: Where the document was read, for messages.

        Raises:
            ArtifactError: A required field is missing or a value has the wrong type.
        """
        target = cls._target_class(document.get("type") or "", where=where)
        known, free = _split(target, document)
        try:
            return target(**known, metadata=free)
        except ValidationError as error:
            raise ArtifactError(
                f"This is no usable {target.__name__}: {_first_problem(error)}.",
                where=where,
                hint="Load it as Artifact, or prepare it again with this release.",
            ) from error

    @classmethod
    def _target_class(cls, type_name: str, *, where: str) -> builtins.type[Self]:
        from nemo_runspec.artifacts.registry import find_artifact_class

        found = find_artifact_class(type_name)
        if found is not None and issubclass(found, cls):
            return found
        if found is None or found is Artifact or issubclass(cls, found):
            return cls
        raise ArtifactError(
            f"The artifact is {type_name}, not {cls.__name__}.",
            where=where,
            hint=f"Load it with {type_name} or Artifact.",
        )

    def get_wandb_files(self) -> list[tuple[str, str]]:
        """Small files to upload to W&B: pairs of local path and name in the artifact."""
        if not isinstance(self.path, Path):
            return []
        candidate = self.path / "metadata.json"
        return [(str(candidate), "metadata.json")] if candidate.exists() else []

    def get_wandb_references(self) -> list[tuple[str, str]]:
        """Data that W&B refers to without a copy: pairs of URI and name in the artifact."""
        if isinstance(self.path, Path):
            return [(f"file://{self.path.resolve()}", self.path.name)]
        return [(str(self.path), self.path.name)]

    def get_wandb_aliases(self) -> list[str]:
        """Aliases of the version in W&B, beside ``latest``."""
        return []

    def get_input_uris(self) -> list[str]:
        """What this artifact was made from: artifact references and URIs of raw inputs."""
        return []

    def get_input_revisions(self) -> dict[str, str]:
        """The revision of each raw input: its URI to ``sha256:…``, a commit or an ETag."""
        return {}


def _split(
    target: type[Artifact], document: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    free = dict(document.get("metadata") or {})
    known: dict[str, Any] = {}
    for key, value in document.items():
        if key == "metadata":
            continue
        if key in target.model_fields or target is Artifact:
            known[key] = value
        else:
            free[key] = value
    for key in known:
        free.pop(key, None)
    return known, free


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else str(problem["msg"])


def _suggest(cls: type[Artifact], unknown: str) -> str:
    import difflib

    close = difflib.get_close_matches(unknown, cls.model_fields, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
