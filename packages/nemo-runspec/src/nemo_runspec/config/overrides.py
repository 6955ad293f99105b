"""Apply Hydra-style overrides to a configuration."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from nemo_runspec.config.files import first_line
from nemo_runspec.config.grammar import Override, OverrideKind, parse_override
from nemo_runspec.errors import ConfigError
from nemo_runspec.redaction import known_secrets, redact_value
from nemo_runspec.suggest import did_you_mean

OPEN_SECTIONS = ("run", "artifacts")

KnownKey = Callable[[tuple[str, ...]], bool]


def apply_hydra_overrides(config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """Apply ``key=value`` overrides with Hydra's grammar.

    ``a.b=1`` changes what exists, ``+a.c=2`` adds what does not, ``++a.c=2`` does either,
    ``~a.d`` removes (``~a.d=1`` only that value). A mapping is merged into the one that
    stands there; everything else replaces it. In ``run`` and ``artifacts`` a plain
    ``key=value`` may add.

    Args:
        config: The configuration; it is not changed.
        overrides: The overrides, applied in order.

    Returns:
        A new configuration.

    Raises:
        ConfigError: An override does not follow the grammar or does not fit the configuration.
    """
    return apply_overrides(config, [parse_override(text) for text in overrides])


def apply_overrides(
    config: DictConfig, overrides: Sequence[Override], *, is_known: KnownKey | None = None
) -> DictConfig:
    """Apply parsed overrides.

    Args:
        config: The configuration; it is not changed.
        overrides: The overrides, applied in order.
        is_known: Tells whether a key that the configuration omits may be set all the same.
    """
    changed = copy.deepcopy(config)
    for override in overrides:
        try:
            _apply(changed, override, is_known or _nothing_more)
        except OmegaConfBaseException as error:
            raise ConfigError(
                f"The override does not fit: {first_line(error)}.", where=override.text
            ) from error
    return changed


def _nothing_more(_path: tuple[str, ...]) -> bool:
    return False


def _apply(config: DictConfig, override: Override, is_known: KnownKey) -> None:
    if "/" in override.key or "@" in override.key:
        raise ConfigError(
            f"'{override.key}' is a config group that no 'defaults' list names.",
            where=override.text,
            hint="Use a.b=value for a key inside a section.",
        )
    if override.kind is OverrideKind.DELETE:
        _delete(config, override)
    else:
        _assign(config, override, is_known)


def _assign(config: DictConfig, override: Override, is_known: KnownKey) -> None:
    path = override.path
    may_add = override.kind is not OverrideKind.SET or path[0] in OPEN_SECTIONS or is_known(path)
    parent: DictConfig | ListConfig = config
    for depth, part in enumerate(path[:-1]):
        parent = _child(parent, part, override, path[: depth + 1], may_add=may_add)
    key = _existing_key(parent, path[-1])
    if key is None:
        if not may_add:
            raise _unknown(parent, path, override)
        _add(parent, path[-1], override)
        return
    exists = not _is_empty(parent, key)
    if override.kind is OverrideKind.ADD and exists and not isinstance(override.value, dict):
        raise ConfigError(
            f"'{override.key}' exists already.",
            where=override.text,
            hint=f"Write {override.key}=… to change it, or ++{override.key}=… to do either.",
        )
    if not may_add:
        _refuse_new_keys(parent, key, override, override.value, path)
    _put(parent, key, override.value)


def _child(
    parent: DictConfig | ListConfig,
    part: str,
    override: Override,
    path: tuple[str, ...],
    *,
    may_add: bool,
) -> DictConfig | ListConfig:
    shown = ".".join(path)
    key = _existing_key(parent, part)
    if key is None or _is_empty(parent, key):
        if not may_add:
            raise _unknown(parent, path, override) if key is None else _no_value(shown, override)
        if key is None and isinstance(parent, ListConfig):
            raise _no_element(parent, path, override)
        _put(parent, part if key is None else key, {})
        key = _existing_key(parent, part)
    if OmegaConf.is_interpolation(parent, key):
        raise ConfigError(
            f"'{shown}' refers to another key, so nothing below it can be overridden.",
            where=override.text,
            hint=f"Override the key that it refers to, or '{shown}' itself.",
        )
    child = parent[key]
    if not isinstance(child, (DictConfig, ListConfig)):
        raise ConfigError(
            f"'{shown}' is the value {_shown(path, child)}, so it has no key below it.",
            where=override.text,
            hint=f"Write {shown}={{…}} to replace it by a section.",
        )
    return child


def _delete(config: DictConfig, override: Override) -> None:
    path = override.path
    parent: DictConfig | ListConfig = config
    for depth, part in enumerate(path[:-1]):
        parent = _child(parent, part, override, path[: depth + 1], may_add=False)
    key = _existing_key(parent, path[-1])
    if key is None:
        raise _unknown(parent, path, override)
    if override.has_value and (found := _raw(parent, key)) != override.value:
        raise ConfigError(
            f"'{override.key}' is {_shown(path, found)}, not {_shown(path, override.value)}; "
            "it was not removed.",
            where=override.text,
        )
    if isinstance(parent, ListConfig):
        del parent[key]
        return
    with open_dict(parent):
        del parent[key]


def _shown(path: tuple[str, ...], value: Any) -> str:
    return repr(redact_value(path, value, known_secrets()))


def _existing_key(parent: DictConfig | ListConfig, part: str) -> Any:
    if isinstance(parent, ListConfig):
        return int(part) if part.isdecimal() and int(part) < len(parent) else None
    keys = list(parent.keys())
    return part if part in keys else next((key for key in keys if str(key) == part), None)


def _is_empty(parent: DictConfig | ListConfig, key: Any) -> bool:
    if OmegaConf.is_interpolation(parent, key):
        return False
    return OmegaConf.is_missing(parent, key) or parent[key] is None


def _raw(parent: DictConfig | ListConfig, key: Any) -> Any:
    return OmegaConf.to_container(parent, resolve=False)[key]  # type: ignore[index]


def _add(parent: DictConfig | ListConfig, part: str, override: Override) -> None:
    if isinstance(parent, ListConfig):
        raise _no_element(parent, override.path, override)
    _put(parent, part, override.value)


def _put(parent: DictConfig | ListConfig, key: Any, value: Any) -> None:
    if isinstance(value, dict) and _is_section(parent, key):
        for name, item in value.items():
            _put(parent[key], name, item)
        return
    if isinstance(parent, ListConfig):
        parent[key] = value
        return
    with open_dict(parent):
        parent[key] = value


def _refuse_new_keys(
    parent: DictConfig | ListConfig, key: Any, override: Override, value: Any, path: tuple[str, ...]
) -> None:
    if not isinstance(value, dict) or not _is_section(parent, key):
        return
    section = parent[key]
    for name, item in value.items():
        inner = (*path, str(name))
        found = _existing_key(section, str(name))
        if found is None:
            raise _unknown(section, inner, override)
        _refuse_new_keys(section, found, override, item, inner)


def _is_section(parent: DictConfig | ListConfig, key: Any) -> bool:
    if _existing_key(parent, str(key)) is None or OmegaConf.is_interpolation(parent, key):
        return False
    return not OmegaConf.is_missing(parent, key) and isinstance(parent[key], DictConfig)


def _unknown(
    parent: DictConfig | ListConfig, path: tuple[str, ...], override: Override
) -> ConfigError:
    if isinstance(parent, ListConfig):
        return _no_element(parent, path, override)
    near = did_you_mean(path[-1], (str(key) for key in parent))
    to_add = f"To add it, write +{override.key}=…"
    if override.kind is OverrideKind.DELETE:
        to_add = ""
    return ConfigError(
        f"The configuration has no key '{'.'.join(path)}'.",
        where=override.text,
        hint=" ".join(part for part in (near, to_add) if part) or None,
    )


def _no_value(shown: str, override: Override) -> ConfigError:
    return ConfigError(
        f"'{shown}' has no value, so it has no key below it.",
        where=override.text,
        hint=f"To add one, write +{override.key}=…",
    )


def _no_element(parent: ListConfig, path: tuple[str, ...], override: Override) -> ConfigError:
    return ConfigError(
        f"The list '{'.'.join(path[:-1])}' has {len(parent)} elements and no '{path[-1]}'.",
        where=override.text,
        hint=f"Replace the whole list: {'.'.join(path[:-1])}=[…]",
    )
