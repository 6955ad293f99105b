"""Write a folder whole, and nothing over what somebody else put there."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nemo_runspec.errors import PackagingError

LISTING = ".nemotron-package.json"


def write_folder(folder: Path, contents: Mapping[str, bytes | Path]) -> dict[str, Path]:
    """Write files, all or none.

    In a folder that was written before, one file after the other takes its place: if this is killed
    in the midst of it, the next time makes up for it.

    Args:
        folder: Where they go; created where missing. Files that were written there before are
            replaced, and removed where they are no longer wanted; others are left alone.
        contents: Relative path to the content, or to the file that is copied.

    Returns:
        Relative path to the file.

    Raises:
        PackagingError: A file would take the place of one that was not written here or was
            changed since, or the folder cannot be written.
    """
    target = folder.absolute()
    before = _listing(target)
    _refuse_strangers(target, contents, before)
    staged = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        _stage(staged, contents)
        _publish(staged, target, before)
    except OSError as error:
        raise PackagingError(
            f"The folder cannot be written: {error.strerror}.", where=str(target)
        ) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return {name: target / name for name in contents}


def _stage(staged: Path, contents: Mapping[str, bytes | Path]) -> None:
    digests: dict[str, str] = {}
    for name, content in sorted(contents.items()):
        file = staged / name
        file.parent.mkdir(parents=True, exist_ok=True)
        data = content if isinstance(content, bytes) else content.read_bytes()
        file.write_bytes(data)
        digests[name] = hashlib.sha256(data).hexdigest()
    text = json.dumps({"format_version": 1, "files": digests}, indent=2) + "\n"
    (staged / LISTING).write_text(text, encoding="utf-8")


def _publish(staged: Path, target: Path, before: Mapping[str, set[str]]) -> None:
    if not target.exists():
        staged.rename(target)
        return
    files = [file.relative_to(staged) for file in sorted(staged.rglob("*")) if file.is_file()]
    _announce(staged, target, before)
    for file in files:
        if file.name != LISTING:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            (staged / file).replace(target / file)
    for name in before.keys() - {file.as_posix() for file in files}:
        (target / name).unlink(missing_ok=True)
    (staged / LISTING).replace(target / LISTING)


def _announce(staged: Path, target: Path, before: Mapping[str, set[str]]) -> None:
    """List what is going to be there beside what is, so that either is known as ours."""
    document = json.loads((staged / LISTING).read_text(encoding="utf-8"))
    document["replaced"] = {name: sorted(digests) for name, digests in sorted(before.items())}
    interim = staged / f"{LISTING}.interim"
    interim.write_text(json.dumps(document), encoding="utf-8")
    interim.replace(target / LISTING)


def _listing(folder: Path) -> dict[str, set[str]]:
    """The digests that each file which was packaged here may have."""
    try:
        document: Any = json.loads((folder / LISTING).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    found: dict[str, set[str]] = {}
    for part in ("files", "replaced") if isinstance(document, dict) else ():
        names = document.get(part)
        for name, digests in names.items() if isinstance(names, dict) else ():
            if _is_inside(name):
                known = digests if isinstance(digests, list) else [digests]
                found.setdefault(name, set()).update(map(str, known))
    return found


def _is_inside(name: str) -> bool:
    return not name.startswith("/") and ".." not in name.split("/")


def _refuse_strangers(
    folder: Path, contents: Mapping[str, bytes | Path], before: Mapping[str, set[str]]
) -> None:
    if folder.exists() and not folder.is_dir():
        raise PackagingError("The output is a file, not a folder.", where=str(folder))
    for name in sorted({*contents, *before}):
        file = folder / name
        link = _first_link(folder, name)
        if link is None and not file.exists():
            continue
        if link is not None or name not in before:
            what = "is there already, and was not packaged there"
        elif (
            not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() not in before[name]
        ):
            what = "was changed since it was packaged"
        else:
            continue
        raise PackagingError(
            f"'{link or name}' {what}.",
            where=str(folder),
            hint="Remove it, or choose another folder.",
        )


def _first_link(folder: Path, name: str) -> str | None:
    """The outermost symbolic link on the way to a file: packaging makes none."""
    parts = name.split("/")
    ways = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    return next((way for way in ways if (folder / way).is_symlink()), None)
