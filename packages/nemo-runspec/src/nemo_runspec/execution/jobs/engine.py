"""Jobs on engines that NeMo-Run starts them on, as far as the engines tell of them."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from nemo_runspec.atomic import write_atomically
from nemo_runspec.env_toml import find_env_toml, load_env_profile
from nemo_runspec.errors import ProfileError
from nemo_runspec.execution.jobs.engines.conversation import Conversation
from nemo_runspec.execution.jobs.output import joined, read_local_files
from nemo_runspec.execution.jobs.reasons import described_exit
from nemo_runspec.execution.jobs.record import JobRecord
from nemo_runspec.execution.jobs.status import JobState, JobStatus, OutputChunk, OutputPosition
from nemo_runspec.execution.profiles.clouds import DgxCloudProfile
from nemo_runspec.execution.profiles.reading import profile_of
from nemo_runspec.run_result import RunResult, read_result

# NeMo-Run's own folder, in the run directory: a container of this machine sees a part of it.
HOME = "nemo_run"

_LIVING: tuple[JobState, ...] = ("pending", "running", "unknown")
_CANCELLED_FILE = "cancelled"
# Their output is asked of the engine; that of the others lies in files, where it is seen at all.
_TELL_THEIR_OUTPUT = ("kubeflow", "kuberay", "lepton")
# The last words of NeMo-Run's script on DGX Cloud.
_DGX_EXIT = re.compile(rb"^Main command exited with code (\d+)$", re.MULTILINE)
_LAST_WORDS_BYTES = 4096
# What NeMo-Run wrote down of their jobs is in its folder; of the others nothing is needed of it.
_KNOWN_TO_NEMO_RUN = ("docker", "skypilot")
_LOGIN = ("client_id", "client_secret")


class EngineBackend:
    """Jobs of Docker, clouds and Kubernetes. Use in a ``with`` block.

    One process has NeMo-Run in it, and is asked about one job after the other.
    """

    def __init__(self) -> None:
        self._conversation: Conversation | None = None

    def __enter__(self) -> Self:
        """Give the backend itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """End the process."""
        self._close()

    def status(self, record: JobRecord) -> JobStatus:
        """Ask the engine; what a container of this machine left behind says more."""
        status = JobStatus(**self._ask(record, "status"))
        if status.state in _LIVING:
            return _with_console(record, status)
        code = _exit_code(record)
        # NeMo-Run leaves 1 for a container that it ended.
        if (
            status.state != "succeeded"
            and code != 0
            and (record.run_dir / _CANCELLED_FILE).exists()
        ):
            return replace(status, state="cancelled", exit_code=None, reason="It was cancelled.")
        if code is not None:
            return described_exit(code, status.scheduler_state)
        return replace(status, reason=status.reason or _reason(record, status))

    def read_output(self, record: JobRecord, position: OutputPosition) -> OutputChunk:
        """Read what the job printed: of its engine, or of files that this machine sees."""
        if record.executor not in _TELL_THEIR_OUTPUT:
            return read_local_files(record.log_pattern, position)
        answer = self._ask(record, "read", positions=dict(position.files))
        parts = ((name, start, base64.b64decode(data)) for name, start, data in answer["parts"])
        return joined(parts, position)

    def cancel(self, record: JobRecord) -> None:
        """Ask the engine for the job's end; some do not know the job any more then."""
        self._ask(record, "end")
        write_atomically(record.run_dir / _CANCELLED_FILE, b"")

    def result(self, record: JobRecord) -> RunResult:
        """Read what the job left in its run directory, where this machine sees it."""
        return read_result(record.job_dir)

    def copy_folder(self, record: JobRecord, name: str, destination: Path) -> None:
        """Nothing is copied: W&B's records are where the job is."""

    def _ask(self, record: JobRecord, do: str, **more: Any) -> dict[str, Any]:
        home = record.run_dir / HOME
        talking = self._conversation
        if talking is None or (record.executor in _KNOWN_TO_NEMO_RUN and talking.home != home):
            self._close()
            self._conversation = talking = Conversation(home)
        question = {"do": do, "handle": record.scheduler_id, **more}
        return talking.ask(question, login=_login(record))

    def _close(self) -> None:
        if self._conversation is not None:
            self._conversation.close()
        self._conversation = None


def _login(record: JobRecord) -> Mapping[str, str]:
    """What an engine wants to know of who asks, that no file of the job may have.

    Raises:
        ProfileError: The profile that the job was submitted with does not say it any more.
    """
    if record.executor != DgxCloudProfile.executor:
        return {}
    settings = load_env_profile(record.profile, find_env_toml(record.run_dir))
    wanted = {name: settings[name] for name in ("executor", *_LOGIN) if name in settings}
    profile = profile_of(wanted, name=record.profile)
    found = {name: getattr(profile, name, None) for name in _LOGIN}
    for name, value in found.items():
        if not value:
            raise ProfileError(
                f"The profile '{record.profile}' has no '{name}' any more, which asking about its "
                "job needs.",
                where=str(settings.path),
                hint=f"Write {name} = … under [{record.profile}].",
            )
    return {name: str(value) for name, value in found.items()}


def _exit_code(record: JobRecord) -> int | None:
    """What a container left where this machine sees it, through NeMo-Run's own shell lines."""
    folder = Path(record.job_dir)
    for file in sorted(folder.glob("status_*.out")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            return int(json.loads(file.read_bytes())["exit_code"])
    if record.executor != DgxCloudProfile.executor:
        return None
    said = [code for file in sorted(folder.glob("log_*.out")) for code in _last_codes(file)]
    return next((code for code in said if code), None)


def _last_codes(file: Path) -> list[int]:
    """The exit code that a machine's log ends with."""
    with suppress(OSError), file.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - _LAST_WORDS_BYTES))
        return [int(code) for code in _DGX_EXIT.findall(stream.read())[-1:]]
    return []


def _reason(record: JobRecord, status: JobStatus) -> str | None:
    if status.state == "lost":
        return (
            f"NeMo-Run does not know the job any more; look at the console of {record.executor} "
            f"for {record.scheduler_id}."
        )
    return f"{record.executor} says so." if status.state in {"failed", "cancelled"} else None


def _with_console(record: JobRecord, status: JobStatus) -> JobStatus:
    """Say where the output of a running job is, where nobody can read it here."""
    where = _unread_output(record) if status.state == "running" else None
    if where is None:
        return status
    return replace(status, reason=" ".join(filter(None, (status.reason, where))))


def _unread_output(record: JobRecord) -> str | None:
    if record.executor in _TELL_THEIR_OUTPUT:
        return None
    if record.executor == "skypilot":
        scheme, _, name = str(record.scheduler_id).partition("://")
        *_, cluster, _task, number = name.rpartition("/")[2].split("___")
        command = "jobs logs" if scheme.startswith("skypilot_jobs") else f"logs {cluster}"
        return f"What it prints is shown by: sky {command} {number}"
    if Path(record.log_pattern).parent.is_dir():
        return None
    return f"What it prints is in {record.executor}'s console, and in {record.log_pattern} there."
