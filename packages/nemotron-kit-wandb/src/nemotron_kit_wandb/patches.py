"""Patches of the W&B client, each applied only to the versions that need it."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

from nemo_runspec.patching import Patch, Support

_AFFECTED = frozenset({"0.23.1"})
_ALPHABET = string.ascii_lowercase + string.digits


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
