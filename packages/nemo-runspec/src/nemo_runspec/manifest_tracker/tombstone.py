"""The notice that takes a version out of use, beside its manifest, which stays."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from nemo_runspec.errors import ManifestFormatError
from nemo_runspec.json_values import json_text


class Withdrawal(BaseModel):
    """Why and when a version was taken out of use.

    Attributes:
        format_version: The notice's format.
        reason: Why, in the words of whoever did it.
        withdrawn_at: When, with its time zone.
        withdrawn_by: The job or run that did it, where there was one.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    format_version: int = 1
    reason: str
    withdrawn_at: datetime
    withdrawn_by: str | None = None

    def to_json(self) -> bytes:
        """The notice as its file holds it."""
        return json_text(self.model_dump(mode="json"))


def parse_withdrawal(data: bytes, *, where: str) -> Withdrawal:
    """Read a notice.

    Args:
        data: The file's content.
        where: The file, for messages.

    Raises:
        ManifestFormatError: It is damaged.
    """
    try:
        return Withdrawal.model_validate_json(data)
    except ValidationError as error:
        raise ManifestFormatError(
            f"The notice of withdrawal is damaged: {error.errors()[0]['msg']}.",
            where=where,
            hint="Delete the file to take the version into use again.",
        ) from error
