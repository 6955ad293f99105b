"""Find out which recipes of a family make a chain: from what they declare and what they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from omegaconf import DictConfig, OmegaConf

from nemo_runspec.artifacts.aliases import read_aliases
from nemo_runspec.artifacts.reference import (
    LATEST,
    ArtifactReference,
    is_reference,
    looks_like_path,
)
from nemo_runspec.artifacts.registry import find_artifact_class
from nemo_runspec.artifacts.settings import read_settings
from nemo_runspec.config.grammar import parse_override
from nemo_runspec.errors import ConfigError, UsageError
from nemo_runspec.execution.pipeline.addressing import (
    find_stage,
    refuse_for_all,
    sort_overrides,
)
from nemo_runspec.execution.pipeline.conversions import check_format, find_conversions
from nemo_runspec.execution.pipeline.model import Chain, ChainRequest, LeftOut, Stage, StageInput
from nemo_runspec.execution.pipeline.ordering import in_order, needed_for
from nemo_runspec.execution.pipeline.selection import (
    Selection,
    select_recipes,
    stage_names,
    with_conversions,
)
from nemo_runspec.execution.plan import RecipeRequest, compose_job
from nemo_runspec.resolvers.references import is_direct, references_of
from nemo_runspec.runspec import Runspec


def build_chain(request: ChainRequest) -> Chain:
    """Put the stages of a family in order, and say which reads what the other makes.

    No store is asked and nothing is written.

    Args:
        request: What the user asks for.

    Raises:
        UsageError: The stages make no chain: a circle, two that write under one name, a stage
            that there is not.
        ConfigError: A configuration or an override cannot be used.
    """
    selection = select_recipes(request)
    overrides = _sorted_overrides(request, selection)
    selection = _completed(request, selection, overrides)
    names = _wanted(request, selection, overrides)
    composed = [_compose(request, selection, name, overrides) for name in names]
    stages = in_order(_connected(composed))
    for stage in stages:
        _check_handovers(stage, {each.name: each for each in stages}, request)
    return Chain(request.family, tuple(stages), selection.left_out)


@dataclass(frozen=True, slots=True)
class _Composed:
    stage: Stage
    job: DictConfig


_Overrides = Sequence[tuple[str | None, str]]
_SECTIONS_OF_ALL = ("run", "artifacts")


def _sorted_overrides(request: ChainRequest, selection: Selection) -> _Overrides:
    overrides = sort_overrides(request.overrides, stage_names(request))
    read_keys = {key for recipe in selection.recipes.values() for key in recipe.artifacts.reads}
    for stage, override in overrides:
        if stage is None:
            refuse_for_all(override, read_keys)
        else:
            _require_part(stage, selection.left_out)
    return overrides


def _require_part(name: str, left_out: Iterable[LeftOut]) -> None:
    for item in left_out:
        if item.name == name:
            raise UsageError(
                f"The stage {name!r} takes no part: it {item.reason}.",
                hint=f"Choose one that it has: -c {name}:NAME",
            )


def _completed(request: ChainRequest, selection: Selection, overrides: _Overrides) -> Selection:
    """Add the conversions that stages need of what others make."""
    composed = (_compose(request, selection, n, _own(overrides)) for n in selection.recipes)
    found = find_conversions([each.stage for each in composed], request)
    completed = with_conversions(selection, found, request)
    addressed = [name for name, _ in overrides if name is not None]
    for name in addressed:
        if name not in completed.recipes:
            raise UsageError(
                f"The stage {name!r} takes no part: no stage reads what it would make.",
                hint=f"Let one read it: STAGE:run.model=NAME-hf:{LATEST}",
            )
    return completed


def _own(overrides: _Overrides) -> _Overrides:
    """Those of one stage; one of every stage need not fit what a cut leaves out."""
    return [(name, override) for name, override in overrides if name is not None]


def _wanted(request: ChainRequest, selection: Selection, overrides: _Overrides) -> list[str]:
    """Name the stages that remain of the chain after it was cut."""
    if request.only is not None:
        return [name for name in request.only if name in selection.recipes]
    if request.start is None and not request.ends:
        return list(selection.recipes)
    own = _own(overrides)
    whole = in_order(_connected([_compose(request, selection, n, own) for n in selection.recipes]))
    names = [stage.name for stage in whole]
    ends = [_part(text, request, selection) for text in request.ends] or names
    kept = needed_for(ends, whole)
    if request.start is not None:
        start = _part(request.start, request, selection)
        kept &= set(names[names.index(start) :])
        if start not in kept:
            raise UsageError(
                f"Nothing leads from {start} to {', '.join(ends)}.",
                where=f"--from {request.start}",
                hint=f"The order is {', '.join(names)}.",
            )
    return [name for name in names if name in kept]


def _part(text: str, request: ChainRequest, selection: Selection) -> str:
    name = find_stage(text, [*request.stages(), *selection.given])
    _require_part(name, selection.left_out)
    return name


def _compose(
    request: ChainRequest, selection: Selection, name: str, overrides: _Overrides
) -> _Composed:
    recipe, config = selection.recipes[name], selection.configs[name]
    given = selection.given.get(name, ())
    asked = (each for each in overrides if each[0] == name or _is_for_all(each, recipe))
    own = (*given, *(override for _, override in asked))
    job = _job(request, recipe, config, name, own)
    references = references_of(job, "run", recipe.artifacts.reads)
    stage = Stage(
        name=name,
        recipe=recipe,
        config=config,
        overrides=own,
        output=str(OmegaConf.select(job, "run.output")),
        inputs=tuple(StageInput(key, text) for key, text in references.items()),
        unset=tuple(key for key in recipe.artifacts.reads if key not in references),
        aliases=read_aliases(job),
        tracking=read_settings(job),
    )
    return _Composed(stage, job)


def _is_for_all(override: tuple[str | None, str], recipe: Runspec) -> bool:
    """Whether an override is one of every stage; those of training do not fit a conversion."""
    stage, text = override
    section = parse_override(text).key.partition(".")[0]
    return stage is None and (not recipe.artifacts.converts or section in _SECTIONS_OF_ALL)


def _job(
    request: ChainRequest, recipe: Runspec, config: str, name: str, overrides: tuple[str, ...]
) -> DictConfig:
    try:
        return compose_job(
            RecipeRequest(
                recipe=recipe,
                config=config,
                overrides=overrides,
                cwd=request.cwd,
                profile=request.profile,
            )
        )
    except ConfigError as error:
        where, hint = _addressed(error, request, name, overrides)
        raise type(error)(f"Stage {name}: {error.what}", where=where, hint=hint) from error


def _addressed(
    error: ConfigError, request: ChainRequest, name: str, overrides: tuple[str, ...]
) -> tuple[str | None, str | None]:
    """Say of which stage an override was, or how it is said."""
    where, hint = error.where, error.hint or ""
    if where is None or where not in overrides:
        return where, error.hint
    if where not in request.overrides:
        return f"{name}:{where}", hint.replace("write +", f"write {name}:+") or None
    first, _, rest = where.partition(".")
    if first in request.stages():
        return where, f"For the stage {first} alone, write {first}:{rest}"
    return where, f"{hint} For one stage only, write STAGE:{where}".strip()


def _connected(composed: Iterable[_Composed]) -> Iterator[Stage]:
    """Say which stage makes what another reads."""
    found = list(composed)
    writers = _writers(each.stage for each in found)
    for each in found:
        inputs = [_with_source(item, each.stage, writers) for item in each.stage.inputs]
        yield replace(each.stage, inputs=tuple(item for item in inputs if not is_direct(item.key)))


def _writers(stages: Iterable[Stage]) -> dict[str, Stage]:
    writers: dict[str, Stage] = {}
    for stage in stages:
        if stage.recipe.artifacts.writes is None:
            continue
        other = writers.setdefault(stage.output, stage)
        if other is not stage:
            raise UsageError(
                f"The stages {other.name} and {stage.name} both record {stage.output!r}.",
                hint=f"Give one another name: {stage.name}:run.output=NAME",
            )
    return writers


def _with_source(item: StageInput, stage: Stage, writers: Mapping[str, Stage]) -> StageInput:
    """Find the stage that makes an input: only ``latest`` means what the chain makes."""
    if looks_like_path(item.requested) or not is_reference(item.requested):
        return item
    reference = ArtifactReference.parse(item.requested)
    writer = writers.get(reference.name)
    outside = reference.owner is not None or reference.selector != LATEST
    if writer is None or writer.name == stage.name or outside:
        return item
    if is_direct(item.key):
        raise UsageError(
            f"Stage {stage.name} reads {item.requested} of {writer.name} inside a value, where it "
            "cannot be replaced by the version that this chain makes.",
            where=str(stage.recipe.path),
            hint=f"Write run.KEY: {item.requested} and ${{art:KEY,…}} in its configuration.",
        )
    return replace(item, source=writer.name)


def _check_handovers(stage: Stage, stages: Mapping[str, Stage], request: ChainRequest) -> None:
    for item in stage.inputs:
        if item.source is None:
            continue
        writer = stages[item.source]
        _check_type(stage, item, writer)
        check_format(stage, item, writer, request)
        _check_tracking(stage, item, writer)


def _check_type(stage: Stage, item: StageInput, writer: Stage) -> None:
    declared, written = stage.recipe.artifacts.reads.get(item.key), writer.recipe.artifacts.writes
    if declared is None or written is None or declared == written:
        return
    expected, made = find_artifact_class(declared), find_artifact_class(written)
    if expected is None or made is None or issubclass(made, expected):
        return
    raise UsageError(
        f"Stage {stage.name} reads {declared}, and {writer.name} writes {written}.",
        where=f"run.{item.key}: {item.requested}",
        hint=f"Name another artifact: {stage.name}:run.{item.key}=NAME:VERSION",
    )


def _check_tracking(stage: Stage, item: StageInput, writer: Stage) -> None:
    own, other = stage.tracking, writer.tracking
    if own.root is None and not own.wandb:
        raise UsageError(
            f"Stage {stage.name} gets {item.requested} from {writer.name} by its name, and "
            "artifacts are not tracked.",
            where="artifacts.manifest.root",
            hint="Set artifacts.manifest.root, in env.toml or with --root, to a place that every "
            "stage sees.",
        )
    if (own.root, own.wandb) != (other.root, other.wandb):
        raise UsageError(
            f"Stage {writer.name} records in {_store(writer)}, and {stage.name} looks up in "
            f"{_store(stage)}.",
            where=f"run.{item.key}: {item.requested}",
            hint="Let both have the same artifacts.manifest.root and artifacts.wandb.",
        )


def _store(stage: Stage) -> str:
    settings = stage.tracking
    return settings.root or ("W&B" if settings.wandb else "no store")
