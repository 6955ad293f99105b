"""The order of a chain: what a stage reads is made before it, ties go by the scripts' paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nemo_runspec.errors import UsageError
from nemo_runspec.execution.pipeline.model import Stage


def in_order(stages: Iterable[Stage]) -> list[Stage]:
    """Sort stages so that each comes after those that it reads from.

    Of those that can be next, the one with the first path is.

    Args:
        stages: The stages, in any order.

    Raises:
        UsageError: Stages read from each other in a circle.
    """
    left = {stage.name: stage for stage in sorted(stages, key=_place)}
    ordered: list[Stage] = []
    while left:
        ready = next((each for each in left.values() if not each.sources & left.keys()), None)
        if ready is None:
            raise _circle(_walk_back(left), left)
        ordered.append(left.pop(ready.name))
    return ordered


def needed_for(ends: Sequence[str], stages: Sequence[Stage]) -> set[str]:
    """Name some stages and all that they read from, directly or not.

    Args:
        ends: The stages that are wanted.
        stages: All stages, in their order.
    """
    needed = set(ends)
    for stage in reversed(stages):
        if stage.name in needed:
            needed |= stage.sources
    return needed


def following(changed: Iterable[str], stages: Sequence[Stage]) -> set[str]:
    """Name some stages and all that read from them, directly or not.

    Args:
        changed: The stages.
        stages: All stages, in their order.
    """
    found = set(changed)
    for stage in stages:
        if stage.sources & found:
            found.add(stage.name)
    return found


def _place(stage: Stage) -> tuple[str, str]:
    return str(stage.recipe.path), stage.name


def _walk_back(left: Mapping[str, Stage]) -> Sequence[str]:
    """Follow what stages read until one comes again; each of them waits for another."""
    path = [next(iter(left))]
    while True:
        source = min((left[name] for name in left[path[-1]].sources & left.keys()), key=_place)
        if source.name in path:
            return path[path.index(source.name) :]
        path.append(source.name)


def _circle(path: Sequence[str], by_name: Mapping[str, Stage]) -> UsageError:
    steps = []
    for reader, source in zip(path, (*path[1:], path[0]), strict=True):
        item = next(item for item in by_name[reader].inputs if item.source == source)
        steps.append(f"{reader} reads {item.requested} (run.{item.key}) of {source}")
    return UsageError(
        f"The stages read from each other in a circle: {', '.join(steps)}.",
        hint=f"Pin one of the references to a version that is there: {path[0]}:run.KEY=NAME:v1",
    )
