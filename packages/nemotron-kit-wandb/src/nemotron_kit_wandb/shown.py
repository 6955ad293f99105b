"""What a run's page shows by, kept where the run is resumed: the client forgets it then.

It tells the server the definitions of metrics anew at each start, from what the script defines: a
session that defines none leaves none, and charts lose their axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nemotron_kit_wandb.run_log import interface_of, protocol

if TYPE_CHECKING:
    from wandb import Run

_METRICS = "m"
# Its number among the fields of a definition. One of a name alone is only what another refers to.
_NAME = "1"


@dataclass(frozen=True)
class Shown:
    """What the server has of it.

    Attributes:
        metrics: Definitions of metrics, as the run's configuration holds them.
    """

    metrics: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(cls, run: Any) -> Shown:
        """Read it from a run of the client's public API."""
        own = run.rawconfig.get("_wandb") or {}
        return cls(tuple(own.get(_METRICS) or ()))

    def show_again(self, run: Run) -> None:
        """Tell it through the run, which was resumed just now."""
        interface = interface_of(run)
        for metric in self.metrics:
            if any(value for number, value in metric.items() if number != _NAME):
                interface._publish_metric(self._record(metric))  # noqa: SLF001 - takes records

    def _record(self, metric: Mapping[str, Any]) -> Any:
        """A definition as it was made: the server has it by the numbers of its fields."""
        record = protocol().MetricRecord()
        for number, value in metric.items():
            field = record.DESCRIPTOR.fields_by_number.get(int(number))
            if field is None:
                continue
            if field.message_type is None:
                setattr(record, field.name, value)
                continue
            flags = field.message_type.fields_by_number
            for flag in value:  # those that are set
                if flag in flags:
                    setattr(getattr(record, field.name), flags[flag].name, True)
        if record.step_metric_index:
            step_metric = self.metrics[record.step_metric_index - 1]
            record.step_metric = step_metric.get(_NAME, "")
            record.ClearField("step_metric_index")
        return record
