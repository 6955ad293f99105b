"""The tokenizer that belongs to a converted model."""

from __future__ import annotations

import shutil
from pathlib import Path

_FILES = (
    "tokenizer*.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "chat_template.*",
)


def tokenizer_files(folder: Path) -> list[Path]:
    """The files of a tokenizer in a folder; none where it has no tokenizer."""
    found = [file for pattern in _FILES for file in folder.glob(pattern) if file.is_file()]
    return sorted(set(found))


def copy_tokenizer(source: Path, target: Path) -> None:
    """Give a model the tokenizer of another folder in place of its own.

    Args:
        source: A folder with a tokenizer; where it has none, nothing is done.
        target: The model's folder.
    """
    files = tokenizer_files(source)
    if not files:
        return
    for file in tokenizer_files(target):
        file.unlink()
    for file in files:
        shutil.copyfile(file, target / file.name)
