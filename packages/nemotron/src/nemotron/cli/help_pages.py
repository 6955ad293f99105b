"""The pages that ``--help`` shows, made of panels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import click

from nemo_runspec.config.listing import config_files, list_configs
from nemo_runspec.env_toml import find_env_toml, load_env_toml
from nemo_runspec.runspec import Runspec
from nemotron.cli.app import App
from nemotron.cli.config_summary import config_summary
from nemotron.cli.panels import Panel, Row, draw_panel, wrap
from nemotron.cli.pipeline.targets import PipeTarget
from nemotron.cli.tree import Branch

_UNBROKEN_WIDTH = 100
_ARTIFACT_OPTION = "--art."
_MANY = {"data": "data", "model": "models"}


def root_page(
    app: App, commands: Mapping[str, click.Command], params: Sequence[click.Parameter]
) -> str:
    """The page of ``nemotron`` itself."""
    tree = app.recipes
    return _page(
        app,
        "nemotron COMMAND [OPTIONS] [KEY=VALUE]...",
        "Prepare data, train, and know what every model was made from.",
        [
            Panel("Recipes", _recipe_rows(tree.root.recipes(), 0) or ["No recipes were found."]),
            Panel("Chains", [(" ".join(each.words), each.docs) for each in tree.root.pipes()]),
            Panel("Imports", _import_rows(tree.root)),
            Panel("Commands", [(name, command.help or "") for name, command in commands.items()]),
            Panel("Options", _option_rows(params)),
            Panel("Left out", [str(error) for error in tree.errors]),
        ],
    )


def group_page(app: App, path: str, branch: Branch, params: Sequence[click.Parameter]) -> str:
    """The page of a group of recipes."""
    depth = len(branch.words)
    rows = _recipe_rows(branch.recipes(), depth)
    imports = [(" ".join(each.words[depth:]), each.docs) for each in branch.imports()]
    return _page(
        app,
        f"{path} COMMAND [OPTIONS] [KEY=VALUE]...",
        f"{'Recipes' if rows else 'Imports'} of {'/'.join(branch.words)}.",
        [
            Panel("Recipes", rows),
            Panel("Chain", [(each.words[-1], each.docs) for each in branch.pipes()]),
            Panel("Imports", imports),
            Panel("Options", _option_rows(params)),
        ],
    )


def recipe_page(app: App, path: str, recipe: Runspec, params: Sequence[click.Parameter]) -> str:
    """The page of a command that runs a recipe."""
    options = [param for param in params if not _is_artifact_option(param)]
    return _page(
        app,
        f"{path} [OPTIONS] [KEY=VALUE]...",
        recipe.docs or f"Run the recipe {recipe.name}.",
        [
            Panel("Options", _option_rows([*options, _HELP])),
            Panel("Configs", _config_rows(recipe)),
            Panel("Artifact overrides", _artifact_rows(recipe)),
            Panel("Run overrides", _RUN_OVERRIDES),
            Panel("Profiles", _profile_rows(app)),
            Panel("Examples", _examples(path, recipe)),
        ],
    )


def pipe_page(app: App, path: str, target: PipeTarget, params: Sequence[click.Parameter]) -> str:
    """The page of a command that runs a family's chain."""
    stages = [("/".join(each.words[1:]), each.docs or "") for each in target.stages]
    return _page(
        app,
        f"{path} [OPTIONS] [[STAGE:]KEY=VALUE]...",
        target.docs,
        [
            Panel("Options", _option_rows([*params, _HELP])),
            Panel("Stages", stages),
            Panel("Examples", _pipe_examples(path, target)),
        ],
    )


def commands_page(app: App, ctx: click.Context, commands: Mapping[str, click.Command]) -> str:
    """The page of a group of commands that are no recipes."""
    rows = [(_with_argument(command), command.help or "") for command in commands.values()]
    params = ctx.command.get_params(ctx)
    return _page(
        app,
        f"{ctx.command_path} COMMAND [OPTIONS]",
        ctx.command.help or "",
        [Panel("Commands", rows), Panel("Options", _option_rows(params))],
    )


def command_page(app: App, ctx: click.Context) -> str:
    """The page of a command that is no recipe."""
    words = ctx.command_path.rpartition(" ")[0]
    return _page(
        app,
        f"{words} {_with_argument(ctx.command)} [OPTIONS]",
        ctx.command.help or "",
        [Panel("Options", _option_rows(ctx.command.get_params(ctx)))],
    )


