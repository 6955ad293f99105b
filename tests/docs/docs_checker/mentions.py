"""What a page mentions must exist: files, anchors, commands, names, variables."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import click

from docs_checker.pages import Page
from docs_checker.running import SHELLS
from nemotron.cli.app import App
from nemotron.cli.root import RootGroup

_TOP_FOLDERS = re.compile(r"(?:packages|recipes|docs|tests|benchmarks|changelog\.d|\.ci)/[\w./-]*")
_DOTTED = re.compile(r"(?:nemo_runspec|nemotron(?:_data_prep|_kit_\w+)?)(?:\.\w+)+")
_VARIABLE = re.compile(r"\bNEMOTRON_[A-Z_]+\b")
_RECIPE_NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)+")
_COMMAND = re.compile(r"(?:uv run )?nemotron(?: [^`]+)?")


def broken_links(page: Page) -> Iterator[str]:
    """Name every relative link or anchor that leads nowhere."""
    for line, target in page.links():
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        file = (page.path.parent / unquote(name)) if name else page.path
        if not file.exists():
            yield f"{page.at(line)}: the link {target} leads to no file"
        elif anchor and anchor not in Page.read(file).anchors:
            yield f"{page.at(line)}: the link {target} leads to no heading"


def unknown_mentions(page: Page, checkout: Path) -> Iterator[str]:
    """Name everything in inline code and commands that does not exist."""
    for line, text in page.inline_code():
        for problem in _problems_of_code(text, page, checkout):
            yield f"{page.at(line)}: {problem}"
    for line, command in _commands(page):
        missing = unknown_command(command, checkout)
        if missing is not None:
            yield f"{page.at(line)}: {missing}"
    known = _variables(checkout)
    for number, row in enumerate(page.text.splitlines(), start=1):
        for name in set(_VARIABLE.findall(row)) - known:
            yield f"{page.at(number)}: nothing reads the variable {name}"


def unknown_command(text: str, checkout: Path) -> str | None:
    """Say what of a ``nemotron`` command line does not exist; None where all of it does."""
    words = shlex.split(text.removeprefix("uv run "), comments=True)[1:]
    app = App(words, cwd=checkout)
    command: click.Command = RootGroup()
    context = click.Context(command, obj=app)
    for word in words:
        if word in {"…", "..."} or word.isupper():
            return None
        if word.startswith("-"):
            return _unknown_option(command, context, word)
        if not isinstance(command, click.Group):
            continue
        found = command.get_command(context, word)
        if found is None:
            return f"{text!r}: there is no command {word!r}"
        command, context = found, click.Context(found, info_name=word, parent=context)
    return None


def _unknown_option(command: click.Command, context: click.Context, word: str) -> str | None:
    known = {name for parameter in command.get_params(context) for name in parameter.opts}
    option = word.partition("=")[0]
    return None if option in known else f"there is no option {option!r} of {command.name!r}"


def _problems_of_code(text: str, page: Page, checkout: Path) -> Iterator[str]:
    if _TOP_FOLDERS.fullmatch(text) and not _exists(text, checkout, page):
        yield f"there is no file {text}"
    if _DOTTED.fullmatch(text.removesuffix("()")) and not _can_import(text.removesuffix("()")):
        yield f"there is no {text}"


def _commands(page: Page) -> Iterator[tuple[int, str]]:
    """The commands that nobody executes, but for those of recipes that the page introduces."""
    introduced = {text for _, text in page.inline_code() if _RECIPE_NAME.fullmatch(text)}
    for line, text in page.inline_code():
        words = text.removeprefix("uv run ").split()[1:]
        if _COMMAND.fullmatch(text) and not any(_begins(words, name) for name in introduced):
            yield line, text
    for block in page.blocks:
        if block.language not in SHELLS or "needs" not in block.options:
            continue
        for row in block.text.replace("\\\n", " ").splitlines():
            if _COMMAND.fullmatch(row.strip()):
                yield block.line, row.strip()


def _begins(words: list[str], recipe: str) -> bool:
    return words[: recipe.count("/") + 1] == recipe.split("/")


def _exists(text: str, checkout: Path, page: Page) -> bool:
    name = text.rstrip("/")
    written = [block.options["file"] for block in page.blocks if "file" in block.options]
    below = any(file == name or file.startswith(f"{name}/") for file in written)
    return below or (checkout / name).exists()


def _can_import(dotted: str) -> bool:
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            owner: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        return _has(owner, parts[length:])
    return False


def _has(owner: object, names: list[str]) -> bool:
    for name in names:
        if not hasattr(owner, name):
            return False
        owner = getattr(owner, name)
    return True


@cache
def _variables(checkout: Path) -> frozenset[str]:
    files = [*checkout.glob("packages/*/src/**/*.py"), *checkout.glob("recipes/**/*.py")]
    texts = (file.read_text(encoding="utf-8") for file in files)
    return frozenset(name for text in texts for name in _VARIABLE.findall(text))
