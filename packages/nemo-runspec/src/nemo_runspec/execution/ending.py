"""What a job's exit code and its result say about its end."""

from __future__ import annotations

import signal

from nemo_runspec.run_result import RunResult

_OFF = "off: artifacts.manifest.root is not set"
_ENDED = "the job ended before it recorded an artifact"
_NOTHING = "the recipe recorded no artifact"
_INTERRUPTED = frozenset(128 + each for each in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM))


def was_interrupted(exit_code: int) -> bool:
    """Whether somebody ended a job: with Ctrl-C, by leaving its terminal, or with ``kill``."""
    return exit_code in _INTERRUPTED


def last_manifest(result: RunResult) -> str | None:
    """Where the last manifest lies; None where there is none."""
    paths = [item.get("manifest_path") for item in result.artifacts]
    return next((str(path) for path in reversed(paths) if path), None)


def is_reused(result: RunResult) -> bool:
    """Whether everything that was recorded had been recorded before."""
    return bool(result.artifacts) and all(item.get("reused") for item in result.artifacts)


def why_no_manifest(
    result: RunResult, *, root: str | None, succeeded: bool, problem: str | None = None
) -> str | None:
    """Why there is no manifest, in a few words; None where there is one.

    Args:
        result: What the job left.
        root: Where manifests are recorded; None where they are off.
        succeeded: Whether it ended well.
        problem: What is wrong with the root, where that is known.
    """
    if last_manifest(result) is not None:
        return None
    if result.manifest_missing:
        return result.manifest_missing
    if root is None:
        return _OFF
    return _NOTHING if succeeded else problem or _ENDED
