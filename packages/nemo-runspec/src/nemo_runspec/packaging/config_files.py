"""The configuration beside ``main.py``, and the files that it names."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from nemo_runspec.config.locate import key_line
from nemo_runspec.config.secrets import find_secrets
from nemo_runspec.errors import PackagingError
from nemo_runspec.packaging.code.secret_files import (
    KEPT_OUT,
    holds,
    is_private_key,
    is_secret_name,
    refuse_secrets,
)
from nemo_runspec.packaging.places import Places
from nemo_runspec.redaction import known_secrets

FOLDER = "files"
_NOT_FILES = frozenset({"run", "artifacts"})
_OUTPUT = re.compile(
    r"(?:^|_)(?:out|output|outputs|save|saved|log|logs|cache|export|results?)(?:_|$)"
)
_OTHERS = re.compile(r"\$\{|://|^~|[\s:@|<>\"]")
_SUFFIXES = frozenset(
    (
        *(".json", ".jsonl", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".csv", ".tsv", ".txt"),
        *(".jinja", ".jinja2", ".j2", ".md", ".py", ".model", ".parquet", ".gz", ".zst"),
        *(".npy", ".bin", ".idx", ".pt"),
    )
)
_ENDINGS = tuple(sorted(_SUFFIXES))
_PARSERS: dict[str, Callable[[str], Any]] = {
    ".json": json.loads,
    ".yaml": yaml.safe_load,
    ".yml": yaml.safe_load,
    ".toml": tomllib.loads,
}
_LARGEST_ABSOLUTE_BYTES = 16 << 20
_LARGEST_TOTAL_BYTES = 64 << 20


@dataclass(slots=True)
class ConfigFiles:
    """A configuration that can be moved.

    Attributes:
        config: The content, paths rewritten.
        files: Path beside ``main.py`` to the file that goes there.
    """

    config: dict[Any, Any]
    files: dict[str, Path] = field(default_factory=dict)


def gather(config: DictConfig, places: Places, source: Path | None) -> ConfigFiles:
    """Find the files that a configuration names, and make it name their copies.

    A relative path is looked for where a recipe looks for it: in the working directory, then
    beside the script; then beside the configuration. Files that such a file names relative to
    itself go along. What an absolute path names goes along where it is a small file; the rest,
    and all below ``run`` and ``artifacts``, is the target's business.

    Args:
        config: The configuration, interpolations kept.
        places: Where the recipe lies.
        source: The configuration's own file, for messages.

    Raises:
        PackagingError: A named file is missing, cannot be read or holds credentials, names one
            outside of the workspace, or all are too large; or the configuration holds a secret.
    """
    secrets = ", ".join(f"'{item.key}'" for item in find_secrets(config))
    if secrets:
        raise PackagingError(
            f"The configuration holds a secret under {secrets}.",
            where=None if source is None else str(source),
            hint="Put it into an environment variable and write ${oc.env:NAME} there.",
        )
    content: Any = OmegaConf.to_container(config, resolve=False)
    gathering = _Gathering(places, source)
    try:
        moved = {
            key: value if key in _NOT_FILES else gathering.value(value, (str(key),))
            for key, value in content.items()
        }
        gathering.check()
    except OSError as error:
        raise PackagingError(
            f"A file that the configuration names cannot be read: {error.strerror}.",
            where=str(error.filename),
        ) from error
    return ConfigFiles(moved, gathering.files)


class _Gathering:
    def __init__(self, places: Places, source: Path | None) -> None:
        self.places = places
        self.source = source
        self.files: dict[str, Path] = {}
        beside = () if source is None else (source.parent,)
        self.bases = tuple(dict.fromkeys((Path.cwd(), places.folder, *beside)))

    def value(self, value: Any, keys: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            return {key: self.value(item, (*keys, str(key))) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, (*keys, str(at))) for at, item in enumerate(value)]
        if isinstance(value, str) and not any(_OUTPUT.search(key) for key in keys):
            return self.text(value, keys)
        return value

    def text(self, text: str, keys: tuple[str, ...]) -> str:
        if not text or _OTHERS.search(text):
            return text
        path = Path(text)
        if path.is_absolute():
            small = _is_file(path) and path.stat().st_size <= _LARGEST_ABSOLUTE_BYTES
            return self.copy(path) if small else text
        if not ("/" in text or path.suffix in _SUFFIXES) or self.is_around_the_recipe(path):
            return text
        for base in self.bases:
            if _is_file(base / path) or _is_folder(base / path):
                return self.copy(base / path)
            found = _matches(text, base)
            if found:
                return self.copy_all(found, base / path)
        if path.suffix.lower() in _SUFFIXES:
            raise self.missing(text, keys)
        return text

    def missing(self, text: str, keys: tuple[str, ...]) -> PackagingError:
        line = None if self.source is None else key_line(self.source, keys)
        where = f"{self.source or 'config'}{'' if line is None else f':{line}'}: {'.'.join(keys)}"
        return PackagingError(
            f"The configuration names {text!r}, and there is no such file.",
            where=where,
            hint=f"It was looked for in {', '.join(str(base) for base in self.bases)}; give an "
            "absolute path for one that only the target has.",
        )

    def is_around_the_recipe(self, path: Path) -> bool:
        """Such a folder, as ``../`` is, is a place to work in and nothing to copy."""
        found = [os.path.normpath(base / path) for base in self.bases]
        return any(self.places.folder.is_relative_to(folder) for folder in found)

    def copy(self, path: Path) -> str:
        # By its name, not by what links lead to: so do those who look for neighbours of a file.
        named = Path(os.path.normpath(path.absolute()))
        target = self.placed(named)
        if named.is_dir():
            for file in sorted(_files_below(named)):
                # A folder is whole in itself: a tokenizer names nothing beside it.
                self.files.setdefault(f"{target}/{file.relative_to(named).as_posix()}", file)
        else:
            self.take(target, named)
        return target

    def copy_all(self, paths: Iterable[Path], pattern: Path) -> str:
        for path in paths:
            self.copy(path)
        return self.placed(Path(os.path.normpath(pattern.absolute())))

    def placed(self, path: Path) -> str:
        if path.is_relative_to(self.places.workspace):
            return f"{FOLDER}/{path.relative_to(self.places.workspace).as_posix()}"
        return f"{FOLDER}/outside{path.as_posix()}"

    def take(self, target: str, file: Path) -> None:
        if target in self.files:
            return
        self.files[target] = file
        if file.suffix.lower() in _PARSERS and file.stat().st_size <= _LARGEST_ABSOLUTE_BYTES:
            folder = file.parent
            for text in _texts(_parsed(file)):
                if "/" in text or text.endswith(_ENDINGS):
                    self.named_inside(text, folder, file)

    def named_inside(self, text: str, folder: Path, naming: Path) -> None:
        if _OTHERS.search(text) or text.startswith("/"):
            return
        for path in [folder / text, *_matches(text, folder)]:
            if _is_file(path):
                self.refuse_far(path, folder, naming)
                self.copy(path)

    def refuse_far(self, path: Path, folder: Path, naming: Path) -> None:
        """A file that came from somewhere must not say which of this machine's files travel."""
        named = os.path.normpath(path.absolute())
        if not any(Path(named).is_relative_to(base) for base in (self.places.workspace, folder)):
            raise PackagingError(
                f"The file names {named!r}, outside of the workspace and of its own folder.",
                where=str(naming),
                hint="If that is meant to be sent along, name it in the configuration itself.",
            )

    def check(self) -> None:
        secret = [
            target
            for target, file in self.files.items()
            if is_secret_name(target)
            or is_secret_name(file.resolve().as_posix().lstrip("/"))
            or is_private_key(_head(file))
        ]
        refuse_secrets(secret, self.places.folder, KEPT_OUT)
        total_bytes = sum(file.stat().st_size for file in self.files.values())
        if total_bytes > _LARGEST_TOTAL_BYTES:
            largest = max(self.files.values(), key=lambda file: file.stat().st_size)
            raise PackagingError(
                f"The files that the configuration names are {total_bytes:,} bytes large, more "
                f"than the {_LARGEST_TOTAL_BYTES:,} that are packaged.",
                where=str(largest),
                hint="Name data by an absolute path or URL that the target sees.",
            )
        known = known_secrets()
        files = self.files.items() if known else ()
        telling = [target for target, file in files if holds(file.read_bytes(), known)]
        refuse_secrets(telling, self.places.folder, KEPT_OUT)


