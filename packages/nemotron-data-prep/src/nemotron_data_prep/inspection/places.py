"""Find the files of a split in whatever path is given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nemo_runspec.errors import DataError, UsageError
from nemotron_data_prep.config import SPLITS
from nemotron_data_prep.importing.blends import read_splits
from nemotron_data_prep.importing.layout import BLEND_FILE, open_layout
from nemotron_data_prep.inspection.model import Kind
from nemotron_data_prep.rl.shard import FILE_NAMES

_KINDS: dict[str, Kind] = {
    ".parquet": "packs",
    ".pq": "packs",
    ".npy": "packs",
    ".bin": "documents",
    ".idx": "documents",
    ".jsonl": "prompts",
}
_SHOWN = 5
_WHAT = "packs (.parquet, .npy), documents (.bin and .idx) or prompts (.jsonl)"


@dataclass(frozen=True, slots=True)
class Place:
    """A split, or a file that is none.

    Attributes:
        kind: What its records are.
        split: Its name; None where nothing names it.
        files: Its files: Parquet or ``.npy``, ``.idx`` files, or JSONL.
    """

    kind: Kind
    split: str | None
    files: tuple[Path, ...]


def find_place(path: Path, split: str | None) -> Place:
    """Find what to inspect.

    Args:
        path: The folder of a preparation's output, a folder of files, a file, or the prefix of a
            ``.bin/.idx`` pair.
        split: Which split of an output; by default the first that has data.

    Raises:
        UsageError: There is no such split.
        DataError: Nothing there can be inspected.
    """
    if path.is_dir():
        return _in_folder(path, split)
    if path.name == BLEND_FILE:
        return _in_folder(path.parent, split)
    if split is not None:
        raise UsageError(
            "A file has no splits.", where=str(path), hint="Leave --split out, or give the folder."
        )
    prefix_index = path.parent / f"{path.name}.idx"
    if prefix_index.is_file():
        return Place("documents", None, (prefix_index,))
    if not path.is_file():
        raise DataError(
            "There is no such file or folder.",
            where=str(path),
            hint="Was it moved or deleted, or is its disk not mounted here?",
        )
    return _of_files([path], None)


def _in_folder(folder: Path, split: str | None) -> Place:
    if (folder / BLEND_FILE).is_file():
        return _in_blend(folder, split)
    prompts = {name: folder / file for name, file in FILE_NAMES.items() if (folder / file).exists()}
    if prompts:
        chosen = _choose(split, list(prompts), folder)
        return Place("prompts", chosen, (prompts[chosen],))
    if split is not None:
        raise UsageError("The folder has no splits.", where=str(folder), hint="Leave --split out.")
    return _of_files(_regular(file for file in folder.iterdir() if file.suffix in _KINDS), folder)


def _in_blend(folder: Path, split: str | None) -> Place:
    entries = read_splits(open_layout(folder, BLEND_FILE))
    chosen = _choose(split, [name for name, found in entries.items() if found], folder)
    files: list[Path] = []
    for entry in entries[chosen]:
        files += _files_of(_present(Path(entry.prefix), folder))
    return Place(_of_files(files, folder).kind, chosen, tuple(files))


def _choose(split: str | None, known: Sequence[str], folder: Path) -> str:
    ordered = [name for name in SPLITS if name in known]
    if split is None:
        return ordered[0]
    if split not in ordered:
        raise UsageError(
            f"There is no split {split!r} with data.",
            where=str(folder),
            hint=f"There is {', '.join(ordered)}.",
        )
    return split


def _present(prefix: Path, folder: Path) -> Path:
    """Where a prefix lies now: an output may have been moved with its ``blend.json``."""
    if folder.name in prefix.parts and not _files_of(prefix):
        tail = prefix.parts[prefix.parts.index(folder.name) + 1 :]
        return folder.joinpath(*tail)
    return prefix


def _files_of(prefix: Path) -> list[Path]:
    """The files that an entry of a blend means: a folder, a file, a pattern, or a pair's prefix."""
    index = prefix.parent / f"{prefix.name}.idx"
    if index.is_file():
        return [index]
    if prefix.is_dir():
        return _regular(file for file in prefix.iterdir() if _KINDS.get(file.suffix) == "packs")
    return _regular(prefix.parent.glob(prefix.name)) if prefix.name else []


def _regular(files: Iterable[Path]) -> list[Path]:
    """The files among them, in order: a pipe would be waited for."""
    return sorted(file for file in files if file.is_file())


def _of_files(files: Sequence[Path], folder: Path | None) -> Place:
    kinds: set[Kind] = {kind for file in files if (kind := _KINDS.get(file.suffix)) is not None}
    if len(kinds) != 1:
        where = str(folder or files[0])
        what = "The folder holds" if folder else "The file is"
        raise DataError(
            f"{what} {'more than one of' if kinds else 'no'} {_WHAT}.",
            where=where,
            hint=_outputs_inside(folder) if folder else None,
        )
    kind = kinds.pop()
    if kind == "documents":
        files = sorted({file.with_suffix(".idx") for file in files})
    return Place(kind, None, tuple(files))


def _outputs_inside(folder: Path) -> str | None:
    """The outputs of runs in a folder that holds several, the latest first."""
    outputs = [path.parent for path in folder.glob("[!.]*/receipt.json")]
    latest = sorted(outputs, key=lambda output: output.stat().st_mtime, reverse=True)
    names = ", ".join(output.name for output in latest[:_SHOWN])
    return f"Give one of the outputs in it, the latest first: {names}." if names else None
