"""Patches of the W&B client, each applied only to the versions that need it."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version

from nemo_runspec.artifacts.opening import active_tracking
from nemo_runspec.artifacts.tracking import ArtifactTrackingResult
from nemo_runspec.patching import Patch, Support, first_present
from nemotron_kit_wandb.lineage import (
    Registration,
    Registrations,
    heard_end,
    reporting_init,
)
from nemotron_kit_wandb.reference_digests import TARGETS, loading_unchecked, supports_target

_AFFECTED = frozenset({"0.23.1"})
_ENDS = ("wandb.sdk.wandb_run:Run._finish", "wandb.sdk.wandb_run:Run.finish")
_ALPHABET = string.ascii_lowercase + string.digits


@dataclass(eq=False)
class LineagePatch(Patch):
    """The patch of ``wandb.init``, what it says of each run, and the patch of a run's end.

    Attributes:
        registrations: What is said; later calls add to that of the patch in place.
        ending: The other patch, put on and taken off with this one.
    """

    registrations: Registrations = field(default_factory=Registrations)
    ending: Patch | None = None

    def apply(self) -> Patch:
        """Put both in place, unless they are already."""
        applied = super().apply()
        if applied is self:
            self.ending = Patch("ends of runs", first_present(_ENDS), heard_end).apply()
        return applied

    def undo(self) -> None:
        """Put back what was found."""
        if self.ending is not None:
            self.ending.undo()
        super().undo()


def patch_wandb_init_for_lineage(
    artifact_qualified_names: Iterable[str] | None = None,
    tags: Iterable[str] = (),
    tracking: ArtifactTrackingResult | None = None,
) -> Patch:
    """Register what a run uses the moment that it exists, whoever calls ``wandb.init``.

    It works on every rank, for a run that is active already, and for each one that is started
    later. Where manifests are active it neither waits for W&B nor raises: a run whose server is
    silent starts offline, and whoever finishes a run, what waits for it is delivered first. Where
    W&B is the only backend, an input that W&B does not take is an error. Call it before
    ``from wandb import init`` runs anywhere: a name that was taken over before is not reached.

    Args:
        artifact_qualified_names: What the run uses, such as ``team/project/nano3-sft-data:v3``; by
            default all that the tracking has resolved when the run starts.
        tags: Tags that the run gets.
        tracking: The tracking that the names belong to; by default the one that is current now,
            and where none is, the one that is current when the run starts.

    Returns:
        The patch in place; ``undo()`` takes it off. Calling again adds names and tags to it.

    Raises:
        UsageError: A text stands where a list belongs.
        InvalidReferenceError: A name is none.
        WandbRunError: A run is active, W&B is the only backend, and it does not take an input.
    """
    destination = active_tracking() if tracking is None else tracking
    wanted = Registration.of(artifact_qualified_names, tags, destination)
    registrations = Registrations()
    patch = LineagePatch(
        name="inputs of runs",
        target="wandb:init",
        build=reporting_init(registrations),
        registrations=registrations,
    )
    applied = patch.apply()
    if isinstance(applied, LineagePatch):
        applied.registrations.add(wanted)
    return applied


def patch_wandb_reference_digests() -> tuple[Patch, ...]:
    """Let ``download()`` take references that were logged without a checksum as they are.

    For scripts that download an artifact as a whole, such as a checkpoint that Megatron-Bridge
    logged itself; ``entry.ref`` needs no patch. A reference that has a checksum is checked.

    Returns:
        The patches, for ``file://`` and ``http(s)://``; each can be undone. One that the
        installed version cannot take is not applied, and the log says why.
    """
    installed = version("wandb")
    patches = (
        Patch(
            name="references without a checksum",
            target=target,
            build=loading_unchecked,
            check=partial(supports_target, target, installed),
        )
        for target in TARGETS
    )
    return tuple(patch.apply() for patch in patches)


def patch_wandb_runid_for_seeded_random() -> Patch:
    """Keep artifact ids distinct where a job seeds Python's global random numbers.

    W&B 0.23.1 draws the ids of artifacts from that generator, so that two jobs with one seed
    claim the same ids and the server answers "Invalid Client ID digest". Later versions have a
    generator of their own; there this does nothing but say so in the log.

    Returns:
        The patch, which can be undone.
    """
    return seeded_random_patch(version("wandb")).apply()


def seeded_random_patch(wandb_version: str) -> Patch:
    """Describe the patch for one version of W&B, without applying it.

    Args:
        wandb_version: The installed version.
    """
    return Patch(
        name="artifact ids apart from seeded random numbers",
        target="wandb.sdk.artifacts.artifact:generate_fast_id",
        build=_unseeded,
        check=partial(_support, wandb_version),
    )


def _support(wandb_version: str) -> Support:
    if wandb_version in _AFFECTED:
        return Support(supported=True, reason=f"wandb {wandb_version} uses the global generator")
    return Support(
        supported=False,
        reason=f"wandb {wandb_version} draws artifact ids from a generator of its own",
    )


def _unseeded(_original: Callable[..., str]) -> Callable[..., str]:
    generator = random.SystemRandom()

    def generate_fast_id(length: int = 8) -> str:
        return "".join(generator.choices(_ALPHABET, k=length))

    return generate_fast_id
