"""One rank works, the others wait for its result, or for its failure.

Rank 0 publishes a result file on the run directory that all ranks share; the file is written
whole and is unique to the job. A failure is published too, and while rank 0 works it shows that
it lives, so that no rank waits for a dead one.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nemo_runspec.atomic import write_atomically
from nemo_runspec.distributed.folders import JOB_VARIABLES, digest, shared_folder
from nemo_runspec.distributed.rank import Rank
from nemo_runspec.errors import CoordinationError, NemotronError

logger = logging.getLogger(__name__)

_TIMEOUT_VARIABLE = "NEMOTRON_RESOLVE_TIMEOUT_S"
_DEFAULT_TIMEOUT_S = 1800.0
_FIRST_POLL_S = 0.02
_LONGEST_POLL_S = 0.5
_BEAT_S = 1.0
_SILENCE_S = 15.0
_ATTEMPT_VARIABLES = (
    "SLURM_RESTART_COUNT",
    "TORCHELASTIC_RESTART_COUNT",
    "MASTER_ADDR",
    "MASTER_PORT",
)


def once_per_job(
    topic: str,
    work: Callable[[], Any],
    *,
    environ: Mapping[str, str] | None = None,
) -> Any:
    """Let rank 0 do some work and give every rank its result.

    In a job of one process the work is simply done. A rank that starts again finds the result
    that the job already has.

    Args:
        topic: What the work is about: ranks that name the same topic share its result.
        work: Returns a JSON value.
        environ: The environment to read; by default the process's own.

    Raises:
        CoordinationError: Rank 0 failed or was killed, or did not answer in
            ``NEMOTRON_RESOLVE_TIMEOUT_S``.
    """
    variables = os.environ if environ is None else environ
    place = Rank.from_environment(variables)
    if place.world_size <= 1:
        return work()
    exchange = _Exchange.for_job(topic, variables)
    if place.rank == 0:
        return exchange.publish(work)
    return exchange.wait(_timeout_s(variables), place)


@dataclass(frozen=True)
class _Exchange:
    result: Path
    failure: Path
    heartbeat: Path

    @classmethod
    def for_job(cls, topic: str, environ: Mapping[str, str]) -> _Exchange:
        job = digest([topic, *(environ.get(key, "") for key in JOB_VARIABLES)])
        attempt = digest([environ.get(key, "") for key in _ATTEMPT_VARIABLES])
        folder = shared_folder(environ)
        return cls(
            folder / f"{job}.json",
            folder / f"{job}.{attempt}.failed.json",
            folder / f"{job}.{attempt}.heartbeat",
        )

    def publish(self, work: Callable[[], Any]) -> Any:
        existing = _read(self.result)
        if existing is not None:
            return existing["value"]
        self.failure.unlink(missing_ok=True)
        try:
            with self._heartbeat():
                value = work()
            self._publish_result(value)
        except BaseException as error:
            self._publish_failure(error)
            raise
        return value

    @contextlib.contextmanager
    def _heartbeat(self) -> Iterator[None]:
        """Let the other ranks see that this one lives: a killed process publishes no failure."""
        finished = threading.Event()
        thread = threading.Thread(target=self._beat, args=(finished,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            finished.set()
            thread.join()

    def _beat(self, finished: threading.Event) -> None:
        # In place: NFS shows a file that is opened anew as it is, but a renamed one a minute late.
        for beat in itertools.count():
            try:
                self.heartbeat.parent.mkdir(parents=True, exist_ok=True)
                self.heartbeat.write_bytes(str(beat).encode())
            except OSError as error:
                logger.debug("No heartbeat of rank 0: %s", error)
            if finished.wait(_BEAT_S):
                return

    def _publish_result(self, value: Any) -> None:
        try:
            write_atomically(self.result, json.dumps({"value": value}).encode())
        except OSError as error:
            raise _unusable_folder(self.result, error) from error

    def wait(self, timeout_s: float, place: Rank) -> Any:
        deadline = time.monotonic() + timeout_s
        pause_s = _FIRST_POLL_S
        pulse = _Pulse(self.heartbeat)
        while time.monotonic() < deadline:
            result = _read(self.result)
            if result is not None:
                return result["value"]
            failure = _read(self.failure)
            if failure is not None:
                raise CoordinationError(
                    f"Rank 0 failed: {failure['error']}", where=f"rank {place.rank}"
                )
            if pulse.has_stopped():
                raise CoordinationError(
                    f"Rank 0 has given no sign of life for {_SILENCE_S:g} s.",
                    where=f"rank {place.rank}, {self.heartbeat}",
                    hint="It was probably killed; look at its log and at the machine's memory.",
                )
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _LONGEST_POLL_S)
        raise CoordinationError(
            f"Rank 0 gave no answer in {timeout_s:g} s.",
            where=f"rank {place.rank}, {self.result}",
            hint=f"Look at rank 0's log; do all ranks see this folder? {_TIMEOUT_VARIABLE} "
            "sets the time.",
        )

    def _publish_failure(self, error: BaseException) -> None:
        text = (
            str(error) if isinstance(error, NemotronError) else f"{type(error).__name__}: {error}"
        )
        try:
            write_atomically(self.failure, json.dumps({"error": text}).encode())
        except OSError as unpublished:
            logger.warning("The other ranks cannot be told of the failure: %s", unpublished)


class _Pulse:
    """Watches rank 0's heartbeat by this process's own clock.

    What an earlier attempt left there never changes, and so counts for nothing.

    Args:
        path: The file whose content changes while rank 0 lives.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beat = _content(path)
        self._changed_at: float | None = None

    def has_stopped(self) -> bool:
        """Whether it was seen to change, and has not for a while."""
        beat = _content(self._path)
        if beat != self._beat:
            self._beat, self._changed_at = beat, time.monotonic()
        return self._changed_at is not None and time.monotonic() - self._changed_at > _SILENCE_S


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable_folder(path, error) from error
    return document


def _unusable_folder(path: Path, error: OSError) -> CoordinationError:
    return CoordinationError(
        f"The ranks cannot share a result: {error.strerror or error}.",
        where=str(path),
        hint="Set NEMOTRON_RUN_DIR to a folder that every rank can write to.",
    )


def _timeout_s(environ: Mapping[str, str]) -> float:
    text = environ.get(_TIMEOUT_VARIABLE)
    if text is None:
        return _DEFAULT_TIMEOUT_S
    try:
        return float(text)
    except ValueError:
        raise CoordinationError(f"{_TIMEOUT_VARIABLE} is {text!r}, which is no number.") from None
