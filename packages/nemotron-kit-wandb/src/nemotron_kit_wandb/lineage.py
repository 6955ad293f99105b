"""The inputs of a run, registered the moment that it exists, whoever starts it."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nemo_runspec.artifacts.opening import active_tracking
from nemo_runspec.artifacts.reference import SCHEME, ArtifactReference
from nemo_runspec.errors import InvalidReferenceError, UsageError
from nemotron_kit_wandb.calling import within
from nemotron_kit_wandb.deferred import beside_manifests, hand_over
from nemotron_kit_wandb.publishing import publish
from nemotron_kit_wandb.records import RunIdentity, WandbRecord
from nemotron_kit_wandb.runs import active_run, add_tags, ending, is_ending, starts_its_own
from nemotron_kit_wandb.starting import WandbRunError, end_run, start_run

if TYPE_CHECKING:
    from wandb import Run

    from nemo_runspec.artifacts import ArtifactTrackingResult

logger = logging.getLogger(__name__)

_NAMES = "artifact_qualified_names"
_MOST_OWNERS = 2
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Registration:
    """What is to be said of every run that starts.

    Attributes:
        names: Full names of the artifacts that it uses; None for all that its tracking resolved.
        tags: Tags that it gets.
        tracking: The tracking that the names come from; None where there was none.
    """

    names: tuple[str, ...] | None
    tags: tuple[str, ...]
    tracking: ArtifactTrackingResult | None

    @classmethod
    def of(
        cls,
        names: Iterable[str] | None,
        tags: Iterable[str],
        tracking: ArtifactTrackingResult | None,
    ) -> Registration:
        """Check what was asked for.

        Raises:
            UsageError: A text stands where a list belongs.
            InvalidReferenceError: A name is none.
        """
        wanted = _listed("tags", tags)
        if names is None:
            return cls(None, wanted, tracking)
        return cls(tuple(map(_checked, _listed(_NAMES, names))), wanted, tracking)

    def inputs(self) -> tuple[str, ...]:
        """The names, as they are now."""
        if self.names is not None:
            return self.names
        tracking = active_tracking() if self.tracking is None else self.tracking
        return () if tracking is None else tuple(tracking.qualified_names)

    @property
    def best_effort(self) -> bool:
        """Whether manifests hold the lineage too, so that W&B may fail."""
        return beside_manifests() if self.tracking is None else self.tracking.manifest


def _checked(name: str) -> str:
    """A name in W&B's spelling: the project may stand without its entity."""
    owner, slash, rest = name.removeprefix(SCHEME).rpartition("/")
    parts = owner.split("/") if slash else []
    if len(parts) > _MOST_OWNERS or not all(parts):
        raise InvalidReferenceError(
            f"{name!r} is no artifact of W&B.",
            where=_NAMES,
            hint="Write entity/project/name:version.",
        )
    return f"{owner}{slash}{ArtifactReference.parse(rest)}"


def _listed(what: str, texts: Iterable[str]) -> tuple[str, ...]:
    if isinstance(texts, str):
        raise UsageError(f"'{what}' must be a list, not the text {texts!r}.", hint=f"[{texts!r}]")
    return tuple(dict.fromkeys(texts))


@dataclass
class Registrations:
    """Everything that is said of the runs of this process, each of it once for each run."""

    _wanted: list[Registration] = field(default_factory=list)
    _done: set[tuple[str, str]] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def add(self, wanted: Registration) -> None:
        """Say this of the active run, where there is one, and of every later one."""
        with self._lock:
            if wanted not in self._wanted:
                self._wanted.append(wanted)
        run = active_run()
        if run is not None:
            self.apply(run)

    def apply(self, run: Run) -> None:
        """Say of a run what is to be said of it and has not been.

        Raises:
            WandbRunError: W&B is the only backend, and did not take it.
        """
        if run.disabled:
            return
        for wanted in tuple(self._wanted):
            if not wanted.best_effort:
                self._apply(wanted, run)
                continue
            try:
                self._apply(wanted, run)
            except Exception:  # manifests hold the lineage; whatever W&B does, the job goes on
                logger.exception("The inputs of the W&B run %s are not registered.", run.id)

    def _apply(self, wanted: Registration, run: Run) -> None:
        add_tags(run, wanted.tags)
        with self._lock:
            names = [name for name in wanted.inputs() if (run.id, name) not in self._done]
            self._done.update((run.id, name) for name in names)
        if names:
            _register(wanted, tuple(names), run)


def reporting_init(
    registrations: Registrations,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Build a ``wandb.init`` that says of each run what is to be said of it.

    Beside manifests it also starts the run offline where the server is silent, instead of waiting.
    """

    def build(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def init(*args: Any, **kwargs: Any) -> Any:
            if starts_its_own():
                return original(*args, **kwargs)
            run = start_run(original, *args, **kwargs)
            registrations.apply(run)
            return run

        return init

    return build


def heard_end(original: Callable[..., Any]) -> Callable[..., Any]:
    """Build the end of a run that, beside manifests, delivers first what waits for it.

    Frameworks finish the runs that they started, through the client itself.
    """

    @functools.wraps(original)
    def finish(self: Run, exit_code: int | None = None) -> None:
        if is_ending() or self is not active_run() or not beside_manifests():
            original(self, exit_code)
            return
        with ending():
            end_run(self, exit_code)

    return finish


def _register(wanted: Registration, names: tuple[str, ...], run: Run) -> None:
    identity = RunIdentity.of(run)
    record = WandbRecord(identity, identity.project, identity.entity, used=names)
    if wanted.best_effort:
        hand_over(record)
        return
    if run.offline:
        logger.warning(
            "The W&B run %s is offline: it shows no edges from %s.", run.id, ", ".join(names)
        )
        return
    published = within(
        _TIMEOUT_S,
        lambda: publish(record, run, timeout_s=_TIMEOUT_S),
        what="take the inputs of this run",
    )
    unlinked = published.unlinked
    if unlinked:
        raise WandbRunError(
            f"W&B does not take {', '.join(unlinked)} as an input of this run.",
            where=f"{run.entity}/{run.project}/{run.id}",
            hint="Check the names, and that `wandb login` is the user who may read them.",
        )
