"""Read values out of a TOML table by hand: each mistake names file, line and key."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from nemo_runspec.errors import RunspecError
from nemo_runspec.suggest import did_you_mean
from nemo_runspec.toml_text import line_of

_TYPE_NAMES = {
    bool: "a boolean",
    dict: "a table",
    float: "a number",
    int: "an integer",
    list: "a list",
    str: "a string",
}


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a header, with what is needed to say where it stands.

    Args:
        values: The parsed table.
        keys: Names of the tables around it, outermost first.
        text: TOML text of the whole header.
        file: The script.
        first_line: Line of the script on which the text begins.
    """

    values: Mapping[str, Any]
    keys: tuple[str, ...]
    text: str
    file: str
    first_line: int

    def only(self, allowed: Collection[str]) -> None:
        """Refuse every key that is not allowed.

        Raises:
            RunspecError: There is another key.
        """
        for key in self.values:
            if key not in allowed:
                self.fail(key, f"Unknown key '{self._dotted(key)}'.", did_you_mean(key, allowed))

    def text_value(self, key: str) -> str | None:
        """Read an optional, non-empty string."""
        value = self._typed(key, str)
        if value is None:
            return None
        if not value.strip():
            self.fail(key, f"'{self._dotted(key)}' is empty.", "Give it a value or leave it out.")
        return str(value)

    def required_text(self, key: str) -> str:
        """Read a string that has to be there."""
        value = self.text_value(key)
        if value is None:
            self.fail(key, f"'{self._dotted(key)}' is missing.", f'Add {key} = "…" to the block.')
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Read an optional list of strings."""
        values = self._typed(key, list) or []
        if not all(isinstance(value, str) for value in values):
            self.fail(key, f"'{self._dotted(key)}' must be a list of strings.", None)
        return tuple(values)

    def choice(self, key: str, allowed: tuple[str, ...], default: str) -> str:
        """Read one of a few words."""
        value = self.text_value(key)
        if value is None:
            return default
        if value not in allowed:
            self.fail(
                key,
                f"'{self._dotted(key)}' is {value!r}, which is none of {', '.join(allowed)}.",
                did_you_mean(value, allowed),
            )
        return value

    def integer(self, key: str, *, minimum: int, default: int) -> int:
        """Read an integer with a lower bound."""
        value = self._typed(key, int)
        if value is None:
            return default
        if value < minimum:
            self.fail(
                key,
                f"'{self._dotted(key)}' is {value}, below {minimum}.",
                f"Use {minimum} or more.",
            )
        return int(value)

    def table(self, key: str) -> Table:
        """Read a table; an empty one where the key is absent."""
        values = self._typed(key, dict)
        return Table(values or {}, (*self.keys, key), self.text, self.file, self.first_line)

    def fail(self, key: str, what: str, hint: str | None) -> NoReturn:
        """Raise the error that belongs to one key of this table."""
        line = line_of(self.text, (*self.keys, key)) or 0
        raise RunspecError(what, where=f"{self.file}:{self.first_line + line - 1}", hint=hint)

    def _typed(self, key: str, wanted: type) -> Any:
        value = self.values.get(key)
        if value is None or type(value) is wanted:
            return value
        found = _TYPE_NAMES.get(type(value), type(value).__name__)
        return self.fail(
            key,
            f"'{self._dotted(key)}' must be {_TYPE_NAMES[wanted]}, but is {found}.",
            None,
        )

    def _dotted(self, key: str) -> str:
        return ".".join((*self.keys, key))
