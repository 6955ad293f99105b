"""Completion in bash, zsh and fish: the scripts, and the answers that these ask for."""

from __future__ import annotations

import contextlib
import io
import os
from typing import ClassVar

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    split_arg_string,
)

from nemo_runspec.errors import NemotronError
from nemotron.cli.app import App
from nemotron.cli.completion import COMPLETION_VARIABLE
from nemotron.cli.root import RootGroup

_PROGRAM = "nemotron"
# Bash breaks words at ':' and '=', so it is asked for the line, and told the rest of its word.
_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' answer item
    answer=$(COMP_LINE="${COMP_LINE:0:$COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
    COMPREPLY=()
    for item in $answer; do
        case "$item" in
            file,*) compopt -o default ;;
            dir,*) compopt -o dirnames ;;
            plain,*=) COMPREPLY+=("${item#plain,}"); compopt -o nospace ;;
            plain,*) COMPREPLY+=("${item#plain,}") ;;
        esac
    done
}
complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null ||
    complete -F %(complete_func)s %(prog_name)s
"""
_ZSH_ADD = "compadd -U -V unsorted -a completions"
_ZSH_ADD_KEYS = f"""if [[ "$completions[1]" == *= ]]; then
            compadd -S '' -U -V unsorted -a completions
        else
            {_ZSH_ADD}
        fi"""


class _WholeWords(ShellComplete):
    """Gives whole words where click gives the value of ``--option=value`` alone."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        items = super().get_completions(args, incomplete)
        option, equals, _ = incomplete.partition("=")
        if equals and option.startswith("-"):
            for item in items:
                item.value = f"{option}={item.value}"
        return items


class _Bash(_WholeWords, BashComplete):
    source_template: ClassVar[str] = _BASH

    def source(self) -> str:
        return self.source_template % self.source_vars()

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_LINE"]
        words = split_arg_string(line)[1:]
        if line[-1:].isspace() or not words:
            return words, ""
        return words[:-1], words[-1]

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        items = super().get_completions(args, incomplete)
        breaks = os.environ.get("COMP_WORDBREAKS", "")
        cut = max(incomplete.rfind(mark) for mark in ":=" if mark in breaks or mark == ":") + 1
        for item in items:
            item.value = item.value[cut:]
        return items


class _Zsh(_WholeWords, ZshComplete):
    def source(self) -> str:
        # No space behind 'run.data=': its value follows.
        return super().source().replace(_ZSH_ADD, _ZSH_ADD_KEYS)


class _Fish(_WholeWords, FishComplete):
    pass


_SHELLS: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}


def completion_script(shell: str) -> str:
    """The script that a shell evaluates to complete ``nemotron``.

    Args:
        shell: ``bash``, ``zsh`` or ``fish``.
    """
    return _completer(App([]), shell).source()


def serve(app: App, request: str) -> int:
    """Answer a shell; on any error with nothing, since a shell has no place for messages.

    Args:
        app: The invocation.
        request: What the script set: the shell, and ``complete`` or ``source``.

    Returns:
        The exit code.
    """
    shell, _, action = request.partition("_")
    if shell not in _SHELLS or action not in {"complete", "source"}:
        return 1
    completer = _completer(app, shell)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            answer = completer.complete() if action == "complete" else completer.source()
    except NemotronError:
        return 1
    app.write(f"{answer}\n")
    return 0


def _completer(app: App, shell: str) -> ShellComplete:
    return _SHELLS[shell](RootGroup(), {"obj": app}, _PROGRAM, COMPLETION_VARIABLE)
