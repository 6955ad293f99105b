"""Tell the server, through the resumed run, what the client's log has and the server has not."""

from __future__ import annotations

import glob
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nemotron_kit_wandb.run_log import interface_of, protocol, read_log

if TYPE_CHECKING:
    from wandb import Run

logger = logging.getLogger(__name__)

# Where the client keeps pictures, tables and so on, below the folder of a run's files.
_MEDIA = "media/"


@dataclass(frozen=True)
class Replayed:
    """What was told.

    Attributes:
        last_step: The step of the last row of metrics that the log has; None where it has none.
        whole: Whether the log has all of the run, its end among it.
    """

    last_step: int | None = None
    whole: bool = False


def replay(log: Path, run: Run, *, after: int, files: Path) -> Replayed:
    """Tell the rows of metrics after a step, what is shown of metrics, and the summary.

    The rows are those of the first telling, with their times, and so are the numbers of the
    summary. The server has rows in their order: those up to its last step it has, and they are
    not told again.

    Args:
        log: The log.
        run: The run, resumed.
        after: The last step that the server has; -1 for none.
        files: Where the client kept the pictures, tables and so on that rows refer to.

    Raises:
        OSError: The log cannot be read.
    """
    interface, summary = interface_of(run), _Summary()
    last_step, whole = None, False
    for record in read_log(log):
        kind = record.WhichOneof("record_type")
        if kind == "history":
            step = _step(record.history)
            if step is None:
                continue  # of a run that several clients write at once: it cannot be told apart
            last_step = step
            if step > after:
                _save_media(record.history, run, files)
                interface._publish_history(record.history)  # noqa: SLF001 - as it is, none public
        elif kind == "metric":
            interface._publish_metric(record.metric)  # noqa: SLF001 - as above
        elif kind == "summary":
            summary.take(record.summary)
        whole = whole or kind == "exit"
    summary.tell(interface)
    return Replayed(last_step, whole)


class _Summary:
    """The last change of each key of a summary, in order: a later one may hold an earlier one."""

    def __init__(self) -> None:
        self._changes: dict[tuple[str, ...], tuple[str, Any]] = {}

    def take(self, record: Any) -> None:
        """Take a record of the log."""
        for what, items in (("update", record.update), ("remove", record.remove)):
            for item in items:
                path = _path(item)
                self._changes.pop(path, None)
                self._changes[path] = what, item

    def tell(self, interface: Any) -> None:
        """Tell it."""
        summary = protocol().SummaryRecord
        for what, changes in groupby(self._changes.values(), key=itemgetter(0)):
            items = [item for _, item in changes]
            interface._publish_summary(summary(**{what: items}))  # noqa: SLF001 - as above


def _path(item: Any) -> tuple[str, ...]:
    return tuple(item.nested_key) or (item.key,)


def _step(row: Any) -> int | None:
    if row.HasField("step"):
        return int(row.step.num)
    found = (item.value_json for item in row.item if _path(item) == ("_step",))
    return next(map(int, found), None)


def _save_media(row: Any, run: Run, files: Path) -> None:
    """Upload the files that a row refers to, as far as they are still there."""
    for item in row.item:
        if _MEDIA not in item.value_json:
            continue
        for name in _named(json.loads(item.value_json)):
            if (files / name).is_file():
                run.save(str(files / glob.escape(name)), base_path=str(files), policy="now")
            else:
                logger.warning("A file of the W&B run %s is gone: %s.", run.id, files / name)


def _named(value: object) -> Iterator[str]:
    if isinstance(value, str) and value.startswith(_MEDIA):
        yield value
    elif isinstance(value, list | dict):
        inner = value if isinstance(value, list) else value.values()
        yield from (name for item in inner for name in _named(item))
