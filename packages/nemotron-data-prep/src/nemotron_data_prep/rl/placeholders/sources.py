"""Which dataset a placeholder stands for, and where in its rows questions and answers are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts import InputDatasetInfo
from nemo_runspec.errors import DataError
from nemo_runspec.suggest import did_you_mean
from nemotron_data_prep.blend import Dataset, TransformSpec
from nemotron_data_prep.blend_file import HUB_KEYS, read_entry
from nemotron_data_prep.sources.files import find_files
from nemotron_data_prep.sources.opening import as_uri
from nemotron_data_prep.sources.source_file import SourceFile

NEMOTRON = "nemotron"

_TEXTS = ("question", "answer", "key", "prefix", "suffix")
_DATASET_KEYS = ("path", "format", *HUB_KEYS)
_DAPO = {
    "name": "DAPO-Math-17k",
    "path": "hf://datasets/BytedTsinghua-SIA/DAPO-Math-17k",
    "source_split": "train",
    "question": "prompt.0.content",
    "answer": "reward_model.ground_truth",
    "prefix": (
        "Solve the following math problem step by step. The last line of your response should "
        "be of the form Answer: $Answer (without quotes) where $Answer is the answer to the "
        "problem."
    ),
    "suffix": 'Remember to put your answer on its own line after "Answer:".',
}
_SKYWORK = {
    "name": "Skywork-OR1-RL-Data",
    "path": "hf://datasets/Skywork/Skywork-OR1-RL-Data",
    "source_split": "math",
    "question": "prompt.0.content",
    "answer": "reward_model.ground_truth",
}
CATALOGUE: Mapping[str, Mapping[str, str]] = {
    "nano_v3_sft_profiled_dapo17k": _DAPO,
    "nano_v3_sft_profiled_skywork_no_omni": _SKYWORK,
    "super_v3_lcsft_step1000_dapo17k": _DAPO,
    "super_v3_lcsft_step1000_skyworks_no_omni": _SKYWORK,
    "super_v3_lcsft_step1000_math_tir_skywork_no_omni": _SKYWORK,
}
"""What the ``dataset`` field of Nemotron's published blends names."""


@dataclass(frozen=True, slots=True)
class Source:
    """How placeholders of one name are filled.

    Attributes:
        dataset: The index of the dataset that they stand for.
        question: Path of the question in its rows.
        answer: Path of the answer.
        key: Path of what ``key`` in a placeholder is compared with; None where rows go by number.
        prefix: What stands before every question there and is taken off.
        suffix: What stands behind every question there and is taken off.
    """

    dataset: int
    question: str
    answer: str
    key: str | None = None
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Sources:
    """All sources of a run, and the datasets behind them, pinned.

    Attributes:
        by_name: The sources by what the ``dataset`` field of placeholders says.
        datasets: Each dataset once.
        files: Their files.
    """

    by_name: Mapping[str, Source]
    datasets: tuple[Dataset, ...]
    files: tuple[SourceFile, ...]

    def identity(self) -> list[Any]:
        """What a run's name says of them, as JSON values."""
        fills = [[name, asdict(source)] for name, source in sorted(self.by_name.items())]
        files = [
            [file.dataset, file.format, file.compression, file.identity, file.size_bytes]
            for file in self.files
        ]
        return [fills, files]

    def lineage(self, filled: Sequence[int]) -> list[InputDatasetInfo]:
        """The lineage record of the files that placeholders were filled from.

        Args:
            filled: How many were filled, by dataset.
        """
        return [
            InputDatasetInfo(
                name=self.datasets[file.dataset].name,
                uri=as_uri(file.uri),
                revision=file.identity,
                size_bytes=file.size_bytes,
                rows=filled[file.dataset],
            )
            for file in self.files
            if filled[file.dataset]
        ]


def named_sources(spec: TransformSpec) -> Any:
    """What a transform says that placeholders stand for; None where it fills none."""
    return spec.options.get("placeholders") if spec.name == "nemotron_rl" else None


def find_sources(options: Sequence[Any], folder: Path, where: str) -> Sources | None:
    """Find and pin the datasets that placeholders stand for.

    Args:
        options: The option ``placeholders`` of each transform that has it: ``"nemotron"``, or an
            object that maps names to entries. An entry has ``path``, ``question``, ``answer``
            and what else a source needs; one of a name that Nemotron's blends use changes only
            what it says.
        folder: What relative paths are relative to.
        where: Names the blend in messages.

    Returns:
        The sources, or None where no transform asks for any.

    Raises:
        DataError: An entry is wrong, or a dataset cannot be found.
    """
    entries: dict[str, Mapping[str, Any]] = {}
    for option in options:
        for name, entry in _entries(option, where).items():
            if entries.setdefault(name, entry) != entry:
                raise DataError(f"Two transforms fill {name!r} in different ways.", where=where)
    if not entries:
        return None
    datasets: list[Dataset] = []
    by_name = {}
    for name, entry in entries.items():
        place = f"{where}: placeholders: {name}"
        index = _index(datasets, _dataset(name, entry, folder, place))
        by_name[name] = _source(index, entry, place)
    return Sources(by_name, tuple(datasets), find_files(datasets))


def _entries(option: Any, where: str) -> Mapping[str, Mapping[str, Any]]:
    if option == NEMOTRON:
        return CATALOGUE
    if not isinstance(option, Mapping) or not all(
        isinstance(entry, Mapping) for entry in option.values()
    ):
        raise DataError(
            "'placeholders' is neither 'nemotron' nor an object of sources.",
            where=where,
            hint='Write {"NAME": {"path": "…", "question": "…", "answer": "…"}}.',
        )
    return {name: _completed(name, entry) for name, entry in option.items()}


def _completed(name: str, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    known = dict(CATALOGUE.get(name, {}))
    if "path" in entry:
        known = {key: value for key, value in known.items() if key not in ("name", *HUB_KEYS)}
    return {**known, **entry}


def _dataset(name: str, entry: Mapping[str, Any], folder: Path, where: str) -> Dataset:
    for key in entry:
        known = ("name", *_DATASET_KEYS, *_TEXTS)
        if key not in known:
            raise DataError(f"Unknown key {key!r}.", where=where, hint=did_you_mean(key, known))
    named = {"name": entry.get("name", name)}
    return read_entry(
        {**named, **{key: entry[key] for key in _DATASET_KEYS if key in entry}}, folder, where
    )


def _index(datasets: list[Dataset], dataset: Dataset) -> int:
    """Where a dataset is listed, whatever it is called; it is added where it is not."""
    for index, other in enumerate(datasets):
        if replace(other, name=dataset.name) == dataset:
            return index
    datasets.append(dataset)
    return len(datasets) - 1


def _source(index: int, entry: Mapping[str, Any], where: str) -> Source:
    texts = {key: entry[key] for key in _TEXTS if key in entry}
    for key, value in texts.items():
        if not isinstance(value, str) or not value:
            raise DataError(f"{key!r} must be a text that is not empty.", where=where)
    for key in ("question", "answer"):
        if key not in texts:
            raise DataError(f"{key!r} is missing.", where=where)
    return Source(index, **texts)
