"""What framework hooks emit, and who listens.

Adapters emit :class:`CheckpointSaved`; each handler records it somewhere. Handlers fail alone:
one that raises is logged, the others still run, and training goes on. :func:`record_checkpoint`
records in every backend of a tracking; it works on any rank, and in any process that has the
job's ``NEMOTRON_RUN_DIR``. Hooks use it through a :class:`CheckpointRecorder`, which also hears
of checkpoints that are deleted, and of the start of training.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from nemo_runspec.artifacts.opening import active_tracking
from nemo_runspec.artifacts.removal import RemovedCheckpoints
from nemo_runspec.artifacts.tracker import LoggedArtifact
from nemo_runspec.artifacts.tracking import (
    ArtifactTrackingResult,
    current_tracking,
    log_artifact,
)
from nemo_runspec.artifacts.types import ModelArtifact
from nemo_runspec.container_paths import resolve_host_path
from nemo_runspec.model_formats import ModelFormat

logger = logging.getLogger(__name__)

_SWITCHES = {"manifest": "artifacts.manifest.root=PATH", "wandb": "artifacts.wandb=true"}


@dataclass(frozen=True)
class CheckpointSaved:
    """A framework finished writing a checkpoint.

    Attributes:
        path: The directory of this one iteration, as the job sees it.
        save_dir: The directory that loaders want, as the job sees it.
        iteration: The training step.
        framework: ``megatron-bridge`` or ``nemo-rl``.
        format: ``megatron``, ``hf`` or ``dcp``.
        loss: The training loss at that step, where the framework tells.
    """

    path: Path
    save_dir: Path
    iteration: int
    framework: str
    format: ModelFormat = "megatron"
    loss: float | None = None


CheckpointHandler = Callable[[CheckpointSaved], object]


class CheckpointDispatcher:
    """Passes each checkpoint to every handler once, from whatever thread it comes.

    Args:
        handlers: Called in order. An error of one is logged and does not stop the others: a
            tracking problem must not cost a training step.
    """

    def __init__(self, handlers: Sequence[CheckpointHandler]) -> None:
        self._handlers = tuple(handlers)
        self._seen: set[Path] = set()
        self._lock = threading.Lock()

    def emit(self, event: CheckpointSaved) -> None:
        """Pass an event on, unless this checkpoint was passed on before."""
        with self._lock:
            if event.path in self._seen:
                return
            self._seen.add(event.path)
        for handler in self._handlers:
            try:
                handler(event)
            except Exception:  # whatever a handler raises, training goes on
                logger.exception("Checkpoint %s was not recorded by %r.", event.path, handler)


def record_checkpoint(
    event: CheckpointSaved,
    tracking: ArtifactTrackingResult | None = None,
    *,
    name: str | None = None,
) -> LoggedArtifact:
    """Record a checkpoint as a :class:`~nemo_runspec.artifacts.ModelArtifact`.

    ``path`` is the save directory and ``metadata["absolute_path"]`` the iteration's own, both as
    the host sees them, so that later jobs find them. Every framework records the same keys.

    Args:
        event: What was saved.
        tracking: Where to record it; by default the current tracking, which a process that has
            none joins from its job.
        name: The name to record under; by default the recipe's output name.
    """
    artifact = ModelArtifact(
        path=resolve_host_path(event.save_dir),
        step=event.iteration,
        loss=event.loss,
        format=event.format,
        metadata={
            "absolute_path": str(resolve_host_path(event.path)),
            "iteration": event.iteration,
            "framework": event.framework,
        },
    )
    artifact.see_at(event.path)
    return log_artifact(artifact, tracking, name=name)


@runtime_checkable
class StartListener(Protocol):
    """A backend that has something to do when training starts, on the rank that records."""

    def training_started(self, tracking: ArtifactTrackingResult) -> None:
        """Say in the framework's own run what it uses, for example.

        Called when hooks are put on, and again when training starts: by then the framework has
        started its run.
        """
        ...


@runtime_checkable
class WithdrawalListener(Protocol):
    """A backend beside the manifests that can show that a version was withdrawn."""

    def withdrawn(self, reference: str, *, reason: str) -> None:
        """Show it; best effort, and without making the caller wait.

        Args:
            reference: The pinned reference: the manifest store's, else the backend's own.
            reason: Why it was withdrawn.
        """
        ...


class CheckpointRecorder:
    """What a framework's hook holds: it records each checkpoint once, wherever its tracking says.

    Several recorders of one tracking record a checkpoint once together, so that a callback and a
    patch may both be in place. One that could not be recorded may be told of again.

    Args:
        tracking: Where to record; by default the tracking that is current now. A hook may be put
            on before any is set up: then the first checkpoint decides.
        name: The name to record under; by default the recipe's output name.
        expected: Backends that the caller counts on, ``manifest`` or ``wandb``; where the tracking
            lacks one, that is warned about.
    """

    def __init__(
        self,
        tracking: ArtifactTrackingResult | None = None,
        *,
        name: str | None = None,
        expected: Sequence[Literal["manifest", "wandb"]] = (),
    ) -> None:
        self._name = name
        self._expected = tuple(expected)
        self._tracking = active_tracking() if tracking is None else tracking
        self._removed: RemovedCheckpoints | None = None
        if self._tracking is not None:
            self._check(self._tracking)

    @property
    def tracking(self) -> ArtifactTrackingResult:
        """Where checkpoints are recorded; decided now, where it was not before."""
        if self._tracking is None:
            self._tracking = current_tracking()
            self._check(self._tracking)
        return self._tracking

    @property
    def decided(self) -> bool:
        """Whether it is known by now where checkpoints are recorded."""
        return self._tracking is not None

    def emit(self, event: CheckpointSaved) -> None:
        """Record a checkpoint, unless it was recorded before; nothing is raised."""
        try:
            self._record(event)
        except Exception:  # whatever a tracker raises, training goes on
            logger.exception("Checkpoint %s was not recorded.", event.path)

    def removed(self, path: Path, *, reason: str) -> None:
        """Withdraw the versions of a checkpoint that was deleted; nothing is raised.

        Args:
            path: Its own directory, as the job sees it.
            reason: Why it is gone, for whoever asks for the version later.
        """
        try:
            self._withdraw(path, reason)
        except Exception:  # whatever a tracker raises, training goes on
            logger.exception("The version of the deleted checkpoint %s is still in use.", path)

    def sweep(self, *, reason: str) -> None:
        """Withdraw the versions of recorded checkpoints that are not there any more."""
        for path in self.tracking.checkpoints.vanished():
            self.removed(path, reason=reason)

    def training_started(self) -> None:
        """Tell the backends that training starts; nothing is raised."""
        tracking = self.tracking
        for backend in (tracking.manifest_tracker, tracking.wandb_tracker):
            if not isinstance(backend, StartListener):
                continue
            try:
                backend.training_started(tracking)
            except Exception:  # whatever a service raises, training goes on
                logger.exception("%s did not take the start of training.", backend)

    def _record(self, event: CheckpointSaved) -> None:
        ledger = self.tracking.checkpoints
        if not ledger.claim(event.path):
            return
        try:
            logged = record_checkpoint(event, self.tracking, name=self._name)
        except BaseException:
            ledger.release(event.path)
            raise
        ledger.settle(event.path, logged)

    def _withdraw(self, path: Path, reason: str) -> None:
        for ref in self._withdrawn(path, reason):
            logger.info("%s is withdrawn: %s", ref, reason)
            if isinstance(self.tracking.wandb_tracker, WithdrawalListener):
                self.tracking.wandb_tracker.withdrawn(ref, reason=reason)

    def _withdrawn(self, path: Path, reason: str) -> list[str]:
        """The versions that are out of use now; without manifests, what this process recorded."""
        recorded = self.tracking.checkpoints.release(path)
        if self._removed is None:
            self._removed = self._removals()
        if self._removed is not None:
            return self._removed.withdraw(str(resolve_host_path(path)), reason=reason)
        logger.warning("%s is gone, and no manifest says so: %s", path, reason)
        known = recorded is not None and recorded.logged.version is not None
        return [recorded.logged.ref] if recorded is not None and known else []

    def _removals(self) -> RemovedCheckpoints | None:
        tracker = self.tracking.manifest_tracker
        if tracker is None:
            return None
        name = self._name or self.tracking.output_name or ModelArtifact.__name__
        return RemovedCheckpoints(tracker, name)

    def _check(self, tracking: ArtifactTrackingResult) -> None:
        active = {"manifest": tracking.manifest, "wandb": tracking.wandb}
        for backend in self._expected:
            if not active[backend]:
                logger.warning(
                    "Checkpoints are not recorded in the backend %s, which is off: set %s.",
                    backend,
                    _SWITCHES[backend],
                )
