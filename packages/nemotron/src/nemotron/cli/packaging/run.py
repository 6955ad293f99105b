"""What ``nemotron package`` does: find the recipe, compose its configuration, write, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from nemo_runspec.amounts import show_size
from nemo_runspec.config import apply_hydra_overrides, load_omegaconf_yaml
from nemo_runspec.errors import UsageError
from nemo_runspec.packaging import PackagedJob, SelfContainedPackager, compose_for_package
from nemo_runspec.runspec import Runspec, parse
from nemo_runspec.suggest import did_you_mean
from nemotron.cli.app import App, output_mode
from nemotron.cli.panels import Panel

_MOST_SHOWN = 10


def run_package(app: App, values: Mapping[str, Any]) -> None:
    """Package a recipe.

    Args:
        app: The invocation.
        values: The parameters of its click command.

    Raises:
        UsageError: There is no such recipe, or it cannot be packaged as it is.
        ConfigError: Its configuration cannot be used.
    """
    given, overrides = words_of_recipe(values["recipe"], values["overrides"])
    recipe, script = _find(app, given)
    config = _config(app, recipe, values["config"], overrides)
    job = SelfContainedPackager(values["packages"]).package(
        script, (app.cwd / values["output"]).resolve(), config=config
    )
    _report(app, recipe, script, job, values)


def words_of_recipe(first: str, others: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Tell the words of a recipe's command from the overrides after them.

    Args:
        first: A recipe's name or its command's first word; or a script, which has no more words.
        others: What follows; an override has an equals sign, or starts with ``~`` or ``+``.

    Returns:
        The recipe's words, and the overrides.
    """
    words = [] if first.endswith(".py") else list(takewhile(_is_word, others))
    return " ".join((first, *words)), tuple(others[len(words) :])


def _is_word(text: str) -> bool:
    return "=" not in text and not text.startswith(("~", "+"))


def _find(app: App, given: str) -> tuple[Runspec | None, Path]:
    """Find a recipe by its name or its command's words; anything with ``.py`` is a script."""
    if given.endswith(".py"):
        script = app.cwd / given
        known = [each for each in app.recipes.root.recipes() if each.path == script.absolute()]
        return (known[0] if known else _runspec(script)), script
    name = "/".join(given.split())
    recipes = {recipe.name: recipe for recipe in app.recipes.root.recipes()}
    if name not in recipes:
        raise UsageError(
            f"There is no recipe '{given}'.",
            hint=did_you_mean(name, recipes) or "Give a recipe's name or its script.",
        )
    return recipes[name], recipes[name].path


def _runspec(script: Path) -> Runspec | None:
    if not script.is_file():
        raise UsageError("There is no such script.", where=str(script))
    return parse(script) if b"[tool.runspec]" in script.read_bytes() else None


def _config(
    app: App, recipe: Runspec | None, config: str | None, overrides: Sequence[str]
) -> DictConfig | None:
    if recipe is not None:
        recipes = tuple(app.recipes.root.recipes())
        return compose_for_package(recipe, config=config, overrides=overrides, recipes=recipes)
    if config is None:
        if overrides:
            raise UsageError("Overrides need a configuration.", hint="Add --config PATH.")
        return None
    return apply_hydra_overrides(load_omegaconf_yaml(config), overrides)


def _file_rows(job: PackagedJob) -> list[tuple[str, str]]:
    names = [file.relative_to(job.main.parent).as_posix() for file in job.files]
    rows = [("with:", name) for name in names[:_MOST_SHOWN]]
    more = len(names) - len(rows)
    return [*rows, ("", f"and {more:,} more (see --json)")] if more else rows


def _report(
    app: App, recipe: Runspec | None, script: Path, job: PackagedJob, values: Mapping[str, Any]
) -> None:
    mode = output_mode(values)
    if mode == "json":
        app.document(
            {
                "recipe": None if recipe is None else recipe.name,
                "script": str(script),
                "main": str(job.main),
                "config": None if job.config is None else str(job.config),
                "files": [str(file) for file in job.files],
                "size_bytes": job.main.stat().st_size,
            }
        )
        return
    if mode == "quiet":
        app.write(f"{job.main}\n")
        return
    command = "python main.py" if job.config is None else "python main.py --config config.yaml"
    rows = [
        ("Recipe:", str(script) if recipe is None else recipe.name),
        ("Folder:", str(job.main.parent)),
        ("main.py:", show_size(job.main.stat().st_size)),
        *_file_rows(job),
        ("Run it:", command),
    ]
    app.panel(Panel("Packaged", rows, fill=False))
