"""The tracking backends that a configuration asks for: no import leads to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from nemo_runspec.errors import PackagingError
from nemo_runspec.packaging.distributions import member_distributions
from nemo_runspec.packaging.places import Places

_GROUP = "nemo_runspec.trackers"
_SECTION = "artifacts"
_MANIFEST = "manifest"


@dataclass(frozen=True, slots=True)
class Backend:
    """A tracking backend.

    Attributes:
        distribution: The distribution that offers it.
        module: The module that it lies in.
    """

    distribution: str
    module: str


def find_backends(config: Mapping[Any, Any] | None, places: Places) -> list[Backend]:
    """Find the backends whose switch in the ``artifacts`` section is on.

    Args:
        config: The configuration; None where there is none, and so none is asked for.
        places: Where the recipe lies; members of its workspace need not be installed.

    Raises:
        PackagingError: Nothing here offers one of them.
    """
    section = None if config is None else config.get(_SECTION)
    if not isinstance(section, Mapping):
        return []
    wanted = [str(name) for name, value in section.items() if value is True and name != _MANIFEST]
    return [_find(name, places) for name in sorted(wanted)]


def _find(name: str, places: Places) -> Backend:
    for distribution in member_distributions(places.roots):
        target = distribution.entry_points.get(_GROUP, {}).get(name)
        if target is not None:
            return Backend(distribution.name, target.partition(":")[0])
    for point in entry_points(group=_GROUP, name=name):
        if point.dist is not None:
            return Backend(point.dist.name, point.module)
    raise PackagingError(
        f"{_SECTION}.{name} is true, but no package here offers a {name!r} tracker.",
        where="config",
        hint=f"Install one (nemotron-kit-{name}) here, or set {_SECTION}.{name}=false.",
    )
