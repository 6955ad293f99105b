"""Random trees of packages whose modules import each other in every way there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

# Leaves have names in common with each other, and with a package at the top.
UNIVERSE = (
    *("pine", "pine.cone", "pine.bark", "pine.oak", "pine.oak.cone", "pine.oak.leaf"),
    *("pine.oak.oak", "pine.oak.oak.bark", "oak", "oak.bark", "oak.pine", "moss"),
)
PACKAGES = {name.rpartition(".")[0] for name in UNIVERSE if "." in name}
BESIDE_THE_SCRIPT = ("moss",)
FOUND = ("value", "function", "_private", "Thing")
NAMES = (*FOUND, "late")
SAFE = 6
BODY = """
import sys
from typing import TYPE_CHECKING

def say(*words):
    print(__name__, *words)

def tried(call):
    try:
        return call()
    except Exception as error:
        return f"{{type(error).__name__}}: {{str(error).partition(' (/')[0]}}"

def found():
    return sorted(name for name in globals() if not name.startswith("__"))

say("starts")
value = "value of {name}"
_private = {number}

class Thing:
    __hidden = value

    def shown(self):
        return self.__hidden, _private, type(self).__module__

def __getattr__(name):
    if name != "late":
        raise AttributeError(f"{{__name__}} has no {{name}}")
{lazy}
    return f"late in {{__name__}}"

{imports}

def function(depth=2):
    global _private
    _private += 1
{inside}
    return value, _private, Thing().shown()

say("ends", found())
"""


@dataclass(frozen=True)
class Tree:
    """Module or script name to source; the script is the empty name."""

    sources: dict[str, str]

    def write(self, folder: Path) -> Path:
        """Write the script and what lies beside it, and the packages in ``src``."""
        for name, source in self.sources.items():
            place = folder if name in ("", *BESIDE_THE_SCRIPT) else folder / "src"
            path = place / _file(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="utf-8")
        return folder / _file("")

    @property
    def files(self) -> list[str]:
        return [_file(name) for name in self.sources]

    @property
    def packages(self) -> list[str]:
        tops = {name.partition(".")[0] for name in self.sources}
        return sorted(tops - {"", *BESIDE_THE_SCRIPT})


def _file(name: str) -> str:
    if not name:
        return "run.py"
    return name.replace(".", "/") + ("/__init__.py" if name in PACKAGES else ".py")


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Draw a tree and the script that uses it."""
    wanted = draw(st.sets(st.sampled_from(UNIVERSE), min_size=3, max_size=9))
    modules = sorted({*wanted, *(parent for name in wanted for parent in _parents(name))})
    sources = {name: _source(draw, name, modules, number) for number, name in enumerate(modules)}
    return Tree({**sources, "": _script(draw, modules)})


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _source(draw: st.DrawFn, name: str, modules: list[str], number: int) -> str:
    imports = draw(st.lists(_statements(name, modules), min_size=1, max_size=3))
    inside = draw(st.lists(_statements(name, modules, in_function=True), max_size=2))
    lazy = draw(st.lists(_statements(name, modules, in_function=True, names=FOUND), max_size=1))
    return BODY.format(
        name=name,
        number=number,
        imports="\n".join(imports),
        inside=_indented(inside),
        lazy=_indented(lazy),
    )


def _script(draw: st.DrawFn, modules: list[str]) -> str:
    imports = draw(st.lists(_statements("", modules), min_size=1, max_size=5))
    calls = draw(st.lists(_uses(modules), max_size=5))
    last = 'say("modules", sorted(m for m in sys.modules if m.split(".")[0] in {tops}))'
    tops = {name.partition(".")[0] for name in modules}
    body = BODY.format(name="script", number=99, imports="\n".join(imports), inside="", lazy="")
    return "\n".join([body, *calls, last.format(tops=sorted(tops)), ""])


@st.composite
def _uses(draw: st.DrawFn, modules: list[str]) -> str:
    """Do something with a module that may have been imported by then."""
    module = f'sys.modules["{draw(st.sampled_from(modules))}"]'
    name = draw(st.sampled_from(NAMES))
    return draw(
        st.sampled_from(
            [
                f'say(tried(lambda: getattr({module}, "{name}") and "{name}"))',
                f"say(tried(lambda: {module}.function()))",
                f"say(tried(lambda: {module}.Thing().shown()))",
                f"say(tried(lambda: {module}.late))",
                f"say(tried(lambda: {module}.found()))",
                f'say(tried(lambda: setattr({module}, "value", "patched")))',
            ]
        )
    )


@st.composite
def _statements(
    draw: st.DrawFn,
    name: str,
    modules: list[str],
    *,
    in_function: bool = False,
    names: Sequence[str] = NAMES,
) -> str:
    statement = draw(_imports(name, modules, in_function=in_function, names=names))
    wrapper = draw(st.integers(0, 12))
    if wrapper <= SAFE:
        return statement
    inner = _indented([statement])
    return {
        7: f"try:\n{inner}\nexcept ImportError as error:\n    say(repr(error)[:20], error.name)",
        8: f"if sys.version_info > (3,):\n{inner}",
        9: f"if TYPE_CHECKING:\n{inner}",
        10: "try:\n    import nobody_has_this\nexcept ImportError:\n" + inner,
        11: f"try:\n{inner}\n    from {draw(st.sampled_from(modules))} import nothing\n"
        "except ImportError as error:\n    say(error.name)",
        12: f"for _ in range(2):\n{inner}",
    }[wrapper]


@st.composite
def _imports(
    draw: st.DrawFn, name: str, modules: list[str], *, in_function: bool, names: Sequence[str]
) -> str:
    target = draw(st.sampled_from(modules))
    parent, _, leaf = target.rpartition(".")
    attribute = draw(st.sampled_from(names))
    forms = [
        f"import {target}",
        f"import {target} as other",
        f"from {target} import {attribute}",
        f"from {target} import {attribute} as taken, value as _value",
        f'import importlib; named = importlib.import_module("{target}")',
    ]
    if not in_function:
        forms.append(f"from {target} import *")
    if parent:
        forms.append(f"from {parent} import {leaf}")
    relative = _relative(name, target)
    if relative:
        forms.append(f"from {relative} import {attribute}")
        forms += [] if in_function else [f"from {relative} import *"]
    relative_parent = _relative(name, parent)
    if relative_parent:
        forms.append(f"from {relative_parent} import {leaf} as related")
    return draw(st.sampled_from(forms))


def _relative(name: str, target: str) -> str:
    """Return how a module says another's name from where it is, or nothing."""
    here = name.split(".") if name in PACKAGES else name.split(".")[:-1]
    parts = target.split(".")
    shared = 0
    while shared < min(len(here), len(parts)) and here[shared] == parts[shared]:
        shared += 1
    if not shared:
        return ""
    return "." * (len(here) - shared + 1) + ".".join(parts[shared:])


def _indented(statements: list[str]) -> str:
    lines = [line for statement in statements for line in statement.splitlines()]
    return "\n".join(f"    {line}" for line in lines or ["pass"])
