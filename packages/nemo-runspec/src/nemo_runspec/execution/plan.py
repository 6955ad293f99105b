"""From a request to a plan: the job and train configurations, the inputs, the command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from nemo_runspec.artifacts.backends import Preflight
from nemo_runspec.artifacts.formats import needs_of, with_format_needs
from nemo_runspec.artifacts.settings import EMBEDDED_ROOT
from nemo_runspec.config import build_job_config, extract_train_config
from nemo_runspec.execution.backend_check import check_backends
from nemo_runspec.execution.command import build_command
from nemo_runspec.execution.elsewhere import remarks, runs_elsewhere, seen_from_here
from nemo_runspec.execution.inputs import ArtifactInput, read_inputs, unread_inputs
from nemo_runspec.execution.outputs import place_output
from nemo_runspec.execution.profiles.reading import check_settings
from nemo_runspec.resolvers.pinning import with_references
from nemo_runspec.runspec import Runspec


@dataclass(frozen=True, slots=True)
class RecipeRequest:
    """What a user asks for.

    Attributes:
        recipe: The recipe to run.
        config: Name or path of its configuration; None for its default.
        overrides: Dotlist overrides, in their order.
        argv: The command line as it was typed, for the record.
        cwd: The working directory; the embedded artifact root and run directories lie in it.
        recipes: Every known recipe, to name the one that makes a missing input.
        profile: The execution profile of env.toml to run it with; None for this machine.
        awaited: References to what jobs before this one record; it looks them up when it starts.
    """

    recipe: Runspec
    config: str | None = None
    overrides: tuple[str, ...] = ()
    argv: tuple[str, ...] = ()
    cwd: Path = Path()
    recipes: tuple[Runspec, ...] = ()
    profile: str | None = None
    awaited: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RecipePlan:
    """A job that is ready to start.

    Attributes:
        recipe: The recipe.
        job: Everything, with references pinned and provenance.
        train: What the script will see.
        inputs: The artifacts that it reads.
        cwd: The working directory.
        checked: What the backends say: warnings, and variables that the script needs.
        profile: The execution profile that it runs with; None for this machine.
        overrides: The dotlist overrides that it was composed with.
    """

    recipe: Runspec
    job: DictConfig
    train: DictConfig
    inputs: tuple[ArtifactInput, ...]
    cwd: Path
    checked: Preflight = field(default_factory=Preflight)
    profile: str | None = None
    overrides: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The recipe's name as one word, for folders and for what schedulers call its jobs."""
        return self.recipe.name.replace("/", "-")

    @property
    def unpinned(self) -> tuple[str, ...]:
        """The keys of the inputs that only the machine of the job can look up."""
        return tuple(item.key for item in self.inputs if item.path is None)

    @property
    def output(self) -> str:
        """The name that the job's artifact is recorded under."""
        return str(OmegaConf.select(self.job, "run.output"))

    @property
    def manifest_root(self) -> str | None:
        """Where manifests are recorded; None where they are off."""
        root = OmegaConf.select(self.job, "artifacts.manifest.root")
        return None if root is None else str(root)

    @property
    def wandb(self) -> bool:
        """Whether artifacts go to W&B too."""
        return bool(OmegaConf.select(self.job, "artifacts.wandb"))

    @property
    def image(self) -> str | None:
        """The container image that the recipe runs in."""
        container = OmegaConf.select(self.job, "run.env.container")
        return self.recipe.image if container is None else str(container)

    def command(self, config: Path) -> list[str]:
        """Spell the command line that starts the script with a train configuration."""
        gpus = OmegaConf.select(self.job, "run.env.gpus_per_node")
        declared = self.recipe.resources.gpus_per_node
        return build_command(
            self.recipe, config, gpus_per_node=declared if gpus is None else int(gpus)
        )


def compose_job(request: RecipeRequest) -> DictConfig:
    """Compose a job's configuration; no store is asked, and references stay as they are.

    Args:
        request: What the user asks for.

    Raises:
        ConfigError: The configuration cannot be used.
    """
    elsewhere = request.profile is not None and runs_elsewhere(request.profile)
    return build_job_config(
        request.recipe,
        config_name=request.config,
        overrides=request.overrides,
        profile=request.profile,
        argv=request.argv,
        default_root=None if elsewhere else str(request.cwd.absolute() / EMBEDDED_ROOT),
    )


def plan_recipe(request: RecipeRequest) -> RecipePlan:
    """Compose, pin and check everything that a job needs; nothing is written.

    Args:
        request: What the user asks for.

    Raises:
        ConfigError: The configuration cannot be used.
        ProfileError: No executor has a key of ``run.env``, or none takes its value.
        ArtifactNotFoundError: An input does not exist; the hint names the command that makes it.
        ArtifactError: An input has another type or format than the recipe declares.
        NemotronError: A backend would refuse what the job records: a key is missing or wrong.
    """
    elsewhere = request.profile is not None and runs_elsewhere(request.profile)
    job = compose_job(request)
    if request.profile is None:
        check_settings(job, request.recipe)
    # Before references are looked up: a backend may do that, with the same credentials.
    checked = check_backends(job)
    visible = _known_now(request, seen_from_here(job) if elsewhere else None)
    inputs = read_inputs(job, request.recipe, request.recipes, visible=visible)
    pinned = with_references(job, {item.key: item.pinned for item in inputs})
    pinned = with_format_needs(pinned, needs_of(request.recipe, request.recipes))
    unexpected = (item for item in inputs if item.requested not in request.awaited)
    advice = [*unread_inputs(job, request.recipe, inputs)]
    advice += remarks(job, unexpected) if elsewhere else ()
    train = extract_train_config(pinned)
    cwd = request.cwd.absolute()
    placed = place_output(pinned, train, request.recipe, profile=request.profile, cwd=cwd)
    return RecipePlan(
        recipe=request.recipe,
        job=placed.job,
        train=train if placed.job is pinned else extract_train_config(placed.job),
        inputs=inputs,
        cwd=cwd,
        checked=replace(checked, warnings=(*checked.warnings, *advice, *placed.remarks)),
        profile=request.profile,
        overrides=request.overrides,
    )


def _known_now(
    request: RecipeRequest, visible: Callable[[str], bool] | None
) -> Callable[[str], bool] | None:
    """Tell the references that are looked up now from those that the job looks up."""
    if not request.awaited:
        return visible
    return lambda text: text not in request.awaited and (visible is None or visible(text))
