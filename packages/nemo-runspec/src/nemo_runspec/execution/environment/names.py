"""Names and values that a variable can have, and still arrive as it was sent."""

from __future__ import annotations

import re

from nemo_runspec.errors import ConfigError

# What every process is told by us; a job that could overrule it would not be tracked, or hang.
OWN_NAMES = frozenset(
    {
        *("NEMOTRON_RUN_DIR", "NEMO_RUN_DIR"),
        *("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK"),
        *("MASTER_ADDR", "MASTER_PORT"),
    }
)

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Bash computes these itself, or is computed by them: what was set is not what a child would see.
_SHELL_NAMES = frozenset(
    {
        *("DIRSTACK", "EPOCHREALTIME", "EPOCHSECONDS", "EUID", "FUNCNAME", "GROUPS", "HISTCMD"),
        *("IFS", "LINENO", "OLDPWD", "OPTERR", "OPTIND", "PIPESTATUS", "POSIXLY_CORRECT", "PPID"),
        *("PWD", "RANDOM", "SECONDS", "SHELLOPTS", "SHLVL", "SRANDOM", "UID", "_"),
    }
)
# Bash's own, and what the launch script calls its own ones.
_TAKEN_PREFIXES = ("BASH", "nemotron_")


def check_name(name: str, *, key: str) -> None:
    """Refuse a name that cannot reach a process through a shell.

    Args:
        name: The variable.
        key: Where it stands, for the message.

    Raises:
        ConfigError: It is no shell identifier, or the shell's own.
    """
    if not _IDENTIFIER.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot be the name of a variable.",
            where=key,
            hint="Use letters, digits and '_', and no digit first.",
        )
    if name in _SHELL_NAMES or name.startswith(_TAKEN_PREFIXES):
        raise ConfigError(
            f"The variable {name} belongs to the shell that starts the job.",
            where=key,
            hint="Use another name.",
        )


def check_value(value: str, *, key: str) -> None:
    """Refuse a value that no variable can have; its text is not repeated.

    Args:
        value: The value.
        key: Where it stands, for the message.

    Raises:
        ConfigError: It holds a NUL character, or is no UTF-8 text.
    """
    if "\0" in value:
        raise ConfigError("The value holds a NUL character, which no variable can.", where=key)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ConfigError("The value is no UTF-8 text.", where=key) from error
