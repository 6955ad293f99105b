"""Execute or parse the blocks of one page, in order, in a folder of the page's own."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from docs_checker.interpreter import Interpreter
from docs_checker.outputs import first_difference
from docs_checker.pages import Block, BrokenPageError, Page

NEEDS = frozenset({"network", "cluster", "checkout", "megatron", "nemo-rl", "wandb"})
SHELLS = frozenset({"bash", "shell"})
_OPTIONS = frozenset({"needs", "file", "fails", "output"})
_DIAGRAMS = ("flowchart ", "graph ", "sequenceDiagram", "stateDiagram-v2", "classDiagram")
_FIRST_PARTY = re.compile(r"nemo_runspec|nemotron(?:_data_prep|_kit_\w+)?")
_KEPT_VARIABLES = ("LANG", "LC_ALL", "TMPDIR", "PYTHONDONTWRITEBYTECODE")
_UV = '#!/bin/sh\n[ "$1" = run ] && shift && exec "$@"\necho "only uv run here" >&2\nexit 2\n'
# `python3 -m venv` makes an environment whose pip finds everything installed already.
_PYTHON3 = """#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then
  mkdir -p "$3/bin"
  cp "$(dirname "$0")/uv" "$3/bin/uv"
  printf '#!/bin/sh\\n' >"$3/bin/pip" && chmod +x "$3/bin/pip"
  exit
