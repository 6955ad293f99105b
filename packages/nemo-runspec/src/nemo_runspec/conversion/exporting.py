"""Have an exporter write a model into a folder that exists only when it is whole."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from nemo_runspec.artifacts.types import ModelArtifact
from nemo_runspec.container_paths import resolve_host_path
from nemo_runspec.conversion.source import SourceModel
from nemo_runspec.conversion.tokenizers import tokenizer_files
from nemo_runspec.errors import ArtifactError, ExecutionError
from nemo_runspec.importing.huggingface import find_hf_model

logger = logging.getLogger(__name__)


class Exporter(Protocol):
    """A framework's exporter, with its settings."""

    @property
    def made_by(self) -> str:
        """Its name and release, for the record."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """What decides how its result looks; JSON values."""
        ...

    def __call__(self, checkpoint: Path, folder: Path) -> None:
        """Write the model of a step's directory into a new folder."""
        ...


_NOTE = "conversion.json"
_DIGITS = 8
_FULL = (errno.ENOSPC, errno.EDQUOT)
_DISK = "Free some space or name another folder with output_dir=FOLDER, and run it again."


@dataclass(frozen=True, slots=True)
class ConvertedModel:
    """A model in the other format.

    Attributes:
        source: What it was made from.
        folder: Where it lies, as this process sees it.
        made_by: The exporter's name and release.
        reused: Whether it was there before.
    """

    source: SourceModel
    folder: Path
    made_by: str
    reused: bool

    @property
    def artifact(self) -> ModelArtifact:
        """The model, to be recorded; its source is known to the tracking that found it."""
        place = resolve_host_path(self.folder)
        made = ModelArtifact(
            path=place,
            step=self.source.step,
            loss=self.source.loss,
            format="hf",
            metadata={
                "absolute_path": str(place),
                "iteration": self.source.step,
                "framework": "transformers",
                "converted_from": self.source.named,
                "converted_by": self.made_by,
            },
        )
        made.see_at(self.folder)
        return made


def convert_model(source: SourceModel, output_dir: Path, export: Exporter) -> ConvertedModel:
    """Convert a model, unless the same was converted before.

    The exporter writes beside the final folder, which appears by one rename when everything in it
    was checked. What an interrupted conversion left is replaced.

    Args:
        source: What to convert.
        output_dir: The folder that holds converted models.
        export: The framework's exporter.

    Raises:
        ExecutionError: The export is not whole, or something cannot be read or written.
    """
    folder = output_dir.absolute() / f"{source.label}-{_digest(source, export.settings)}"
    try:
        with _alone(folder):
            reused = (folder / _NOTE).is_file()
            if reused:
                logger.info("%s is converted already: %s.", source.named, folder)
            else:
                _write(source, folder, export)
            return ConvertedModel(source, folder, _maker(folder), reused=reused)
    except OSError as error:
        # Exporters read too: a reference that is not found, a Hub that cannot be reached.
        told = str(error.strerror or error).partition("\n")[0].rstrip(".")
        raise ExecutionError(
            f"The conversion failed: {told}.",
            where=str(error.filename or source.checkpoint),
            hint=_DISK if error.errno in _FULL else None,
        ) from error


def check_whole(folder: Path) -> None:
    """See that a folder is a model that loaders can load: configuration, tokenizer, all weights.

    Raises:
        ExecutionError: Something is missing or cut off.
    """
    try:
        found = find_hf_model(folder)
    except ArtifactError as error:
        raise ExecutionError(
            f"The exporter left an incomplete model: {error.what}", where=error.where
        ) from error
    if found is None:
        raise ExecutionError("The exporter wrote no config.json.", where=str(folder))
    if not tokenizer_files(folder):
        raise ExecutionError(
            "The exporter wrote no tokenizer.",
            where=str(folder),
            hint="Name a reference model that has one: hf_model=NAME.",
        )


def _write(source: SourceModel, folder: Path, export: Exporter) -> None:
    partial = folder.with_name(f".{folder.name}.partial")
    if partial.exists():
        logger.info("Replacing what an interrupted conversion left: %s.", partial)
        shutil.rmtree(partial)
    try:
        export(source.checkpoint, partial)
        check_whole(partial)
        note = {"source": source.named, "made_by": export.made_by, **export.settings}
        (partial / _NOTE).write_text(json.dumps(note, indent=1))
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _maker(folder: Path) -> str:
    """Who made what is there, which another release may find again."""
    return str(json.loads((folder / _NOTE).read_text())["made_by"])


def _digest(source: SourceModel, settings: Mapping[str, Any]) -> str:
    files = sorted(file for file in source.checkpoint.rglob("*") if file.is_file())
    content = [
        (str(file.relative_to(source.checkpoint)), file.stat().st_size, file.stat().st_mtime_ns)
        for file in files
    ]
    text = json.dumps([str(source.checkpoint), content, dict(settings)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time write a folder; the lock dies with its process."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.warning("Another process converts this model; waiting for it.")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
