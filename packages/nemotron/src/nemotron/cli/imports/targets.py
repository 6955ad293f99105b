"""What each family of recipes can import; only the standard library is needed here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from nemo_runspec.runspec import Runspec

Subject: TypeAlias = Literal["data", "model"]

STAGES = ("pretrain", "sft", "rl")
IMPORT = "import"

_DATA_PREP = ("data", "prep")
_WITH_SUB_STAGES = "rl"
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
        family: The first word of the recipes, such as ``nano3``.
        subject: What is imported.
        stage: For which stage.
        recipe: The recipe that makes such a thing here.
    """

    family: str
    subject: Subject
    stage: str
    recipe: Runspec

    @property
    def words(self) -> tuple[str, ...]:
        """The command's words: ``("nano3", "data", "import", "sft")``."""
        return (self.family, self.subject, IMPORT, self.stage)

    @property
    def docs(self) -> str:
        """One sentence for help pages."""
        return f"Record {_WHAT[self.subject, self.stage]} made elsewhere."

    @property
    def usual_name(self) -> str:
        """The name that is recorded under unless another is given."""
        return f"{self.family}-{self.stage}-{self.subject}"


def import_targets(recipes: Iterable[Runspec]) -> list[ImportTarget]:
    """Name what can be imported: data where a recipe prepares it, models where one trains them."""
    found: dict[tuple[str, ...], ImportTarget] = {}
    for recipe in recipes:
        target = _target(recipe)
        if target is not None:
            found.setdefault(target.words, target)
    return list(found.values())


def is_reserved(recipe: Runspec) -> bool:
    """Tell whether a recipe's name lies where the import commands are."""
    return recipe.words[1:3] in {("data", IMPORT), ("model", IMPORT)}


def _target(recipe: Runspec) -> ImportTarget | None:
    family, *rest = recipe.words
    subject: Subject = "data" if tuple(rest[:2]) == _DATA_PREP else "model"
    stage, *sub_stages = [*(rest[2:] if subject == "data" else rest), ""]
    if stage not in STAGES or (any(sub_stages) and stage != _WITH_SUB_STAGES):
        return None
    return ImportTarget(family, subject, stage, recipe)
