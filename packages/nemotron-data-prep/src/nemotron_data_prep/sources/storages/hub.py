"""Datasets on the Hugging Face Hub, read at a commit; log-in is found as by its own client."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from glob import has_magic
from typing import IO, Any, cast

from nemo_runspec.amounts import show_count
from nemo_runspec.errors import DataError
from nemo_runspec.suggest import did_you_mean
from nemotron_data_prep.blend import Dataset
from nemotron_data_prep.sources.formats import by_suffix
from nemotron_data_prep.sources.hub_address import HubDataset, parse_hub_path
from nemotron_data_prep.sources.hub_splits import (
    Splits,
    converted_splits,
    default_subset,
    matching,
    splits_of,
    subsets,
)
from nemotron_data_prep.sources.storages.base import Stored, explained, require
from nemotron_data_prep.sources.storages.hub_errors import HubErrors

logger = logging.getLogger(__name__)

_CARDS = ("README.md", ".huggingface.yaml")
_CONVERTED = "refs/convert/parquet"
_PREFERRED = ("parquet", "jsonl", "text")
_TIMEOUT_S = 30.0


class HubStorage:
    """The Hugging Face Hub through its own client, with its retries.

    Raises:
        MissingDependencyError: huggingface_hub is not installed.
    """

    def __init__(self, scheme: str) -> None:
        require("huggingface_hub", extra="hf", scheme=scheme)
        from huggingface_hub import HfApi, HfFileSystem

        endpoint = os.environ.get("HF_ENDPOINT")
        self._api = HfApi(endpoint=endpoint)
        self._filesystem: Any = HfFileSystem(endpoint=endpoint, skip_instance_cache=True)
        self._errors = HubErrors(str(self._api.endpoint))
        self.errors = self._errors.types

    def files(self, dataset: Dataset) -> list[Stored]:
        """The files that a dataset's path, subset and split mean, at the commit of now.

        Raises:
            DataError: They are unknown or ambiguous, or the Hub refused.
        """
        address = parse_hub_path(dataset)
        with explained(self, dataset.path):
            commit = self._commit(address)
            if not address.path:
                return self._of_card(address, commit, dataset)
            if has_magic(address.path):
                folder = _fixed_folder(address.path)
                files = self._files(address, commit, folder)
                return [files[path] for path in matching(address.path, list(files))]
            return self._of_path(address, commit)

    def open(self, stored: Stored) -> IO[bytes]:
        """Open a file so that every read is one request."""
        opened = self._filesystem.open(stored.uri, "rb", cache_type="none", size=stored.size_bytes)
        return cast("IO[bytes]", opened)

    def verify(self, stored: Stored) -> None:
        """Nothing: a commit does not change."""

    def explain(self, error: Exception, uri: str) -> DataError:
        """The error for a request that failed."""
        return self._errors.explain(error, uri)

    def _commit(self, address: HubDataset) -> str:
        from huggingface_hub.errors import RevisionNotFoundError

        try:
            info = self._api.dataset_info(
                address.repo, revision=address.revision, timeout=_TIMEOUT_S
            )
        except RevisionNotFoundError as error:
            raise self._unknown_revision(address) from error
        return str(info.sha)

    def _unknown_revision(self, address: HubDataset) -> DataError:
        refs = self._api.list_repo_refs(address.repo, repo_type="dataset")
        names = [ref.name for ref in (*refs.branches, *refs.tags)]
        return DataError(
            f"{address.repo} has no revision {address.revision!r}.",
            where=f"hf://datasets/{address.repo}",
            hint=did_you_mean(str(address.revision), names),
        )

    def _files(self, address: HubDataset, commit: str, folder: str) -> dict[str, Stored]:
        """All files below a folder: a request per thousand."""
        listed = self._api.list_repo_tree(
            address.repo, folder or None, recursive=True, revision=commit, repo_type="dataset"
        )
        return dict(_stored(address, commit, listed))

    def _of_path(self, address: HubDataset, commit: str) -> list[Stored]:
        known = self._api.get_paths_info(
            address.repo, [address.path], revision=commit, repo_type="dataset"
        )
        files = dict(_stored(address, commit, known))
        if known and not files:
            files = self._files(address, commit, address.path)
        return list(files.values())

    def _of_card(self, address: HubDataset, commit: str, dataset: Dataset) -> list[Stored]:
        files = self._files(address, commit, "")
        paths = list(files)
        if address.revision == _CONVERTED:
            known = converted_splits(paths)
            subset = _subset(dataset, list(known), next(iter(known)) if len(known) == 1 else None)
            splits = known[subset]
        else:
            where = f"hf://datasets/{address.repo}"
            card = self._card(files)
            subset = _subset(dataset, subsets(card, where), default_subset(card, where))
            splits = splits_of(subset, card, paths, where)
        chosen = _one_format(splits[_split(dataset, subset, splits)], dataset, address)
        return [files[path] for path in chosen]

    def _card(self, files: Mapping[str, Stored]) -> dict[str, Any]:
        """The metadata of the dataset's card: YAML between dashes, or a file of its own."""
        card: dict[str, Any] = {}
        for path in _CARDS:
            if path in files:
                with self.open(files[path]) as stream:
                    text = stream.read(files[path].size_bytes).decode(errors="replace")
                head = _front_matter(text) if path.endswith(".md") else text
                card |= _metadata(head, files[path].uri)
        return card


