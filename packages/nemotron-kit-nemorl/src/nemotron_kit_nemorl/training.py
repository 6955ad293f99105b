"""What every recipe does with one of NeMo-RL's drivers: hook, write what it reads, start it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from nemo_runspec.artifacts import ArtifactTrackingResult
from nemo_runspec.atomic import write_atomically
from nemo_runspec.errors import ConfigError, ExecutionError
from nemo_runspec.events import StartListener
from nemo_runspec.run_result import RUN_DIR_VARIABLE
from nemotron_kit_nemorl.config import load_config, resolve_config
from nemotron_kit_nemorl.drivers import run_driver
from nemotron_kit_nemorl.patches import (
    patch_manifest_nemo_rl_checkpoint_logging,
    patch_nemo_rl_checkpoint_logging,
    patch_nemo_rl_checkpoint_logging_both,
)
from nemotron_kit_nemorl.settings import SECTION, driver_settings, unknown_keys
from nemotron_kit_nemorl.versions import WORKS

logger = logging.getLogger(__name__)

FILE = "nemo_rl.yaml"


def start_training(config: DictConfig, tracking: ArtifactTrackingResult) -> None:
    """Train with the driver that the configuration names, every checkpoint recorded.

    ``nemo_rl.driver`` is one of NeMo-RL's scripts, ``nemo_rl.base`` the configuration of its own
    that this one is laid above; ``run`` and ``artifacts`` are ours, and every other section is the
    framework's. Where artifacts are recorded in W&B, the driver's own run is there too, and says
    what it uses.

    Args:
        config: The configuration.
        tracking: What ``setup_artifact_tracking`` gave for it.

    Raises:
        ConfigError: A value cannot be resolved, the driver is not named, or more machines are
            wanted than the job has.
        ExecutionError: There is no such driver or base, or the file for it cannot be written.
        PatchError: NeMo-RL finishes checkpoints in a way unknown here.
    """
    # Whatever cannot be resolved stops here, with the name of its key, and not in the driver.
    _check_size(resolve_config(config))
    driver, base = _named(config)
    settings = driver_settings(config)
    if tracking.wandb:
        settings["logger"] = {**settings.get("logger", {}), "wandb_enabled": True}
    file = write_settings(settings, base)
    record_checkpoints(tracking)
    run_driver(driver, file)


def record_checkpoints(tracking: ArtifactTrackingResult) -> None:
    """Have checkpoints recorded in the backends that are active, and runs in W&B say their inputs.

    Args:
        tracking: The tracking of the job.

    Raises:
        PatchError: NeMo-RL cannot be imported, or finishes checkpoints in a way unknown here.
    """
    if tracking.manifest and tracking.wandb:
        patch_nemo_rl_checkpoint_logging_both(tracking=tracking)
    elif tracking.manifest:
        patch_manifest_nemo_rl_checkpoint_logging(tracking=tracking)
    elif tracking.wandb:
        patch_nemo_rl_checkpoint_logging(tracking=tracking)
    if isinstance(tracking.wandb_tracker, StartListener):
        tracking.wandb_tracker.training_started(tracking)


def write_settings(settings: Mapping[str, Any], base: Path | None = None) -> Path:
    """Write what a driver reads, into the directory of the run.

    Args:
        settings: As :func:`driver_settings` gives them.
        base: The configuration of NeMo-RL's own that they are laid above.

    Returns:
        The file.

    Raises:
        ExecutionError: There is no such base, or the file cannot be written.
    """
    document = dict(settings)
    if base is not None:
        _warn_of_typing_errors(settings, base)
        document = {"defaults": str(base), **settings}
    file = Path(os.environ.get(RUN_DIR_VARIABLE, ".")).absolute() / FILE
    try:
        write_atomically(file, yaml.safe_dump(document, sort_keys=False).encode())
    except OSError as error:
        raise ExecutionError(
            f"The driver's configuration cannot be written: {error.strerror}.", where=str(file)
        ) from error
    return file


def _named(config: DictConfig) -> tuple[Path, Path | None]:
    driver, base = (OmegaConf.select(config, f"{SECTION}.{key}") for key in ("driver", "base"))
    if not driver:
        raise ConfigError(
            "No driver is named.",
            where=f"{SECTION}.driver",
            hint="Name one of NeMo-RL's, such as /opt/nemo-rl/examples/run_grpo.py.",
        )
    return Path(driver), None if base is None else Path(base)


def _warn_of_typing_errors(settings: Mapping[str, Any], base: Path) -> None:
    if not base.is_file():
        raise ExecutionError(f"There is no configuration {base}.", hint=WORKS)
    for key, near in unknown_keys(settings, load_config(base)):
        said = "%s has no '%s'; NeMo-RL may ignore it. Did you mean %r?"
        logger.warning(said, base.name, key, near)


def _check_size(settings: Mapping[str, Any]) -> None:
    """Refuse an allocation that is too small, which NeMo-RL would wait for without a word."""
    config = OmegaConf.create(dict(settings))
    wanted, given = (
        OmegaConf.select(config, key) for key in ("cluster.num_nodes", "run.env.nodes")
    )
    if isinstance(wanted, int) and isinstance(given, int) and wanted > given:
        raise ConfigError(
            f"{wanted} machines are wanted, and the job has {given} (run.env.nodes).",
            where="cluster.num_nodes",
            hint="Set one of them; a profile's 'nodes' wins over the configuration's.",
        )
