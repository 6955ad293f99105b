"""The artifact types that the recipes exchange."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from nemo_runspec.artifacts.base import Artifact, Kind
from nemo_runspec.artifacts.reference import is_explicit_reference
from nemo_runspec.model_formats import ModelFormat


class InputDatasetInfo(BaseModel):
    """One source that a dataset was made from.

    Attributes:
        name: The dataset's name in its blend.
        uri: Where it was read.
        revision: ``sha256:…`` of a file, a Hub commit or an ETag.
        size_bytes: Bytes read.
        weight: Its weight in the blend.
        rows: Records read.
        tokens: Tokens it became.
    """

    model_config = ConfigDict(extra="allow")

    name: str | None = None
    uri: str
    revision: str | None = None
    size_bytes: int | None = None
    weight: float = 1.0
    rows: int | None = None
    tokens: int | None = None


class PreparedDataArtifact(Artifact):
    """What all prepared datasets share: the sources that they were made from.

    Attributes:
        source_datasets: One entry per source file or dataset.
    """

    source_datasets: list[InputDatasetInfo] = Field(default_factory=list)

    def get_input_uris(self) -> list[str]:
        """The URIs of the sources and of a tokenizer from the Hub, each once."""
        sources = (source.uri for source in self.source_datasets)
        return list(dict.fromkeys([*sources, *self._tokenizer_commit()]))

    def get_input_revisions(self) -> dict[str, str]:
        """The revision of every source that has one."""
        sources = {
            source.uri: source.revision
            for source in self.source_datasets
            if source.revision is not None and not is_explicit_reference(source.uri)
        }
        return sources | self._tokenizer_commit()

    def _tokenizer_commit(self) -> dict[str, str]:
        """The commit of a tokenizer that is recorded as ``hf://org/name@commit``, by that URI."""
        named = str(getattr(self, "tokenizer", None))
        commit = named.partition("@")[2]
        return {named: commit} if named.startswith("hf://") and commit else {}


class PretrainBlendsArtifact(PreparedDataArtifact):
    """Tokenised pretraining data in Megatron's ``.bin/.idx`` form, with its ``blend.json``.

    Attributes:
        total_tokens: Tokens in all splits.
        num_documents: Documents in all splits.
        tokenizer: What the ids mean: the tokenizer's name or path.
        vocab_size: Entries of its vocabulary.
        splits: Per split, its counts and files.
    """

    total_tokens: int = Field(default=0, ge=0)
    num_documents: int | None = Field(default=None, ge=0)
    tokenizer: str | None = None
    vocab_size: int | None = Field(default=None, ge=1)
    splits: dict[str, Any] = Field(default_factory=dict)


DataBlendsArtifact = PretrainBlendsArtifact


class SFTDataArtifact(PreparedDataArtifact):
    """Packed conversations with loss masks.

    Attributes:
        pack_size: Tokens in a full pack.
        total_tokens: Tokens in all packs, padding excluded.
        trained_tokens: Tokens that the loss mask trains.
        training_path: The packs of the training split: a folder or file.
        validation_path: The packs of the validation split.
        test_path: The packs of the test split.
        num_packs: Packs in all splits.
        tokenizer: What the ids mean: the tokenizer's name or path.
        chat_template: The template that rendered the conversations: its name or digest.
    """

    pack_size: int = Field(ge=1)
    total_tokens: int = Field(default=0, ge=0)
    trained_tokens: int | None = Field(default=None, ge=0)
    training_path: str | None = None
    validation_path: str | None = None
    test_path: str | None = None
    num_packs: int | None = Field(default=None, ge=0)
    tokenizer: str | None = None
    chat_template: str | None = None


class SplitJsonlDataArtifact(PreparedDataArtifact):
    """Reinforcement-learning prompts: one JSONL file per split.

    Attributes:
        train_path: The training split.
        val_path: The validation split.
        test_path: The test split.
        num_records: Records in all splits.
        splits: Per split, its counts and files.
    """

    train_path: str | None = None
    val_path: str | None = None
    test_path: str | None = None
    num_records: int | None = Field(default=None, ge=0)
    splits: dict[str, Any] = Field(default_factory=dict)


class ModelArtifact(Artifact):
    """A model checkpoint.

    ``path`` is the save directory that loaders want; ``metadata["absolute_path"]`` is the
    directory of the one iteration.

    Attributes:
        step: The training step it was saved at.
        loss: The training loss there.
        format: ``megatron``, ``hf`` or ``dcp``; None where nobody said it.
    """

    default_kind: ClassVar[Kind] = "model"

    step: int = Field(ge=0)
    loss: float | None = None
    format: ModelFormat | None = None

    @property
    def iteration(self) -> int:
        """The step, under the name that Megatron gives it."""
        return self.step


class EvalResultsArtifact(Artifact):
    """The scores of a model.

    ``path`` has a folder for each task, with its ``results.yml``. Each score of a whole task is
    also free-form metadata, ``TASK/METRIC``.

    Attributes:
        model: The reference of the model that was scored, or what its server calls it.
        scores: Task to metric to value; a part of a task stands before its metric.
        failed_tasks: Tasks that were asked for and have no scores.
        limit_samples: Task to the samples that it was limited to: a number, or a share below 1.
        evaluator_version: The release of NeMo Evaluator that scored.
    """

    model: str | None = None
    scores: dict[str, dict[str, float]] = Field(default_factory=dict)
    failed_tasks: list[str] = Field(default_factory=list)
    limit_samples: dict[str, int | float] = Field(default_factory=dict)
    evaluator_version: str | None = None

    def get_wandb_files(self) -> list[tuple[str, str]]:
        """The results of each task, beside what every artifact has."""
        place = self.seen_at or self.path
        results = sorted(place.glob("*/results.yml")) if isinstance(place, Path) else []
        return super().get_wandb_files() + [
            (str(file), f"{file.parent.name}/{file.name}") for file in results
        ]


ALIASES: dict[str, type[Artifact]] = {"DataBlendsArtifact": DataBlendsArtifact}