fi
exec python "$@"
"""
_BASH_LIMIT_S = 240


def check_blocks(page: Page, folder: Path, checkout: Path) -> list[str]:
    """Check every block of a page.

    Args:
        page: The page.
        folder: An empty folder.
        checkout: The repository; its ``recipes`` are copied into the folder where needed.

    Returns:
        One message for each block that does not hold.
    """
    with _runner(page, folder, checkout) as runner:
        return [message for block in page.blocks for message in runner.check(block)]


@contextmanager
def _runner(page: Page, folder: Path, checkout: Path) -> Iterator[_PageRunner]:
    work = folder / "work"
    work.mkdir(parents=True)
    recipes = checkout / "recipes"
    if recipes.is_dir() and any(block.language in SHELLS for block in page.blocks):
        shutil.copytree(recipes, work / "recipes", ignore=shutil.ignore_patterns("__pycache__"))
    runner = _PageRunner(page, work, _environment(folder))
    try:
        yield runner
    finally:
        runner.close()


class _PageRunner:
    def __init__(self, page: Page, folder: Path, environment: dict[str, str]) -> None:
        self._page = page
        self._folder = folder
        self._environment = environment
        self._interpreter: Interpreter | None = None
        self._printed: str | None = None
        self._languages: dict[str, Callable[[Block], None]] = {
            "python": self._python,
            "bash": self._bash,
            "shell": self._bash,
            "yaml": _parser(yaml.safe_load, yaml.YAMLError),
            "toml": _parser(tomllib.loads, tomllib.TOMLDecodeError),
            "json": _parser(json.loads, json.JSONDecodeError),
            "jsonl": _parser(_json_lines, json.JSONDecodeError),
            "jinja": _no_syntax,
            "text": _no_syntax,
            "console": _no_syntax,
            "mermaid": _mermaid,
        }

    def check(self, block: Block) -> Iterator[str]:
        try:
            self._check(block)
        except BrokenPageError as error:
            yield f"{self._page.at(block.line)}: {error}"

    def close(self) -> None:
        if self._interpreter is not None:
            self._interpreter.close()

    def _check(self, block: Block) -> None:
        check = self._languages.get(block.language)
        if check is None:
            raise BrokenPageError(f"the language {block.language!r} is not known")
        _check_options(block)
        if "output" in block.options:
            check(block)
            self._compare(block)
            return
        self._printed = None
        if "file" in block.options:
            self._write(block)
        check(block)

    def _write(self, block: Block) -> None:
        target = self._folder / block.options["file"]
        if not target.resolve().is_relative_to(self._folder.resolve()):
            raise BrokenPageError(f"file={block.options['file']} leads out of the page's folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(block.text, encoding="utf-8")

    def _compare(self, block: Block) -> None:
        if self._printed is None:
            raise BrokenPageError("there is no executed block before this output")
        difference = first_difference(block.text, self._printed, self._folder)
        if difference is not None:
            raise BrokenPageError(difference)

    def _python(self, block: Block) -> None:
        if "needs" in block.options or "file" in block.options:
            self._compile(block)
            return
        outcome = self._python_process().execute(
            block.text, file=str(self._page.path), line=block.line
        )
        if outcome.error is not None:
            raise BrokenPageError(outcome.error)
        self._printed = outcome.output

    def _compile(self, block: Block) -> None:
        try:
            tree = ast.parse(block.text)
        except SyntaxError as error:
            raise BrokenPageError(f"no valid Python: {error}") from error
        imports = "\n".join(_first_party_imports(tree))
        outcome = self._python_process().execute(imports, file="imports", line=1)
        if outcome.error is not None:
            raise BrokenPageError(outcome.error)

    def _python_process(self) -> Interpreter:
        if self._interpreter is None:
            self._interpreter = Interpreter(self._folder, self._environment)
        return self._interpreter

    def _bash(self, block: Block) -> None:
        if "needs" in block.options:
            self._run_bash(["-n"], block)
            return
        done = self._run_bash(["-eu", "-o", "pipefail"], block)
        self._printed = done

    def _run_bash(self, options: list[str], block: Block) -> str:
        done = subprocess.run(
            ["bash", *options, "-c", block.text],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_BASH_LIMIT_S,
        )
        expected = int(block.options.get("fails", "0"))
        if done.returncode != expected:
            raise BrokenPageError(f"exit code {done.returncode}, not {expected}:\n{done.stdout}")
        return done.stdout


def _environment(folder: Path) -> dict[str, str]:
    """An environment with our own programs first, and nothing of the caller's settings."""
    shims, home = folder / "bin", folder / "home"
    for new in (shims, home):
        new.mkdir(parents=True)
    for name, text in (("uv", _UV), ("python3", _PYTHON3)):
        (shims / name).write_text(text)
        (shims / name).chmod(0o755)
    path = os.pathsep.join([str(shims), str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    # A terminal's encoding, whatever locale the test itself runs under.
    return {**kept, "PATH": path, "HOME": str(home), "PYTHONUTF8": "1", "LC_ALL": "C.UTF-8"}


def _check_options(block: Block) -> None:
    unknown = sorted(set(block.options) - _OPTIONS)
    if unknown:
        raise BrokenPageError(f"the option {unknown[0]!r} is not known")
    needs = block.options.get("needs")
    if needs is not None and needs not in NEEDS:
        raise BrokenPageError(f"needs={needs} is none of {', '.join(sorted(NEEDS))}")


def _first_party_imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and _is_first_party(node.module or ""):
            yield ast.unparse(node)
        if isinstance(node, ast.Import):
            for name in node.names:
                if _is_first_party(name.name):
                    yield f"import {name.name}"


def _is_first_party(module: str) -> bool:
    return _FIRST_PARTY.fullmatch(module.partition(".")[0]) is not None


def _parser(parse: Callable[[str], object], error: type[Exception]) -> Callable[[Block], None]:
    def check(block: Block) -> None:
        try:
            parse(block.text)
        except error as problem:
            raise BrokenPageError(f"no valid {block.language}: {problem}") from problem

    return check


def _json_lines(text: str) -> None:
    for line in text.splitlines():
        json.loads(line)


def _no_syntax(_block: Block) -> None:
    """Any text will do."""


def _mermaid(block: Block) -> None:
    lines = [line for line in block.text.splitlines() if not line.startswith("%%")]
    if not lines or not f"{lines[0]} ".startswith(_DIAGRAMS):
        raise BrokenPageError("the diagram does not begin with a known keyword")
