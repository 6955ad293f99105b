"""Which configurations a folder holds; no file is opened, and the standard library is enough."""

from __future__ import annotations

from pathlib import Path

SUFFIXES = (".yaml", ".yml", ".toml", ".json")


def list_configs(folder: Path) -> list[str]:
    """Name the configurations of a folder, sorted."""
    return sorted({file.stem for file in config_files(folder)})


def config_files(folder: Path) -> list[Path]:
    """The configuration files of a folder, sorted; none where there is no such folder."""
    if not folder.is_dir():
        return []
    files = (file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    return sorted(file for file in files if not file.name.startswith("."))
