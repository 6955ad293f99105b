"""The text of ``main.py``."""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nemo_runspec.packaging.distributions import Distribution
from nemo_runspec.packaging.origin import Origin
from nemo_runspec.packaging.requirements import Needs
from nemo_runspec.packaging.runtime import part_sources

_WIDTH = 96
_START = """\
import sys
from types import ModuleType

if sys.version_info < (3, 11):
    sys.exit(f"error: main.py needs Python 3.11 or newer, and this is {sys.version.split()[0]}.")

# The importer, in parts: it makes modules out of the texts below, each when it is first imported.
_importer = {
%(importer)s}
for _name, _text in _importer.items():
    _part = sys.modules[f"_nemotron_package.{_name}"] = ModuleType(f"_nemotron_package.{_name}")
    _part.__package__ = "_nemotron_package"
    exec(compile(_text, f"nemo_runspec/packaging/runtime/{_name}.py", "exec"), vars(_part))

# Where all this comes from, and what it needs.
_about = %(about)s

# The modules: the file of each.
_modules = %(modules)s

# The files: their texts as they were.
_files = {
%(files)s}

# The recipe: it runs here, as if it were this file.
exec(_part.start(globals(), _part.Contents(_about, %(recipe)s, _modules, _files)))
"""


@dataclass(frozen=True, slots=True)
class Parts:
    """What goes into a ``main.py``.

    Attributes:
        recipe: Path of the recipe.
        title: The recipe's name and its one sentence.
        requires_python: As in the recipe's header.
        origin: The commit.
        needs: What it needs of others.
        provenance: What runs record of the code.
        modules: Module to path.
        files: Path to text, or to the bytes of data that is no text.
    """

    recipe: str
    title: str
    requires_python: str
    origin: Origin
    needs: Needs
    provenance: Mapping[str, Any]
    modules: Mapping[str, str]
    files: Mapping[str, str | bytes]


def render(parts: Parts) -> str:
    """Write ``main.py``; equal parts give equal bytes."""
    body = _START % {
        "importer": "".join(_file(name, text) for name, text in part_sources().items()),
        "about": _pretty(_about(parts)),
        "modules": _pretty(dict(sorted(parts.modules.items()))),
        "files": "".join(_file(path, parts.files[path]) for path in sorted(parts.files)),
        "recipe": json.dumps(parts.recipe),
    }
    return "\n".join(_header(parts)) + "\n" + body


def literal(text: str) -> str:
    """Spell a text as Python source, as readable as it can be."""
    if "\0" in text or "\r" in text:
        return repr(text)
    plain = "'''" not in text and not text.endswith(("'", "\\"))
    if plain:
        return f"r'''{text}'''" if "\\" in text else f"'''{text}'''"
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'''{escaped}'''"


def _file(path: str, content: str | bytes) -> str:
    value = repr(content) if isinstance(content, bytes) else literal(content)
    return f"\n{'#' * 80}\n    {json.dumps(path)}: {value},\n"


def _header(parts: Parts) -> Iterator[str]:
    yield "# /// script"
    yield f"# requires-python = {json.dumps(parts.requires_python)}"
    yield "# dependencies = ["
    for requirement in parts.needs.requirements:
        yield f"#     {json.dumps(requirement.text)},"
    yield "# ]"
    yield "# ///"
    # Titles and paths are anybody's, and must not end the text.
    yield 'r"""' + "\n".join(_description(parts)).replace('"""', "'''")
    yield '"""'
    yield ""


def _description(parts: Parts) -> Iterator[str]:
    yield parts.title
    yield ""
    yield "One file made by `nemotron package`: change its sources and package them again."
    yield f"The recipe is {parts.recipe}; {parts.origin}."
    yield ""
    yield "    python main.py --config config.yaml key=value"
    yield ""
    yield from _inside(parts)
    yield from _needed(parts.needs)


def _inside(parts: Parts) -> Iterator[str]:
    tops: dict[str, list[str]] = {}
    for name in sorted(parts.modules):
        tops.setdefault(name.partition(".")[0], []).append(name)
    known = ", ".join(f"{item.name} {item.version}" for item in parts.needs.distributions.values())
    yield f"Inside{f', of {known}' if known else ''}:"
    for top, names in tops.items():
        inner = [name[len(top) + 1 :] for name in names if name != top]
        text = f"{top}: {', '.join(inner)}" if inner else top
        yield textwrap.fill(
            text,
            _WIDTH,
            initial_indent="    ",
            subsequent_indent="        ",
            break_on_hyphens=False,
        )
    data = sorted(path for path in parts.files if not path.endswith(".py"))
    if data:
        yield f"    data: {', '.join(data)}"
    yield ""


def _needed(needs: Needs) -> Iterator[str]:
    texts = [requirement.text for requirement in needs.requirements]
    yield f"Needs, and checks at its start: {', '.join(texts) or 'nothing'}."
    if needs.in_image:
        yield f"Expects in its container: {', '.join(needs.in_image)}."
    if needs.optional:
        yield f"Imports only when wanted: {', '.join(needs.optional)}."


def _about(parts: Parts) -> dict[str, Any]:
    about = {
        "provenance": dict(parts.provenance),
        "distributions": {
            name: {"version": item.version, "entry_points": _entry_points(item, parts.modules)}
            for name, item in sorted(parts.needs.distributions.items())
        },
        "requirements": [
            [item.text, item.name, [list(clause) for clause in item.clauses], list(item.modules)]
            for item in parts.needs.requirements
            if not item.marker
        ],
    }
    content = repr([part_sources(), about, parts.recipe, sorted(parts.modules.items())])
    digest = hashlib.sha256(content.encode())
    for path in sorted(parts.files):
        data = parts.files[path]
        digest.update(repr(path).encode() + (data if isinstance(data, bytes) else data.encode()))
    return {"digest": digest.hexdigest(), **about}


def _entry_points(item: Distribution, modules: Mapping[str, str]) -> str:
    lines: list[str] = []
    for group, points in sorted(item.entry_points.items()):
        inside = {name: target for name, target in points.items() if _module(target) in modules}
        if inside:
            lines += [f"[{group}]", *(f"{name} = {inside[name]}" for name in sorted(inside))]
    return "\n".join(lines)


def _module(target: str) -> str:
    return target.partition(":")[0].strip()


def _pretty(value: Any, indent: str = "") -> str:
    """Spell nested mappings with an item a line, as Python source."""
    if not isinstance(value, dict) or not value:
        return repr(value)
    deeper = f"{indent}    "
    lines = "".join(f"{deeper}{key!r}: {_pretty(item, deeper)},\n" for key, item in value.items())
    return f"{{\n{lines}{indent}}}"