def _is_file(path: Path) -> bool:
    # Unlike pathlib's, these say no of a text that no file can be named like.
    return os.path.isfile(path)  # noqa: PTH113


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield all files, those behind links included; a link that leads back up is not followed."""
    for place, folders, names in os.walk(folder, followlinks=True):
        here = Path(place)
        real = here.resolve()
        folders[:] = [each for each in folders if not real.is_relative_to((here / each).resolve())]
        yield from (here / name for name in names if _is_file(here / name))


def _matches(pattern: str, folder: Path) -> list[Path]:
    if not any(mark in pattern for mark in "*?["):
        return []
    # Path.glob refuses patterns that go up.
    names = glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207
    return [folder / name for name in sorted(names)]


def _head(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(80)


def _parsed(file: Path) -> Any:
    """The content of a file that may name others; nothing where it cannot be read."""
    try:
        return _PARSERS[file.suffix.lower()](file.read_text(encoding="utf-8"))
    except (ValueError, yaml.YAMLError, RecursionError):
        return None


def _texts(value: Any) -> Iterator[str]:
    # Tokenizers hold tens of thousands of texts: generators inside generators take their time.
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(reversed(item.values()))
        elif isinstance(item, list):
            waiting.extend(reversed(item))
        elif isinstance(item, str):
            yield item