_HELP = click.Option(["-h", "--help"], is_flag=True, help="Show this page.")

_RUN_OVERRIDES: list[Row] = [
    ("run.env.KEY=VALUE", "The environment, such as run.env.container=IMAGE."),
    ("run.wandb.project=NAME", "The W&B project; run.wandb.entity=TEAM likewise."),
    ("run.output=NAME", "The name that the result is recorded under."),
    ("artifacts.manifest.root=URL", "Where artifacts are recorded; null turns manifests off."),
    ("artifacts.wandb=true|false", "Whether artifacts go to W&B too."),
]


def _page(app: App, usage: str, text: str, panels: Iterable[Panel]) -> str:
    screen = app.screen
    if screen.width is None:
        screen = screen._replace(width=_UNBROKEN_WIDTH)
    heading = screen.style("Usage:", "1;33")
    body = "\n".join(f" {line}" for line in wrap(text, (screen.width or _UNBROKEN_WIDTH) - 2))
    drawn = "".join(draw_panel(panel, screen) for panel in panels if panel.rows)
    return f"{heading} {usage}\n\n{body}\n\n{drawn}".rstrip("\n")


def _recipe_rows(recipes: Iterable[Runspec], depth: int) -> list[Row]:
    return [(" ".join(recipe.words[depth:]), recipe.docs or "") for recipe in recipes]


def _import_rows(root: Branch) -> list[Row]:
    """One row for all stages of a family's data, one for its models, one for a stage of parts."""
    endings: dict[tuple[str, ...], list[str]] = {}
    for target in root.imports():
        endings.setdefault(target.words[:-1], []).append(target.words[-1])
    return [
        (f"{' '.join(words)} …", f"Record {_MANY[words[1]]} made elsewhere: {', '.join(found)}.")
        for words, found in endings.items()
    ]


def _option_rows(params: Iterable[click.Parameter]) -> list[Row]:
    return [
        (_option_label(param), param.help or "")
        for param in params
        if isinstance(param, click.Option) and not param.hidden
    ]


def _option_label(option: click.Option) -> str:
    names = ", ".join(option.opts)
    return f"{names} {option.metavar}" if option.metavar else names


def _is_artifact_option(param: click.Parameter) -> bool:
    return any(name.startswith(_ARTIFACT_OPTION) for name in param.opts)


def _with_argument(command: click.Command) -> str:
    arguments = [p.metavar for p in command.params if isinstance(p, click.Argument)]
    return " ".join([command.name or "", *(text for text in arguments if text)])


def _config_rows(recipe: Runspec) -> list[Row]:
    rows: list[Row] = []
    for file in config_files(recipe.config.dir):
        mark = " (default)" if file.stem == recipe.config.default else ""
        rows.append((f"{file.stem}{mark}", config_summary(file)))
    return rows or [f"None in {recipe.config.dir}."]


def _artifact_rows(recipe: Runspec) -> list[Row]:
    return [
        (f"{_ARTIFACT_OPTION}{key} REF", f"{kind}; the same as run.{key}=REF.")
        for key, kind in recipe.artifacts.reads.items()
    ]


def _profile_rows(app: App) -> list[Row]:
    file = find_env_toml(app.cwd)
    if file is None:
        return ["No env.toml here or above; recipes run without one."]
    names = sorted(load_env_toml(file).profiles)
    return [(", ".join(names) or "none", f"of {file}")]


def _pipe_examples(path: str, target: PipeTarget) -> list[Row]:
    last = "/".join(target.stages[-1].words[1:])
    return [
        f"{path} --dry-run",
        f"{path} --to {last}",
        f"{path} {last}:KEY=VALUE",
        f"{path} --resume",
    ]


def _examples(path: str, recipe: Runspec) -> list[Row]:
    names = list_configs(recipe.config.dir)
    chosen = next((name for name in names if name != recipe.config.default), None)
    command = path if chosen is None else f"{path} -c {chosen}"
    examples = [command, f"{command} --dry-run"]
    examples += [
        f"{path} {_ARTIFACT_OPTION}{key} NAME:v1" for key in list(recipe.artifacts.reads)[:1]
    ]
    return [*examples, f"{command} --root /shared/artifacts --json"]
