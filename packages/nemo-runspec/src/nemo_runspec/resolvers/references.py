"""Find the artifact references of a configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nemo_runspec.artifacts.paths import local_path
from nemo_runspec.artifacts.reference import SCHEME, is_explicit_reference, looks_like_path
from nemo_runspec.errors import ConfigError

RESERVED_KEYS = frozenset({"env", "wandb", "output", "aliases", "provenance", "formats"})

ARTIFACT_KEYS = frozenset({"data", "model"})

_ART = re.compile(
    r"\$\{\s*art\s*:\s*(?:'(?P<single>[^'}]+)'|\"(?P<double>[^\"}]+)\"|(?P<bare>[^,}'\"]+))\s*[,}]"
)


def references_of(
    config: DictConfig, artifacts_key: str, declared: Collection[str] = ()
) -> dict[str, str]:
    """The references that a configuration holds, under the key that names each.

    These are the values of ``run.*`` that are references by their form; a bare name, or a path
    that exists here, under ``run.data``, ``run.model`` and the keys that the recipe declares; the
    values that some ``${art:KEY}`` reads; and direct references such as ``${art:'name:v2'}``
    (their own key).

    Args:
        config: The configuration; it is not resolved.
        artifacts_key: The section of the references, usually ``run``.
        declared: Keys that the recipe declares to read artifacts from.
    """
    named = ARTIFACT_KEYS.union(declared)
    found: dict[str, str] = {}
    section = OmegaConf.select(config, artifacts_key)
    if isinstance(section, DictConfig):
        for key in section:
            text = run_value(config, artifacts_key, str(key))
            if text is not None and (
                _is_written_as_reference(text) or (key in named and _is_name_or_folder(text))
            ):
                found[str(key)] = text
    for name in sorted(set(_names_in(OmegaConf.to_container(config, resolve=False)))):
        if is_direct(name):
            found[name] = name
            continue
        text = run_value(config, artifacts_key, name)
        if text is not None:
            found[name] = text
    return found


def keys_read(config: DictConfig, artifacts_key: str) -> set[str]:
    """The keys of the section of references that something in a configuration reads.

    There may be others among them: references that are read by themselves.

    Args:
        config: The configuration; it is not resolved.
        artifacts_key: The section of the references, usually ``run``.
    """
    content: Any = OmegaConf.to_container(config, resolve=False)
    names = set(_names_in(content))
    by_path = re.compile(rf"\$\{{[^}}]*\b{re.escape(artifacts_key)}[.\[]['\"]?(\w+)")
    plain = {key for text in _texts_in(content) for key in by_path.findall(text)}
    section = content.get(artifacts_key)
    values = section.items() if isinstance(section, dict) else ()
    # Of an earlier job's own configuration an expression holds the reference in the key's place.
    direct = {str(key) for key, value in values if isinstance(value, str) and value in names}
    return plain | names | direct


def run_value(config: DictConfig, artifacts_key: str, key: str) -> str | None:
    """The reference or path under ``run.KEY``; None where there is none.

    Raises:
        ConfigError: The value refers to itself through ``${art:…}``.
    """
    section = OmegaConf.select(config, artifacts_key)
    if key in RESERVED_KEYS or not isinstance(section, DictConfig) or key not in section:
        return None
    raw = OmegaConf.to_container(section, resolve=False)
    text = raw.get(key) if isinstance(raw, dict) else None
    if isinstance(text, str) and _ART.search(text):
        raise ConfigError(
            "An artifact reference cannot itself read an artifact.",
            where=f"{artifacts_key}.{key}",
            hint="Write the artifact's name and version there.",
        )
    if not isinstance(text, str) or text in ("", "???"):
        return None
    try:
        value = section[key]
    except OmegaConfBaseException as error:
        sentence = str(error).partition("\n")[0].rstrip(".")
        raise ConfigError(
            f"The value {text!r} cannot be resolved: {sentence}.", where=f"{artifacts_key}.{key}"
        ) from error
    return value if isinstance(value, str) else None


def is_direct(name: str) -> bool:
    """Tell a reference or path from a key of the ``run`` section."""
    return ":" in name or looks_like_path(name)


def _is_written_as_reference(text: str) -> bool:
    return text.startswith(SCHEME) or is_explicit_reference(text)


def _is_name_or_folder(text: str) -> bool:
    if not looks_like_path(text):
        return True
    local = local_path(text)
    return local is not None and os.path.lexists(local.expanduser())


def _names_in(node: Any) -> Iterator[str]:
    for text in _texts_in(node):
        for match in _ART.finditer(text):
            yield (match["single"] or match["double"] or match["bare"]).strip()


def _texts_in(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | DictConfig):
        for value in node.values():
            yield from _texts_in(value)
    elif isinstance(node, list | ListConfig):
        for value in node:
            yield from _texts_in(value)
