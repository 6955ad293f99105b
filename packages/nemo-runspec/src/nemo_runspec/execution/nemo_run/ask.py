"""Ask NeMo-Run about a job that it started, or end it: run as a module, in a process of its own."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from nemo_runspec.execution.nemo_run.complaints import told
from nemo_runspec.exports import require

WORD = "nemotron-answer: "
_WANTED = "asking about a job"


def ask(handle: str, *, end: bool) -> str | None:
    """Find out what NeMo-Run knows of a job.

    Args:
        handle: What it calls the job.
        end: Whether to ask for the job's end before.

    Returns:
        Its word for the state; None where it does not know the job.
    """
    runners = require("nemo_run.run.torchx_backend.runner", wanted=_WANTED)
    runner = runners.get_runner(component_defaults=None)
    if end:
        runner.cancel(handle)
    status = runner.status(handle)
    return None if status is None else str(status.state.name)


if __name__ == "__main__":
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with told():
        state = ask(asked["handle"], end=asked["end"])
    sys.stdout.write(f"\n{WORD}{json.dumps(state)}\n")
    sys.stdout.flush()
    # Some of NeMo-Run's schedulers leave threads behind that never end.
    os._exit(0)
