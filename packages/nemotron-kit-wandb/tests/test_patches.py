from __future__ import annotations

import logging
import random

from wandb.sdk.artifacts import artifact as wandb_artifact

from nemotron_kit_wandb import patch_wandb_runid_for_seeded_random
from nemotron_kit_wandb.patches import seeded_random_patch


def id_after_seeding():
    random.seed(1234)
    return wandb_artifact.generate_fast_id(128)


def id_of_the_affected_version(length=8):
    return "".join(random.choices("abcdefghij", k=length))  # noqa: S311 - the fault itself


def test_the_affected_version_gets_ids_that_no_seed_repeats(monkeypatch):
    monkeypatch.setattr(wandb_artifact, "generate_fast_id", id_of_the_affected_version)
    assert id_after_seeding() == id_after_seeding()
    patch = seeded_random_patch("0.23.1").apply()
    assert patch.applied
    ids = {id_after_seeding() for _ in range(3)}
    assert len(ids) == 3
    assert {len(text) for text in ids} == {128}
    patch.undo()
    assert wandb_artifact.generate_fast_id is id_of_the_affected_version


def test_the_installed_version_needs_nothing_and_the_log_says_so(caplog):
    caplog.set_level(logging.INFO, "nemo_runspec.patching")
    original = wandb_artifact.generate_fast_id
    assert not patch_wandb_runid_for_seeded_random().applied
    assert wandb_artifact.generate_fast_id is original
    assert id_after_seeding() != id_after_seeding()
    assert "generator of its own" in caplog.text
