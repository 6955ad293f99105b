"""One rank works, the others wait for its result, or for its failure.

Rank 0 publishes a result file on the run directory that all ranks share; the file is written
whole and is unique to the job. A failure is published too, and while rank 0 works it shows that
it lives, so that no rank waits for a dead one.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nemo_runspec.atomic import write_atomically
from nemo_runspec.errors import CoordinationError, NemotronError

logger = logging.getLogger(__name__)

_TIMEOUT_VARIABLE = "NEMOTRON_RESOLVE_TIMEOUT_S"
_DEFAULT_TIMEOUT_S = 1800.0
_FIRST_POLL_S = 0.02
_LONGEST_POLL_S = 0.5
_BEAT_S = 1.0
_SILENCE_S = 15.0
_JOB_VARIABLES = ("SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID", "RAY_JOB_ID", "TORCHELASTIC_RUN_ID")
_NO_ID = "none"  # what torchrun calls a job that was given no id
_ATTEMPT_VARIABLES = (
    "SLURM_RESTART_COUNT",
    "TORCHELASTIC_RESTART_COUNT",
    "MASTER_ADDR",
    "MASTER_PORT",
)
_SCHEDULED_VARIABLES = ("RANK", "SLURM_JOB_ID", "NEMO_RUN_DIR", "KUBERNETES_SERVICE_HOST")


@dataclass(frozen=True)
class Rank:
    """This process's place in a distributed job.

    Attributes:
        rank: From 0.
        world_size: How many processes the job has.
    """

    rank: int = 0
    world_size: int = 1

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Rank:
        """Read it from torchrun's variables, else from Slurm's.

        Args:
            environ: The environment to read; by default the process's own.

        Raises:
            CoordinationError: A variable is no number.
        """
        variables = os.environ if environ is None else environ
        for rank_key, size_key in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS")):
            if variables.get(rank_key) and variables.get(size_key):
                return cls(_number(variables, rank_key), _number(variables, size_key))
        return cls()


def in_scheduled_job(environ: Mapping[str, str] | None = None) -> bool:
    """Tell whether this process was started by a scheduler or launcher."""
    variables = os.environ if environ is None else environ
    return any(variables.get(key) for key in _SCHEDULED_VARIABLES)


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
        job = _digest([topic, *(environ.get(key, "") for key in _JOB_VARIABLES)])
        attempt = _digest([environ.get(key, "") for key in _ATTEMPT_VARIABLES])
        folder = _shared_folder(environ)
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


def _shared_folder(environ: Mapping[str, str]) -> Path:
    run_dir = environ.get("NEMOTRON_RUN_DIR") or environ.get("NEMO_RUN_DIR")
    if run_dir:
        return Path(run_dir) / ".coordination"
    local_size = environ.get("LOCAL_WORLD_SIZE")
    if local_size is not None and environ.get("WORLD_SIZE") == local_size:
        return _private_folder()
    if not any(environ.get(key, _NO_ID) != _NO_ID for key in _JOB_VARIABLES):
        raise CoordinationError(
            "Nothing tells this job from an earlier one, whose result its ranks could take over.",
            where=", ".join(_JOB_VARIABLES),
            hint="Set NEMOTRON_RUN_DIR to a folder of this job that every rank can write to.",
        )
    return Path.cwd() / ".nemotron" / "coordination"


def _private_folder() -> Path:
    """A folder for the ranks of one machine; their launcher tells one job from the next."""
    base = Path(tempfile.gettempdir()) / f"nemotron-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    if base.stat().st_uid != os.getuid():
        raise CoordinationError(
            "The folder for the ranks' messages belongs to another user.",
            where=str(base),
            hint="Set NEMOTRON_RUN_DIR to a folder of your own.",
        )
    return base / _digest([str(os.getppid()), _start_time(os.getppid())])


def _start_time(process_id: int) -> str:
    try:
        status = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return status.rpartition(")")[2].split()[19]


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


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


def _number(environ: Mapping[str, str], key: str) -> int:
    try:
        return int(environ[key])
    except ValueError:
        raise CoordinationError(f"{key} is {environ[key]!r}, which is no number.") from None


def _timeout_s(environ: Mapping[str, str]) -> float:
    text = environ.get(_TIMEOUT_VARIABLE)
    if text is None:
        return _DEFAULT_TIMEOUT_S
    try:
        return float(text)
    except ValueError:
        raise CoordinationError(f"{_TIMEOUT_VARIABLE} is {text!r}, which is no number.") from None
