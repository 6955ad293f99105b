"""The variables of a job, their sources, and what was overruled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nemo_runspec.execution.environment.names import OWN_NAMES
from nemo_runspec.url_secrets import REDACTED

NOT_SENT = "(not sent)"
OWN_VALUE = "(set for each job)"
OWN_SOURCE = "nemotron"


@dataclass(frozen=True, slots=True)
class JobVariable:
    """One variable of a job's processes.

    Attributes:
        name: Its exact name.
        value: Its exact value, which no text of this object shows.
        secret: Whether the value must not be written or shown.
        source: Who says so: ``command line``, ``profile NAME``, ``config``, ``runspec``,
            ``W&B login``, ``Hugging Face login``, ``environment`` or ``nemotron``.
    """

    name: str
    value: str = field(repr=False)
    secret: bool
    source: str

    @property
    def shown(self) -> str:
        """The value as it may be shown."""
        return REDACTED if self.secret and self.value else self.value


@dataclass(frozen=True, slots=True)
class Overruled:
    """What somebody said of a variable, where another one has the say.

    Attributes:
        name: The variable.
        source: Who said it.
        shown: The value that did not count, as it may be shown.
    """

    name: str
    source: str
    shown: str


@dataclass(frozen=True, slots=True)
class VariableRow:
    """One row of the table of who wins.

    Attributes:
        name: The variable.
        value: Its value, as it may be shown.
        source: Who has the say.
        overruled: Who else spoke of it, and what they said.
    """

    name: str
    value: str
    source: str
    overruled: tuple[Overruled, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Give the row as JSON data."""
        return {
            "name": self.name,
            "value": self.value,
            "source": self.source,
            "overruled": [
                {"source": other.source, "value": other.shown} for other in self.overruled
            ],
        }


@dataclass(frozen=True, slots=True)
class JobEnvironment:
    """Everything that a job's processes get, by name.

    Attributes:
        variables: The variables, sorted by name.
        overruled: What did not count.
        withheld: What was found and taken away again with ``null``: name to who said so.
    """

    variables: tuple[JobVariable, ...] = ()
    overruled: tuple[Overruled, ...] = ()
    withheld: tuple[tuple[str, str], ...] = ()

    @property
    def public(self) -> dict[str, str]:
        """The variables that may be written down."""
        return {item.name: item.value for item in self.variables if not item.secret}

    @property
    def secrets(self) -> dict[str, str]:
        """The variables that must not be written down."""
        return _Hidden({item.name: item.value for item in self.variables if item.secret})

    def rows(self) -> list[VariableRow]:
        """The table of who wins, sorted by name; secrets are hidden."""
        shown = [(item.name, item.shown, item.source) for item in self.variables]
        shown += [(name, NOT_SENT, source) for name, source in self.withheld]
        shown += [(name, OWN_VALUE, OWN_SOURCE) for name in self._own_names()]
        return [
            VariableRow(name, value, source, self._losers(name))
            for name, value, source in sorted(shown)
        ]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user asked for and will not get, in sentences."""
        return tuple(
            f"{item.name} of the {item.source} does not count: it is set for each job."
            for item in self.overruled
            if item.name in OWN_NAMES
        )

    def _own_names(self) -> list[str]:
        return sorted({item.name for item in self.overruled} & OWN_NAMES)

    def _losers(self, name: str) -> tuple[Overruled, ...]:
        return tuple(item for item in self.overruled if item.name == name)


class _Hidden(dict[str, str]):
    """Secrets by name, whose texts leave the values out."""

    def __repr__(self) -> str:
        return f"{{{', '.join(f'{name!r}: {REDACTED!r}' for name in self)}}}"

    __str__ = __repr__
