"""What a packaged recipe needs of others: declared by its packages, and really reached."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nemo_runspec.errors import PackagingError
from nemo_runspec.exports import OWN_DISTRIBUTIONS
from nemo_runspec.packaging.closure import Closure, Use
from nemo_runspec.packaging.distributions import (
    Distribution,
    distribution_of,
    import_names,
    installed_distribution,
    normal_name,
    split_requirement,
)
from nemo_runspec.packaging.scan import Need

_CLAUSE = re.compile(r"(===|==|~=|!=|<=|>=|<|>)\s*([^\s,;)]+)")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One distribution that ``main.py`` needs.

    Attributes:
        text: As an installer reads it: ``pyarrow>=16.1``.
        name: Its name.
        clauses: Operators and versions.
        modules: Its top-level modules.
        marker: The condition under which it applies; empty for always.
    """

    text: str
    name: str
    clauses: tuple[tuple[str, str], ...]
    modules: tuple[str, ...]
    marker: str = ""


@dataclass(slots=True)
class Needs:
    """What a packaged recipe needs.

    Attributes:
        requirements: What it cannot do without.
        optional: Other modules that it imports when they are wanted.
        in_image: Modules that are not installed here and are expected where it runs.
        distributions: Our own distributions that are inside, by name.
    """

    requirements: list[Requirement] = field(default_factory=list)
    optional: list[str] = field(default_factory=list)
    in_image: list[str] = field(default_factory=list)
    distributions: dict[str, Distribution] = field(default_factory=dict)


def find_needs(
    closure: Closure, header: Sequence[str], *, image: str | None, backends: Iterable[str] = ()
) -> Needs:
    """Sort what is imported.

    Args:
        closure: What the recipe reaches.
        header: The ``dependencies`` of the recipe's own header.
        image: The container image that it runs in, which may hold what is not installed here.
        backends: Our distributions that the configuration asks for.

    Raises:
        PackagingError: An import leads nowhere.
    """
    by_module = _distributions(closure)
    own = {normal_name(found.name): found for found in by_module.values()}
    wanted = _wanted([*header, *backends], own)
    certain = {normal_name(name) for name in wanted} | _imported_now(closure, by_module)
    theirs = [text for text in header if not _is_own(text, own)]
    declared = [*_declared(closure, by_module, certain, wanted, own), *theirs]
    needs = Needs(distributions={found.name: found for _, found in sorted(own.items())})
    covered = _merge(declared, needs)
    _rest(closure, covered, needs, image=image, by_module=by_module, certain=certain)
    return needs


def _distributions(closure: Closure) -> dict[str, Distribution]:
    found: dict[str, Distribution] = {}
    for name, module in closure.modules.items():
        if "." not in name:
            distribution = distribution_of(module)
            if distribution is not None:
                found[name] = distribution
    return found


def _wanted(header: Sequence[str], own: Mapping[str, Distribution]) -> dict[str, set[str]]:
    """Names, with extras, that the header asks for, directly or through our own distributions."""
    found: dict[str, set[str]] = {}
    waiting = list(header)
    while waiting:
        name, extras = split_requirement(waiting.pop())
        known = found.setdefault(normal_name(name), set())
        distribution = own.get(normal_name(name))
        if distribution is not None:
            waiting += [text for text in distribution.dependencies if _is_own(text, own)]
            for extra in set(extras) - known:
                waiting += distribution.extras.get(extra, ())
        known.update(extras)
    return found


def _is_own(requirement: str, own: Mapping[str, Distribution]) -> bool:
    name = normal_name(split_requirement(requirement)[0])
    return name in own or name in OWN_DISTRIBUTIONS.values()


def _imported_now(closure: Closure, by_module: Mapping[str, Distribution]) -> set[str]:
    return {
        normal_name(by_module[name].name)
        for name in by_module
        if closure.strengths.get(name) is Need.NOW
    }


