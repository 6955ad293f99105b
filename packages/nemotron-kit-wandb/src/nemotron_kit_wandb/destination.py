"""Where artifacts live in W&B, and the full names that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from nemo_runspec.artifacts.reference import ArtifactReference
from nemotron_kit_wandb.config import load_wandb_config

if TYPE_CHECKING:
    from wandb import Run

_MANIFEST_ALIAS = "manifest-"


@dataclass(frozen=True)
class Destination:
    """A project.

    Attributes:
        project: Its name; None for that of the run.
        entity: The team or user; None for that of the API key.
    """

    project: str | None = None
    entity: str | None = None

    @classmethod
    def configured(cls, project: str | None, entity: str | None) -> Self:
        """What is named; where no project is, that of ``[wandb]`` in env.toml.

        Args:
            project: A project's name.
            entity: The team or user, of either.

        Raises:
            ConfigError: The section cannot be used.
        """
        section = None if project else load_wandb_config()
        if section is None:
            return cls(project or None, entity)
        return cls(section.project, entity or section.entity)

    def within(self, run: Run) -> Destination:
        """This project; where none is named, that of a run."""
        return self if self.project else Destination(run.project, run.entity)

    def full_name(self, reference: ArtifactReference) -> str:
        """Spell a reference out as W&B takes it, with as much as is known.

        Args:
            reference: A reference; the owner that it names counts, else this project.
        """
        owner = reference.owner or "/".join(self._owner())
        name = f"{reference.name}:{reference.selector}"
        return f"{owner}/{name}" if owner else name

    def edge_name(self, reference: str) -> str:
        """The full name of the version that stands for one of the manifest store.

        W&B counts from v0 and by itself, so that an alias tells which it is.

        Args:
            reference: A pinned reference. One with an owner is W&B's own already.
        """
        parsed = ArtifactReference.parse(reference).whole
        if parsed.owner is None:
            parsed = ArtifactReference(parsed.name, manifest_alias(parsed.selector))
        return self.full_name(parsed)

    def pinned_name(self, reference: str) -> str:
        """The full name of a version that W&B itself numbered.

        Args:
            reference: A pinned reference.
        """
        return self.full_name(ArtifactReference.parse(reference).whole)

    def _owner(self) -> tuple[str, ...]:
        if self.project is None:
            return ()
        return (self.project,) if self.entity is None else (self.entity, self.project)


def manifest_alias(version: int | str) -> str:
    """The alias of the W&B version that stands for one of the manifest store.

    Args:
        version: Its number, or ``v2``.
    """
    return f"{_MANIFEST_ALIAS}v{str(version).removeprefix('v')}"


def manifest_reference(full_name: str) -> str | None:
    """The version of the manifest store that a name in W&B stands for; None where it is W&B's own.

    Args:
        full_name: Such as ``team/nemotron/data:manifest-v2``, which stands for ``data:v2``.
    """
    owner_and_name, alias, version = full_name.partition(f":{_MANIFEST_ALIAS}")
    return f"{owner_and_name.rpartition('/')[2]}:{version}" if alias else None
