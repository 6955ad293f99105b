"""The shell of this machine, where jobs are submitted right here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from nemo_runspec.errors import ExecutionError, TransferError
from nemo_runspec.execution.shells.base import (
    RUN_TIMEOUT_S,
    failed,
    is_login_variable,
    send_contents,
    taken_folder,
)
from nemo_runspec.packaging.code.ssh.failures import is_disk_full
from nemo_runspec.packaging.code.ssh.process import Finished, TooSlowError, run_bounded

HERE = "this machine"


class LocalShell:
    """Runs scripts on this machine."""

    @property
    def where(self) -> str:
        """The machine, for messages."""
        return HERE

    def run(
        self,
        script: str,
        *,
        given: bytes | Path = b"",
        environment: Mapping[str, str] | None = None,
        timeout_s: float = RUN_TIMEOUT_S,
        check: bool = True,
    ) -> Finished:
        """Run a script to its end; see :class:`ClusterShell`."""
        try:
            done = run_bounded(
                ["/bin/sh", "-c", script],
                timeout_s=timeout_s,
                given=given,
                environment=_environment(environment),
            )
        except TooSlowError as error:
            raise TransferError(
                f"A command on {HERE} did not end within {timeout_s:g} s.",
                hint="Try again when it is less busy.",
            ) from error
        if check and done.code != 0:
            raise failed(HERE, done)
        return done

    def send(self, folder: Path, destination: str) -> None:
        """Put the contents of a folder into a new one; see :class:`ClusterShell`."""
        done = send_contents(self, folder, destination)
        if done.code == 0:
            return
        if is_disk_full(done.stderr):
            raise TransferError(
                "The disk is full.", where=destination, hint="Free some space there."
            )
        raise taken_folder(self.where, destination, done) or _refused(destination, done)

    def __enter__(self) -> Self:
        """Nothing has to be opened."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing has to be closed."""


def _environment(given: Mapping[str, str] | None) -> dict[str, str]:
    if given is None:
        return dict(os.environ)
    login = {name: value for name, value in os.environ.items() if is_login_variable(name)}
    return {**login, **given}


def _refused(destination: str, done: Finished) -> ExecutionError:
    error = failed(destination, done)
    return ExecutionError(
        f"The folder cannot be written to: {error.what}",
        where=destination,
        hint="Choose a folder that you may write to.",
    )
