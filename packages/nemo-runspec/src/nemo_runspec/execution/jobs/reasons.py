"""How a job ended, in one sentence."""

from __future__ import annotations

import signal

from nemo_runspec.execution.jobs.status import JobStatus

# A shell's exit code for a signal is this and its number.
SIGNAL_BASE = 128


def described_exit(code: int, scheduler_state: str | None = None) -> JobStatus:
    """The status of a job that ended by itself.

    Args:
        code: Its exit code, as a shell has it.
        scheduler_state: The scheduler's word for it.
    """
    if code == 0:
        return JobStatus("succeeded", 0, scheduler_state=scheduler_state)
    name = signal_name(code - SIGNAL_BASE)
    how = plain_exit(code)
    if name is not None:
        how = f"{name} ended it (exit code {code})."
    return JobStatus("failed", code, how, scheduler_state)


def plain_exit(code: int) -> str:
    """Say of a job that ended by itself what its exit code says, and no more."""
    return f"It ended with exit code {code}."


def signal_name(number: int) -> str | None:
    """The name of a signal; None where there is none of that number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return None
