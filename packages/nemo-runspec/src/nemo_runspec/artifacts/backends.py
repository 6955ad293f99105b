"""Find the tracking backends that other distributions offer."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

from nemo_runspec.artifacts.tracker import Tracker
from nemo_runspec.errors import MissingDependencyError

TrackerFactory = Callable[[], Tracker]

_GROUP = "nemo_runspec.trackers"
_registered: dict[str, TrackerFactory] = {}


def register_tracker(backend: str, factory: TrackerFactory) -> None:
    """Offer a backend where entry points do not exist: inside a packaged ``main.py``.

    Args:
        backend: The backend's name.
        factory: Makes its tracker.
    """
    _registered[backend] = factory


def open_tracker(backend: str) -> Tracker:
    """Open a backend that another distribution offers.

    Raises:
        MissingDependencyError: No installed distribution offers it.
    """
    factory = _registered.get(backend)
    if factory is not None:
        return factory()
    for entry_point in entry_points(group=_GROUP, name=backend):
        tracker: Tracker = entry_point.load()()
        return tracker
    raise MissingDependencyError(
        f"artifacts.{backend} is true, but no installed package offers a {backend!r} tracker.",
        hint=f"Install one (nemotron-kit-{backend}), or set artifacts.{backend}=false.",
    )
