"""Whether the programs of an evaluation are installed, and what to say where they are not."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from nemo_runspec.config.image import described_container
from nemo_runspec.errors import ExecutionError

_COMMANDS = ("evaluator.command", "server.command")


def require_framework(config: DictConfig) -> None:
    """Say where a recipe runs, where a program that it starts is not installed.

    Args:
        config: The configuration; ``run.env.container`` names the image. Of the commands the first
            words alone are resolved, so that no artifact has to be there.

    Raises:
        ExecutionError: One is not installed.
    """
    for key in _COMMANDS:
        program = OmegaConf.select(config, f"{key}[0]")
        if program is not None and shutil.which(str(program)) is None:
            raise ExecutionError(
                f"{str(program)!r} is not installed here; this recipe runs in "
                f"{described_container(config)}.",
                where=key,
                hint="Send it there with --run PROFILE.",
            )


def require_program(command: Sequence[str], *, key: str) -> None:
    """Refuse a command whose program is not installed.

    Args:
        command: The program and its arguments.
        key: Where the configuration has it.

    Raises:
        ExecutionError: It is not.
    """
    if shutil.which(command[0]) is None:
        raise ExecutionError(
            f"{command[0]!r} is not installed here.",
            where=key,
            hint="Start this in a container that has it, or name another command.",
        )
