"""What each family of recipes can import; only the standard library is needed here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from nemo_runspec.naming import output_artifact_name
from nemo_runspec.runspec import Runspec

Subject: TypeAlias = Literal["data", "model"]

STAGES = ("pretrain", "sft", "rl")
IMPORT = "import"

_DATA_PREP = ("data", "prep")
_DEFAULT_CONFIG = "default"
_WHAT = {
    ("data", "pretrain"): "tokenized text (a folder or its blend.json)",
    ("data", "sft"): "packed conversations (a folder or its blend.json)",
    ("data", "rl"): "prompts (a folder or its manifest.json)",
    ("model", "pretrain"): "a pretrained checkpoint",
    ("model", "sft"): "a fine-tuned checkpoint",
    ("model", "rl"): "a checkpoint after reinforcement learning",
}


@dataclass(frozen=True, slots=True)
class ImportTarget:
    """One import command.

    Attributes:
        subject: What is imported.
        stages: For which stage, and for which part of it where it has several: ``("rl", "swe1")``.
        recipe: The recipe that makes such a thing here.
    """

    subject: Subject
    stages: tuple[str, ...]
    recipe: Runspec

    @property
    def stage(self) -> str:
        """The stage: ``pretrain``, ``sft`` or ``rl``."""
        return self.stages[0]

    @property
    def words(self) -> tuple[str, ...]:
        """The command's words: ``("nano3", "data", "import", "sft")``."""
        return (self.recipe.words[0], self.subject, IMPORT, *self.stages)

    @property
    def docs(self) -> str:
        """One sentence for help pages."""
        return f"Record {_WHAT[self.subject, self.stage]} made elsewhere."

    @property
    def usual_name(self) -> str:
        """The name that is recorded under unless another is given: the recipe's own."""
        return output_artifact_name(self.recipe.name, _DEFAULT_CONFIG)


def import_targets(recipes: Iterable[Runspec]) -> list[ImportTarget]:
    """Name what can be imported: data where a recipe prepares it, models where one trains them."""
    return [target for target in map(_target, recipes) if target is not None]


def is_reserved(recipe: Runspec) -> bool:
    """Tell whether a recipe's name lies where the import commands are."""
    return recipe.words[1:3] in {("data", IMPORT), ("model", IMPORT)}


def _target(recipe: Runspec) -> ImportTarget | None:
    words = recipe.words[1:]
    prepares = words[:2] == _DATA_PREP
    stages = words[2:] if prepares else words
    if not stages or stages[0] not in STAGES:
        return None
    return ImportTarget("data" if prepares else "model", stages, recipe)
