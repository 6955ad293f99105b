"""The command line that starts a recipe's script on this machine."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from pathlib import Path

from nemo_runspec.errors import ExecutionError, RunspecError
from nemo_runspec.runspec import Runspec

_INTERPRETERS = ("python", "python3")
_LAUNCH_MODULES = {"torchrun": "torch", "ray": "ray"}


def build_command(recipe: Runspec, config: Path, *, gpus_per_node: int) -> list[str]:
    """Spell the command, as a list that no shell reads.

    Args:
        recipe: The recipe; its ``cmd`` is filled in.
        config: The file that stands for ``{config}``.
        gpus_per_node: How many processes torchrun starts, at least one.

    Raises:
        RunspecError: ``cmd`` cannot be split into words, or does not begin with ``python``.
    """
    filled = _filled(recipe, "cmd", recipe.run.cmd, config)
    return [sys.executable, *_launcher(recipe, gpus_per_node), *filled]


def command_words(recipe: Runspec, *, script: str, config: str) -> tuple[str, ...]:
    """Spell what stands behind ``python`` where a recipe runs on another machine.

    Args:
        recipe: The recipe; its ``cmd`` is filled in.
        script: What stands for ``{script}`` there.
        config: What stands for ``{config}`` there.

    Raises:
        RunspecError: ``cmd`` cannot be split into words, or does not begin with ``python``.
    """
    return tuple(_filled(recipe, "cmd", recipe.run.cmd, config, script))


def build_preview_command(recipe: Runspec, config: Path) -> list[str] | None:
    """Spell the command that previews what a job would make; None where the recipe has none.

    Args:
        recipe: The recipe; its ``preview`` is filled in. No launcher starts it.
        config: The file that stands for ``{config}``.

    Raises:
        RunspecError: ``preview`` cannot be split into words, or does not begin with ``python``.
    """
    if recipe.run.preview is None:
        return None
    return [sys.executable, *_filled(recipe, "preview", recipe.run.preview, config)]


def require_launcher(recipe: Runspec, image: str | None) -> None:
    """Check that what starts the recipe is installed here.

    Args:
        recipe: The recipe.
        image: The container image that has it.

    Raises:
        ExecutionError: torch or Ray is needed and absent.
    """
    module = _LAUNCH_MODULES.get(recipe.run.launch)
    if module is None or importlib.util.find_spec(module) is not None:
        return
    place = f"the container image {image}" if image else f"an environment with {module}"
    raise ExecutionError(
        f"Recipe {recipe.name!r} is started with {recipe.run.launch} and runs in {place}; "
        f"{module} is not installed here.",
        where=str(recipe.path),
        hint="Send it there with --run PROFILE, or check it here with --dry-run.",
    )


def _filled(
    recipe: Runspec, key: str, command: str, config: Path | str, script: Path | str | None = None
) -> list[str]:
    """The words of a command behind its interpreter."""
    interpreter, *rest = _words(recipe, key, command)
    if interpreter not in _INTERPRETERS:
        raise RunspecError(
            f"'tool.runspec.run.{key}' begins with {interpreter!r}, not with 'python'.",
            where=str(recipe.path),
            hint=f'Write {key} = "python {{script}} --config {{config}}"; launch says what starts '
            "it.",
        )
    return [word.format(script=script or recipe.path, config=config) for word in rest]


def _words(recipe: Runspec, key: str, command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise RunspecError(
            f"'tool.runspec.run.{key}' cannot be split into words: {error}.",
            where=str(recipe.path),
        ) from error
    return words


def _launcher(recipe: Runspec, gpus_per_node: int) -> list[str]:
    if recipe.run.launch != "torchrun":
        return []
    processes = str(max(1, gpus_per_node))
    return ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", processes]
