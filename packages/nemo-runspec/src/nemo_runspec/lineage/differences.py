"""One thing in which the histories of two artifacts differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Category: TypeAlias = Literal["recipe", "data", "tokenizer", "config", "code", "software", "image"]


@dataclass(frozen=True)
class Difference:
    """Something that differs, where both histories first differ in it.

    Attributes:
        category: ``recipe`` (or an import in its place), ``data`` (the version of an input),
            ``tokenizer``, ``config``, ``code`` (the commit), ``software`` (the version of a
            package) or ``image`` (the container's).
        key: What: a dotted configuration key, a URI, the name of an input or package.
        left: The value on the left; None where there is none.
        right: The value on the right; None where there is none.
        at: The artifacts that were made with them, left and right.
        remark: What else there is to say; a full sentence is not needed.
    """

    category: Category
    key: str
    left: Any
    right: Any
    at: tuple[str, str]
    remark: str | None = None

    @property
    def content(self) -> tuple[str, str, str, str]:
        """What differs, wherever it does."""
        return (self.category, self.key, repr(self.left), repr(self.right))

    def to_dict(self) -> dict[str, Any]:
        """The difference as JSON values."""
        return {
            "category": self.category,
            "key": self.key,
            "left": self.left,
            "right": self.right,
            "left_artifact": self.at[0],
            "right_artifact": self.at[1],
            "remark": self.remark,
        }
