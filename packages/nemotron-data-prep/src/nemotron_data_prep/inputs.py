"""Where the input files of a configuration lie, seen from any working directory."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from nemo_runspec.errors import ConfigError
from nemotron_data_prep.config import ConfigT
from nemotron_data_prep.tokenizing.hub import parse_reference


def resolve_inputs(config: ConfigT, base: Path) -> ConfigT:
    """Find the input files of a configuration from any working directory.

    Args:
        config: A configuration; relative ``blend`` and ``tokenizer`` paths that do not exist
            in the working directory are looked up in ``base``, and a tokenizer that is found in
            neither may name a repository on the Hub.
        base: Usually the folder of the recipe script.

    Returns:
        The configuration with absolute input paths; references to the Hub stay as they are.

    Raises:
        ConfigError: A path exists in neither place.
    """
    found: dict[str, Any] = {
        name: _locate(name, getattr(config, name), base)
        for name in ("blend", "tokenizer")
        if hasattr(config, name)
    }
    return dataclasses.replace(config, **found)


def _locate(key: str, path: Path | str, base: Path) -> Path | str:
    candidates = [Path(path).absolute(), (base / path).absolute()]
    for candidate in candidates:
        if candidate.exists():
            return candidate.resolve()
    if isinstance(path, str) and parse_reference(path) is not None:
        return path
    tried = " nor ".join(dict.fromkeys(str(candidate) for candidate in candidates))
    raise ConfigError(
        f"There is no {tried}.", where=key, hint=f"Set {key}=… to a file that exists."
    )