def _declared(
    closure: Closure,
    by_module: Mapping[str, Distribution],
    certain: set[str],
    wanted: Mapping[str, set[str]],
    own: Mapping[str, Distribution],
) -> Iterator[str]:
    """Yield the requirements that our distributions declare and reach, and those of the header."""
    for top, distribution in sorted(by_module.items()):
        if normal_name(distribution.name) not in certain:
            continue
        used = {
            use.top for use in closure.uses if _top(use) == top and use.need is not Need.OPTIONAL
        }
        for text in distribution.dependencies:
            if not _is_own(text, own) and _provides(text, used):
                yield text
        for extra in sorted(wanted.get(normal_name(distribution.name), ())):
            for text in distribution.extras.get(extra, ()):
                if not _is_own(text, own):
                    yield text


def _top(use: Use) -> str | None:
    return None if use.module is None else use.module.partition(".")[0]


def _provides(requirement: str, used: set[str]) -> bool:
    name, _ = split_requirement(requirement)
    guess = normal_name(name).replace("-", "_")
    return guess in used or bool(import_names(name) & used)


def _merge(texts: Iterable[str], needs: Needs) -> set[str]:
    """Join what several say about one distribution; returns the modules that are covered."""
    clauses: dict[tuple[str, str], set[tuple[str, str]]] = {}
    names: dict[tuple[str, str], str] = {}
    for text in texts:
        name, extras = split_requirement(text)
        plain, _, marker = text.partition(";")
        key = (normal_name(name), marker.strip())
        names[key] = f"{name}[{','.join(extras)}]" if extras else names.get(key, name)
        clauses.setdefault(key, set()).update(_CLAUSE.findall(plain))
    covered: set[str] = set()
    for key in sorted(clauses):
        found = tuple(sorted(clauses[key], key=lambda clause: (clause[1], clause[0])))
        spelled = names[key] + ",".join(operator + version for operator, version in found)
        text = f"{spelled} ; {key[1]}" if key[1] else spelled
        modules = tuple(sorted(import_names(key[0]) | {key[0].replace("-", "_")}))
        covered.update(modules)
        needs.requirements.append(Requirement(text, key[0], found, modules, key[1]))
    return covered


def _rest(
    closure: Closure,
    covered: set[str],
    needs: Needs,
    *,
    image: str | None,
    by_module: Mapping[str, Distribution],
    certain: set[str],
) -> None:
    """Sort the imports that nothing declares."""
    optional: set[str] = set()
    in_image: set[str] = set()
    undeclared: set[str] = set()
    for use in closure.uses:
        if use.top in covered:
            continue
        top = _top(use)
        distribution = by_module.get(top) if top is not None else None
        spared = distribution is not None and _can_do_without(use, distribution, certain)
        if spared or use.need is Need.OPTIONAL:
            optional.add(use.top)
        elif not use.installed:
            if image is None:
                raise _unfound(use)
            in_image.add(use.top)
        elif use.need is Need.NOW:
            undeclared.add(use.top)
        else:
            optional.add(use.top)
    undeclared -= _brought_along(needs)
    needs.requirements += [Requirement(top, top, (), (top,)) for top in sorted(undeclared)]
    needs.in_image = sorted(in_image)
    needs.optional = sorted(optional - in_image - undeclared)


def _can_do_without(use: Use, distribution: Distribution, certain: set[str]) -> bool:
    """Whether a distribution is known to go on without a module that it imports."""
    if normal_name(distribution.name) not in certain:
        return True
    if any(_provides(text, {use.top}) for texts in distribution.extras.values() for text in texts):
        return True
    # What is ours asks for its extras, and says how to get them, before it imports them.
    ours = normal_name(distribution.name) in OWN_DISTRIBUTIONS.values()
    return ours and use.need is Need.LATER and not use.installed


def _brought_along(needs: Needs) -> set[str]:
    """The modules that the requirements themselves require, as pydantic its core."""
    found: set[str] = set()
    for requirement in needs.requirements:
        distribution = installed_distribution(requirement.name)
        for text in () if distribution is None else distribution.dependencies:
            found.add(normal_name(split_requirement(text)[0]).replace("-", "_"))
    return found


def _unfound(use: Use) -> PackagingError:
    return PackagingError(
        f"The module {use.top!r} is imported and cannot be found.",
        where=use.where,
        hint="Install it where you package, name it in the 'dependencies' of the recipe's header, "
        "guard the import with try/except ImportError, or name the 'image' that has it.",
    )
