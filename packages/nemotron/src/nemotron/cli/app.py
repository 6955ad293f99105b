"""What one invocation of the command knows: where it runs, where it writes, its recipes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

from nemotron.cli.panels import Panel, Screen, Tree, draw_panel, draw_tree, screen_of, wrap
from nemotron.cli.streams import output_failure
from nemotron.cli.tree import RecipeTree, find_recipes

OutputMode: TypeAlias = Literal["text", "json", "quiet"]


def output_mode(values: Mapping[str, Any]) -> OutputMode:
    """Read ``--json`` and ``--quiet`` out of a command's parameters; JSON wins."""
    if values["as_json"]:
        return "json"
    return "quiet" if values["quiet"] else "text"


class App:
    """One invocation.

    Args:
        argv: The words after ``nemotron``.
        cwd: The working directory.
        out: Where results go.
        err: Where errors go.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        out: IO[str] | None = None,
        err: IO[str] | None = None,
    ) -> None:
        self.argv = list(argv)
        self.cwd = cwd or Path.cwd()
        self.out = out or sys.stdout
        self.err = err or sys.stderr

    @cached_property
    def recipes(self) -> RecipeTree:
        """The tree of recipes; found when it is first asked for."""
        return find_recipes(self.cwd)

    @cached_property
    def screen(self) -> Screen:
        """What :attr:`out` can show."""
        return screen_of(self.out)

    def waiting(self, what: str) -> AbstractContextManager[None]:
        """Tell on :attr:`err`, where that is a terminal, what takes its time."""
        from nemotron.cli.waiting import waiting

        return waiting(self.err, what)

    def panel(self, panel: Panel) -> None:
        """Draw a panel on :attr:`out`."""
        self.write(draw_panel(panel, self.screen))

    def tree(self, title: str, tree: Tree) -> None:
        """Draw a tree on :attr:`out`."""
        self.write(draw_tree(title, tree, self.screen))

    def say(self, text: str) -> None:
        """Write sentences on :attr:`out`, broken into lines where that is a terminal."""
        lines = wrap(text, self.screen.width)
        self.write("".join(f"{line}\n" for line in lines))

    def warn(self, text: str) -> None:
        """Write sentences on :attr:`err`, broken into lines where that is a terminal."""
        label = "warning: "
        width = screen_of(self.err).width
        first, *rest = wrap(text, None if width is None else width - len(label))
        lines = [label + first, *(" " * len(label) + line for line in rest)]
        self.err.write("".join(f"{line}\n" for line in lines))
        self.err.flush()

    def document(self, document: object) -> None:
        """Write one JSON document on :attr:`out`."""
        import json

        self.write(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")

    def write(self, text: str) -> None:
        """Write text on :attr:`out` at once, so that it keeps its place beside a child's."""
        # A path whose name is no UTF-8 has lone surrogates, which no stream takes. Spelled out they
        # are what JSON has for them.
        try:
            self.out.write(text.encode("utf-8", "backslashreplace").decode())
            self.out.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise output_failure(error) from error
