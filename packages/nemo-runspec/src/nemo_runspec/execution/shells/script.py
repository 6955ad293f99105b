"""A script for a far shell, on its standard input: no command line there shows any of it."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Mapping

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.shells.base import LOCALE_PREFIX, LOGIN_VARIABLES

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CUT_OFF = 97

# On one line and without what other shells read in it: whatever shell is the login's starts it.
_READER = (
    "s=; d=; n=$(printf '\\nx'); n=${n%x}; "
    "while IFS= read -r l; do case $l in MARK) d=1; break;; esac; s=$s$l$n; done; "
    f'case $d in "") exit {_CUT_OFF};; esac; unset l d n; eval "unset s; $s"'
)


def as_command() -> tuple[str, str]:
    """Make the command that reads a script from standard input, up to a line of its own.

    Returns:
        The command, and that line, which is another each time.
    """
    mark = f"end-of-script-{secrets.token_hex(16)}"
    return f"exec /bin/sh -c {shlex.quote(_READER.replace('MARK', mark))}", mark


def as_input(script: str, environment: Mapping[str, str] | None, mark: str) -> bytes:
    """Spell what the command of :func:`as_command` reads; what follows is for the script.

    Args:
        script: POSIX shell.
        environment: Variables of the script beside a login's own; None for all that are there.
        mark: The line that ends it.

    Raises:
        ExecutionError: A variable's name is none, or its value holds a null byte.
    """
    given = "" if environment is None else _clean() + _exports(environment)
    return f"{given}{script}\n{mark}\n".encode(errors="surrogateescape")


def _clean() -> str:
    kept = "|".join((*LOGIN_VARIABLES, f"{LOCALE_PREFIX}*", "PWD"))
    names = r"sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'"
    functions = r"sed -n 's/^BASH_FUNC_\([A-Za-z0-9_]*\)%%=.*/\1/p'"
    return (
        f'for v in $(env | {names}); do case $v in {kept}) ;; *) unset "$v" ;; esac; done\n'
        f'for v in $(env | {functions}); do unset -f "$v"; done\n'
        "unset v\n"
    )


def _exports(environment: Mapping[str, str]) -> str:
    for name, value in environment.items():
        if not _NAME.fullmatch(name) or "\0" in value:
            raise ExecutionError(
                f"The variable {name!r} cannot be given to a job.",
                hint="Names have letters, digits and '_'; values have no null byte.",
            )
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