def _stored(address: HubDataset, commit: str, listed: Any) -> Iterator[tuple[str, Stored]]:
    from huggingface_hub.hf_api import RepoFile

    for entry in listed:
        if isinstance(entry, RepoFile):
            known = f"sha256:{entry.lfs.sha256}" if entry.lfs else f"git-blob:{entry.blob_id}"
            yield entry.path, Stored(address.uri(commit, entry.path), int(entry.size), known)


def _front_matter(text: str) -> str:
    """The YAML that a Markdown file begins with; empty where it begins with none."""
    lines = text.splitlines()
    if lines[:1] != ["---"] or "---" not in lines[1:]:
        return ""
    return "\n".join(lines[1 : lines.index("---", 1)])


def _metadata(text: str, where: str) -> dict[str, Any]:
    import yaml

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError(
            "The card of the dataset is no valid YAML.",
            where=where,
            hint="Give the path of the files to read.",
        ) from error
    return document if isinstance(document, dict) else {}


def _subset(dataset: Dataset, known: Sequence[str], default: str | None) -> str:
    chosen = dataset.subset or default
    if chosen is None:
        raise DataError(
            f"The dataset {dataset.name!r} has several subsets: {', '.join(known)}.",
            where=dataset.path,
            hint="Choose one with 'subset' in the blend file.",
        )
    if chosen not in known:
        raise DataError(
            f"The dataset {dataset.name!r} has no subset {chosen!r}; it has {', '.join(known)}.",
            where=dataset.path,
            hint=did_you_mean(chosen, known),
        )
    return chosen


def _split(dataset: Dataset, subset: str, splits: Splits) -> str:
    listed = ", ".join(splits)
    if not splits:
        raise DataError(
            f"The subset {subset!r} of {dataset.name!r} has no files.",
            where=dataset.path,
            hint="Give the path of the files to read.",
        )
    if dataset.source_split is None and len(splits) > 1:
        raise DataError(
            f"The subset {subset!r} of {dataset.name!r} has several splits: {listed}.",
            where=dataset.path,
            hint="Choose one with 'source_split' in the blend file.",
        )
    chosen = dataset.source_split or next(iter(splits))
    if chosen not in splits:
        raise DataError(
            f"The subset {subset!r} of {dataset.name!r} has no split {chosen!r}; it has {listed}.",
            where=dataset.path,
            hint=did_you_mean(chosen, splits),
        )
    return chosen


def _one_format(paths: Sequence[str], dataset: Dataset, address: HubDataset) -> list[str]:
    """The files of the most common format, as the Hub takes them; the others are named."""
    if dataset.format is not None:
        return list(paths)
    formats = Counter(known for path in paths if (known := by_suffix(path)[0]))
    if not formats:
        raise DataError(
            f"The files of {dataset.name!r} are in no format that is read here, as "
            f"{paths[0]!r} is.",
            where=dataset.path,
            hint=f"The Hub's own Parquet copy may do: set 'revision' to {_CONVERTED!r}.",
        )
    best = max(formats, key=lambda known: (formats[known], -_PREFERRED.index(known)))
    chosen = [path for path in paths if by_suffix(path)[0] == best]
    if len(chosen) < len(paths):
        logger.warning(
            "%s: %s of %s read; left out, in other formats: %d",
            dataset.name,
            show_count(len(chosen), "file"),
            address.repo,
            len(paths) - len(chosen),
        )
    return chosen


def _fixed_folder(pattern: str) -> str:
    """The folder that a pattern cannot leave."""
    fixed: list[str] = []
    for part in pattern.split("/")[:-1]:
        if has_magic(part):
            break
        fixed.append(part)
    return "/".join(fixed)
