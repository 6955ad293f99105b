"""Make artifact expressions independent of the ``run`` section they were written for."""

from __future__ import annotations

from collections.abc import Iterator

from nemo_runspec.config.deferral import ART, Deferral, Path
from nemo_runspec.config.escaping import quote
from nemo_runspec.config.interpolations import (
    Tree,
    first_argument,
    is_reference,
    outermost,
    parse_text,
    resolver_name,
    span,
)

_RUN = "run"


def with_direct_references(text: str, path: Path, deferral: Deferral) -> str:
    """Replace ``${art:KEY,F}`` by ``${art:'NAME:VERSION',F}``, wherever it stands in a text.

    Args:
        text: The text at a path.
        path: Where it stands.
        deferral: What is known about the configuration.

    Returns:
        The text; an expression whose reference only the target knows is left as it is.
    """
    replaced, end = [], 0
    for start, stop, reference in _replacements(parse_text(text), path, deferral):
        if start < end:
            continue
        replaced += [text[end:start], quote(reference)]
        end = stop
    return "".join([*replaced, text[end:]])


def _replacements(tree: Tree, path: Path, deferral: Deferral) -> Iterator[tuple[int, int, str]]:
    for part in outermost(tree):
        if is_reference(part) or deferral.in_tree(resolver_name(part), path):
            continue
        if deferral.name_of(part, path) != ART:
            continue
        argument = first_argument(part)
        if argument is None or deferral.in_tree(argument, path):
            continue
        reference = _reference(deferral.evaluate(argument, path), deferral)
        if reference is not None:
            yield (*span(argument), reference)


def _reference(key: str, deferral: Deferral) -> str | None:
    from nemo_runspec.resolvers.references import RESERVED_KEYS, is_direct

    section = deferral.raw.get(_RUN) if isinstance(deferral.raw, dict) else None
    if is_direct(key) or key in RESERVED_KEYS or not isinstance(section, dict):
        return None
    path = next(((_RUN, name) for name in section if str(name) == key), None)
    if path is None or deferral.of(path):
        return None
    value = deferral.resolve(path)
    if not isinstance(value, str) or not value:
        return None
    return value if is_direct(value) else f"{value}:latest"
