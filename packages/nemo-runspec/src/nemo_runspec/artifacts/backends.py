"""Find the tracking backends that other distributions offer, and what is asked of them.

A distribution offers a :class:`TrackingBackend` through an entry point of the group
``nemo_runspec.trackers``; where entry points do not exist, inside a packaged ``main.py``,
:func:`register_tracker` takes their place. The commands reach a backend through this protocol
alone, and import none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from nemo_runspec.artifacts.tracker import Tracker
from nemo_runspec.errors import MissingDependencyError

ResolutionMode: TypeAlias = Literal["active_run", "pre_init", "local"]
TrackerFactory: TypeAlias = Callable[[], Tracker]

_GROUP = "nemo_runspec.trackers"


@dataclass(frozen=True)
class BackendSetup:
    """What a backend is opened with.

    Attributes:
        settings: The backend's own section; for W&B ``project`` and ``entity``, those that are
            known.
        best_effort: That another backend is the reliable one: an outage of this one then costs
            the caller neither its work nor its time.
        run_dir: The job's run directory, where records wait for delivery; None where there is
            none.
        mode: How references are looked up; None where the backend decides.
        manifest_root: The manifest store that it stands beside; None where it is alone.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    best_effort: bool = False
    run_dir: Path | None = None
    mode: ResolutionMode | None = None
    manifest_root: str | None = None


@dataclass(frozen=True)
class Preflight:
    """What a backend says before a job is sent off.

    Attributes:
        warnings: Sentences for the user.
        environment: Variables that the job needs; their values may be secrets.
        unreachable: Why the service could not be asked; None where it was, or need not be.
    """

    warnings: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    unreachable: str | None = None


@dataclass(frozen=True)
class Delivery:
    """Where one record of a run stands.

    Attributes:
        what: What was recorded, such as ``nano3-sft-data:v2``.
        state: ``pending`` until the service has it and said so, then ``delivered``.
        where: Its address at the service, once it is delivered.
        problem: Why the last attempt failed; None where none did.
    """

    what: str
    state: Literal["pending", "delivered"]
    where: str | None = None
    problem: str | None = None


@runtime_checkable
class TrackingBackend(Protocol):
    """A backend as another distribution offers it."""

    def open(self, setup: BackendSetup) -> Tracker:
        """Open its tracker. Asks no server: that is left to the first use."""
        ...

    def preflight(self, settings: Mapping[str, Any]) -> Preflight:
        """Check, before a job is sent off, what would stop it there.

        Args:
            settings: As for :class:`BackendSetup`.

        Raises:
            NemotronError: The job could not record; one sentence, with the cure.
        """
        ...

    def pending(self, run_dir: Path) -> Sequence[Delivery]:
        """List the records of a run, without asking the service."""
        ...

    def deliver(self, run_dir: Path) -> Sequence[Delivery]:
        """Deliver what is pending, and verify it; safe to repeat.

        Raises:
            NemotronError: The service cannot be reached, or lets nobody in.
        """
        ...


@runtime_checkable
class AdvisingBackend(Protocol):
    """A backend that has something to say where it is not asked for."""

    def advice(self) -> Sequence[str]:
        """Say, without asking the service, what may be a slip: a key without a project."""
        ...


@runtime_checkable
class EnvironmentBackend(Protocol):
    """A backend whose service a job finds through variables, tracked by us or not."""

    def job_environment(
        self, settings: Mapping[str, Any], environ: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Collect what is known, without asking the service; what is missing is left out.

        Args:
            settings: As for :class:`BackendSetup`.
            environ: The submitting process's environment.
        """
        ...


@runtime_checkable
class RunBackend(Protocol):
    """A backend that shows a job as a run of its own."""

    def job_run(self, settings: Mapping[str, Any], job_type: str) -> AbstractContextManager[object]:
        """Start a run, and end it with the block; a run that is active already is left alone.

        Args:
            settings: As for :class:`BackendSetup`.
            job_type: What kind of job it is, such as ``data-prep``.
        """
        ...


@runtime_checkable
class RebuildingBackend(Protocol):
    """A backend that can make a lost record anew from the manifest that it stood beside."""

    def deliver_manifest(self, reference: str, root: str) -> Sequence[Delivery]:
        """Deliver a version, and verify it; safe to repeat.

        Args:
            reference: The version in the manifest store.
            root: The manifest store.

        Raises:
            NemotronError: The service cannot be reached, or there is no such version.
        """
        ...


class SimpleBackend:
    """A tracker's factory as a backend: nothing to check, and nothing that waits.

    Args:
        factory: Makes the tracker.
    """

    def __init__(self, factory: TrackerFactory) -> None:
        self._factory = factory

    def open(self, setup: BackendSetup) -> Tracker:  # noqa: ARG002 - it takes no settings
        """Make the tracker."""
        return self._factory()

    def preflight(self, settings: Mapping[str, Any]) -> Preflight:  # noqa: ARG002 - nothing to check
        """Nothing stops it."""
        return Preflight()

    def pending(self, run_dir: Path) -> Sequence[Delivery]:  # noqa: ARG002 - nothing waits
        """Nothing waits."""
        return ()

    def deliver(self, run_dir: Path) -> Sequence[Delivery]:  # noqa: ARG002 - nothing waits
        """Nothing waits."""
        return ()


_registered: dict[str, TrackingBackend | TrackerFactory] = {}


def register_tracker(backend: str, offered: TrackingBackend | TrackerFactory) -> None:
    """Offer a backend where entry points do not exist: inside a packaged ``main.py``.

    Args:
        backend: The backend's name.
        offered: The backend, or merely what makes its tracker.
    """
    _registered[backend] = offered


def find_backend(name: str) -> TrackingBackend:
    """Find a backend that another distribution offers.

    Raises:
        MissingDependencyError: No installed distribution offers it.
    """
    if name in _registered:
        return _as_backend(_registered[name])
    for entry_point in entry_points(group=_GROUP, name=name):
        return _as_backend(entry_point.load())
    raise MissingDependencyError(
        f"artifacts.{name} is true, but no installed package offers a {name!r} tracker.",
        hint=f"Install one (nemotron-kit-{name}), or set artifacts.{name}=false.",
    )


def open_tracker(name: str, setup: BackendSetup | None = None) -> Tracker:
    """Open a backend that another distribution offers.

    Args:
        name: The backend's name.
        setup: What it is opened with.

    Raises:
        MissingDependencyError: No installed distribution offers it.
    """
    return find_backend(name).open(BackendSetup() if setup is None else setup)


def _as_backend(offered: TrackingBackend | TrackerFactory) -> TrackingBackend:
    return offered if isinstance(offered, TrackingBackend) else SimpleBackend(offered)
