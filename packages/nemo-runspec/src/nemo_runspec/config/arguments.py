"""Split a command line into the configuration's file and its overrides."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nemo_runspec.config.grammar import is_override, render_value
from nemo_runspec.errors import ConfigError
from nemo_runspec.packaged import packaged_config
from nemo_runspec.suggest import did_you_mean

_CONFIG_OPTIONS = ("--config", "-c")
_ARTIFACT_OPTION = "--art."


@dataclass(frozen=True, slots=True)
class ConfigArguments:
    """What a command line says about the configuration.

    Args:
        config: The value of ``--config``, if given.
        overrides: The overrides, with every ``--art.KEY NAME`` as ``run.KEY='NAME'``.
    """

    config: str | None
    overrides: list[str]


def parse_config_and_overrides(
    *, default_config: str | Path | None = None, argv: Sequence[str] | None = None
) -> tuple[Path, list[str]]:
    """Find the configuration file and the overrides on a script's command line.

    Understands ``--config PATH`` (``-c``), ``--art.data NAME:V`` and overrides, in any order. A
    relative path is looked for in the working directory, then beside the script.

    Args:
        default_config: The file to use when the command line names none; a packaged recipe uses
            the ``config.yaml`` that was packaged with it.
        argv: The command line without the program's name; by default this process's.

    Returns:
        The file, and the overrides in Hydra's grammar.

    Raises:
        ConfigError: A word is neither an option nor an override, or no file is named.
    """
    arguments = split_arguments(sys.argv[1:] if argv is None else argv)
    if arguments.config is not None:
        return locate(Path(arguments.config)), arguments.overrides
    if default_config is None:
        raise ConfigError("No configuration file is given.", hint="Add --config PATH.")
    return locate_default(default_config), arguments.overrides


def split_arguments(argv: Sequence[str]) -> ConfigArguments:
    """Sort a command line's words.

    Raises:
        ConfigError: A word is neither a known option nor an override.
    """
    config: str | None = None
    overrides: list[str] = []
    words = iter(argv)
    for word in words:
        option, equals, attached = word.partition("=")
        if option in _CONFIG_OPTIONS:
            config = attached if equals else _next_word(words, option)
        elif option.startswith(_ARTIFACT_OPTION):
            reference = attached if equals else _next_word(words, option)
            overrides.append(artifact_override(option, reference))
        elif word.startswith("-"):
            raise ConfigError(
                f"There is no option '{option}'.",
                hint=did_you_mean(option, (*_CONFIG_OPTIONS, f"{_ARTIFACT_OPTION}KEY")),
            )
        elif is_override(word):
            overrides.append(word)
        else:
            raise ConfigError(
                f"'{word}' is neither an option nor an override.", hint="Write key=value."
            )
    return ConfigArguments(config, overrides)


def artifact_override(option: str, reference: str) -> str:
    """Turn ``--art.data NAME:V`` into the override ``run.data='NAME:V'``.

    Args:
        option: ``--art.KEY``.
        reference: What the key shall refer to.

    Raises:
        ConfigError: The key or the reference is empty.
    """
    key = option.removeprefix(_ARTIFACT_OPTION)
    if not key or not reference:
        raise ConfigError(
            f"'{option}' needs a key and a reference.",
            hint=f"Write {_ARTIFACT_OPTION}KEY NAME:VERSION.",
        )
    return f"run.{key}={render_value(reference)}"


def locate_default(default_config: str | Path) -> Path:
    """Find a script's own configuration: in the working directory, else beside the script.

    A packaged recipe has it under another name, beside ``main.py``.
    """
    return packaged_config() or locate(Path(default_config).expanduser())


def locate(path: Path) -> Path:
    """Find a file: in the working directory, else beside the script."""
    if path.is_absolute() or path.exists():
        return path
    beside = Path(sys.argv[0]).absolute().parent / path
    return beside if beside.exists() else path


def _next_word(words: Iterator[str], option: str) -> str:
    word = next(words, None)
    if word is None:
        raise ConfigError(f"'{option}' needs a value.", hint=f"Write {option} VALUE.")
    return word
