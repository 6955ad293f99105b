"""The order of a chain: what a stage reads is made before it, ties go by the scripts' paths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from nemo_runspec.errors import UsageError
from nemo_runspec.execution.pipeline.model import Stage


def in_order(stages: Iterable[Stage]) -> list[Stage]:
    """Sort stages so that each comes after those that it reads from.

    Args:
        stages: The stages, in any order.

    Raises:
        UsageError: Stages read from each other in a circle.
    """
    by_name = {stage.name: stage for stage in stages}
    ordered: dict[str, Stage] = {}
    for stage in sorted(by_name.values(), key=lambda each: (str(each.recipe.path), each.name)):
        _visit(stage, by_name, ordered, ())
    return list(ordered.values())


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


def _visit(
    stage: Stage, by_name: Mapping[str, Stage], ordered: dict[str, Stage], path: tuple[str, ...]
) -> None:
    if stage.name in ordered:
        return
    if stage.name in path:
        raise _circle(path[path.index(stage.name) :], by_name)
    for source in _in_recipe_order(stage.sources, by_name):
        _visit(source, by_name, ordered, (*path, stage.name))
    ordered[stage.name] = stage


def _in_recipe_order(names: Iterable[str], by_name: Mapping[str, Stage]) -> Iterator[Stage]:
    found = (by_name[name] for name in names)
    yield from sorted(found, key=lambda each: (str(each.recipe.path), each.name))


def _circle(path: Sequence[str], by_name: Mapping[str, Stage]) -> UsageError:
    steps = []
    for reader, source in zip(path, (*path[1:], path[0]), strict=True):
        item = next(item for item in by_name[reader].inputs if item.source == source)
        steps.append(f"{reader} reads {item.requested} (run.{item.key}) of {source}")
    return UsageError(
        f"The stages read from each other in a circle: {', '.join(steps)}.",
        hint=f"Pin one of the references to a version that is there: {path[0]}:run.KEY=NAME:v1",
    )
