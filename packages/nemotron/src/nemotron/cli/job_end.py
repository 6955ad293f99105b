"""How a job ended, whoever ran it: what the last panel and the last document say."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts.backends import Delivery
from nemo_runspec.errors import ExecutionError, NemotronError
from nemo_runspec.execution import RunOutcome
from nemo_runspec.execution.ending import is_reused, last_manifest, why_no_manifest
from nemo_runspec.execution.jobs import JobRecord, JobStatus
from nemo_runspec.execution.jobs.reasons import plain_exit
from nemo_runspec.run_result import RunResult
from nemotron.cli.errors import error_document

# Executors whose jobs leave their results on this machine, or on one that commands are run on.
_REACHED = ("local", "slurm")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnd:
    """The end of a job.

    Attributes:
        output: The name that its artifact is recorded under.
        exit_code: The exit code of the command that waited for it.
        result: What its script left.
        manifest_missing: Why there is no manifest; None where there is one.
        run: Its run directory, with the machine in front where that is another one.
        folder: What relative paths of its artifacts are relative to; None where that is unknown.
        wandb: Whether its artifacts go to W&B too.
        deliveries: What W&B has of it, and what waits.
        sync_command: What delivers that.
        reason: Why it ended badly, in a sentence; None where its own output has just said it.
        state: ``completed``, ``failed``, ``interrupted``, ``cancelled``, ``timed out`` or
            ``lost``.
        job: Its record, where it was submitted.
        unseen: The machine that has what it recorded, where nobody can read that from here.
    """

    output: str
    exit_code: int
    result: RunResult
    manifest_missing: str | None
    run: str
    folder: Path | None
    wandb: bool
    deliveries: Sequence[Delivery]
    sync_command: str
    reason: str | None = None
    state: str = "failed"
    job: JobRecord | None = None
    unseen: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the script ended well."""
        return self.exit_code == 0

    @property
    def reused(self) -> bool:
        """Whether everything that was recorded had been recorded before."""
        return is_reused(self.result)

    @property
    def pending(self) -> list[Delivery]:
        """What waits for W&B."""
        return [item for item in self.deliveries if item.state == "pending"]

    @property
    def error(self) -> NemotronError:
        """Why it failed: what the script told, else how it ended."""
        told = self.result.error
        if told is not None:
            return ExecutionError(str(told["what"]), where=told["where"], hint=told["hint"])
        return self.untold_error

    @property
    def untold_error(self) -> NemotronError:
        """How it ended, whatever the script told."""
        if self.state == "interrupted":
            return ExecutionError("The job was interrupted.", where=self.run)
        return ExecutionError(
            self.reason or f"The job ended with exit code {self.exit_code}.",
            where=self.run,
            hint="What it printed before says why.",
        )

    def path(self, recorded: str) -> str:
        """A path of an artifact, absolute where that can be said."""
        return recorded if "://" in recorded or not self.folder else str(self.folder / recorded)

    def as_dict(self) -> dict[str, Any]:
        """Give the end as JSON data."""
        document: dict[str, Any] = {
            "exit_code": self.exit_code,
            "artifacts": self.result.artifacts,
            "summary": self.result.summary,
            "manifest": last_manifest(self.result),
            "manifest_missing": self.manifest_missing,
            "wandb": self._wandb() if self.wandb else None,
            "cache_hit": self.reused,
        }
        if self.job is not None:
            document |= {
                "recipe": self.job.recipe,
                "output": self.job.output,
                "run_dir": str(self.job.run_dir),
                "job": self.job.as_dict(),
                "reason": self.reason,
            }
        if not self.succeeded:
            document["error"] = error_document(self.error)
        return document

    def _wandb(self) -> dict[str, Any]:
        """What W&B has of the job, and the command that delivers the rest."""
        alone = {item["ref"]: item["url"] for item in self.result.artifacts if item.get("url")}
        sent = {item.what: item.where for item in self.deliveries if item.state == "delivered"}
        return {
            "delivered": alone | sent,
            "pending": [item.what for item in self.pending],
            "sync_command": self.sync_command if self.pending else None,
        }


def end_of_run(outcome: RunOutcome) -> JobEnd:
    """The end of a job that ran in the foreground."""
    run = outcome.run
    # What the script said is the last line that was seen, but for torchrun, which adds its own.
    buried = run.plan.recipe.run.launch == "torchrun"
    return JobEnd(
        output=run.plan.output,
        exit_code=outcome.exit_code,
        result=outcome.result,
        manifest_missing=outcome.missing_manifest,
        run=str(run.run_dir),
        folder=run.plan.cwd,
        wandb=run.plan.wandb,
        deliveries=outcome.deliveries,
        sync_command=_sync_command(run.run_dir, run.plan.cwd),
        reason=plain_exit(outcome.exit_code) if buried and not outcome.succeeded else None,
        state=_state_of_run(outcome),
    )


def _state_of_run(outcome: RunOutcome) -> str:
    if outcome.succeeded:
        return "completed"
    return "interrupted" if outcome.interrupted else "failed"


def end_of_job(
    record: JobRecord,
    status: JobStatus,
    result: RunResult,
    deliveries: Sequence[Delivery],
    cwd: Path,
) -> JobEnd:
    """The end of a job that was submitted.

    Args:
        record: The job.
        status: How it ended.
        result: What its script left.
        deliveries: What W&B has of it, and what waits.
        cwd: The working directory of this command.
    """
    succeeded = status.state == "succeeded"
    host = None if record.ssh is None else record.ssh["host"]
    local = host is None
    unseen = _unseen(record)
    missing = why_no_manifest(result, root=record.manifest_root, succeeded=succeeded)
    return JobEnd(
        output=record.output,
        exit_code=status.command_code,
        result=result,
        manifest_missing=missing if unseen is None else f"not seen from here: it is on {unseen}",
        run=record.job_dir if local else f"{host}:{record.job_dir}",
        folder=cwd if record.executor == "local" else None,
        wandb=record.wandb,
        deliveries=deliveries,
        sync_command=_sync_command(Path(record.job_dir), cwd if local else None)
        + ("" if local else f"   (on {host})"),
        reason=status.reason,
        state="completed" if succeeded else status.state.replace("_", " "),
        job=record,
        unseen=unseen,
    )


def _unseen(record: JobRecord) -> str | None:
    """The machine that has a job's run directory, where that is neither this one nor reached."""
    reached = record.executor in _REACHED or Path(record.job_dir).is_dir()
    return None if reached else record.executor


def _sync_command(run_dir: Path, cwd: Path | None) -> str:
    inside = cwd is not None and run_dir.is_relative_to(cwd)
    shown = run_dir.relative_to(cwd) if cwd is not None and inside else run_dir
    return shlex.join(["nemotron", "artifacts", "sync", str(shown)])
