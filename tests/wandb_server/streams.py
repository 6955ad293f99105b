"""The stream of a run's records: `POST /files/{entity}/{project}/{run}/file_stream`.

Its shape is that of core/internal/filestream/filestreamrequest.go of wandb/wandb: `files` maps a
file's name to `offset` and `content`, a list of lines from that line on.
"""

from __future__ import annotations

import json
from typing import Any

from .state import Run, now


def take(run: Run, request: dict[str, Any]) -> dict[str, Any]:
    """Take over what a request says of a run.

    Lines that were sent before, as after a lost reply, replace themselves: their offset says
    where they belong.
    """
    run.heartbeat_at = now()
    for name, part in request.get("files", {}).items():
        lines = part["content"] if isinstance(part["content"], list) else [part["content"]]
        _FILES[name](run, part["offset"], lines)
    if request.get("complete"):
        run.exit_code = request["exitcode"]
        run.state = "finished" if run.exit_code == 0 else "failed"
    return {"exitcode": None, "limits": {}}


def _history(run: Run, offset: int, lines: list[str]) -> None:
    if offset > len(run.history):
        raise KeyError(f"history from line {offset} on, of {len(run.history)}")
    run.history[offset : offset + len(lines)] = [json.loads(line) for line in lines]


def _events(run: Run, offset: int, lines: list[str]) -> None:
    run.events[offset : offset + len(lines)] = [json.loads(line) for line in lines]


def _logs(run: Run, offset: int, lines: list[str]) -> None:
    run.logs[offset : offset + len(lines)] = lines


def _summary(run: Run, _offset: int, lines: list[str]) -> None:
    run.summary = json.loads(lines[-1])


_FILES = {
    "wandb-history.jsonl": _history,
    "wandb-events.jsonl": _events,
    "wandb-summary.json": _summary,
    "output.log": _logs,
}
