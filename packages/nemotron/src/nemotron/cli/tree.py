"""The tree of commands that recipe names span: ``nano3/data/prep/sft`` has four levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nemo_runspec.errors import RunspecError
from nemo_runspec.runspec import Runspec, discover_recipes, recipe_folders
from nemotron.cli.imports.targets import ImportTarget, import_targets, is_reserved
from nemotron.cli.pipeline import targets as pipeline
from nemotron.cli.pipeline.targets import PipeTarget, pipe_targets

OWN_COMMANDS = frozenset({"artifacts", "completion", "data", "jobs", "package", "profiles"})


@dataclass(frozen=True, slots=True)
class Branch:
    """A group of commands: the recipes whose names begin alike.

    Attributes:
        words: The group's words; empty for the root.
        children: Next word to a deeper group, or to what is the command: a recipe, an import or a
            chain.
    """

    words: tuple[str, ...]
    children: dict[str, Branch | Runspec | ImportTarget | PipeTarget] = field(default_factory=dict)

    def recipes(self) -> Iterator[Runspec]:
        """Yield every recipe at or below this group."""
        for child in self.children.values():
            if isinstance(child, Branch):
                yield from child.recipes()
            elif isinstance(child, Runspec):
                yield child

    def imports(self) -> Iterator[ImportTarget]:
        """Yield every import command at or below this group."""
        for child in self.children.values():
            if isinstance(child, Branch):
                yield from child.imports()
            elif isinstance(child, ImportTarget):
                yield child

    def pipes(self) -> Iterator[PipeTarget]:
        """Yield every chain at or below this group."""
        for child in self.children.values():
            if isinstance(child, Branch):
                yield from child.pipes()
            elif isinstance(child, PipeTarget):
                yield child


@dataclass(frozen=True, slots=True)
class RecipeTree:
    """All recipes that the command line offers, and what kept others out.

    Attributes:
        root: The outermost group.
        errors: One for every script or folder that could not be used.
    """

    root: Branch
    errors: tuple[RunspecError, ...] = ()


def find_recipes(cwd: Path) -> RecipeTree:
    """Find the recipes of the checkout, of the user's folders and of the installed package.

    Args:
        cwd: Where the search for a checkout and for env.toml starts.

    Raises:
        RunspecError: A recipe's name cannot be a command.
        ProfileError: env.toml cannot be used.
    """
    found = discover_recipes(recipe_folders(cwd, installed=packaged_folders()))
    return RecipeTree(grow(found.recipes), found.errors)


def grow(recipes: Sequence[Runspec]) -> Branch:
    """Arrange recipes as groups and commands; give each family its imports and its chain.

    Raises:
        RunspecError: One recipe's name is the beginning of another's, or of a command that is no
            recipe, or lies among those commands.
    """
    root = Branch(())
    for recipe in recipes:
        *groups, command = recipe.words
        if recipe.words[0] in OWN_COMMANDS:
            raise _taken(recipe, recipe.words[:1])
        if is_reserved(recipe):
            raise _taken(recipe, recipe.words[:3])
        if pipeline.is_reserved(recipe):
            raise _taken(recipe, recipe.words[:2])
        branch = root
        for word in groups:
            branch = _descend(branch, word, recipe)
        taken = branch.children.setdefault(command, recipe)
        if isinstance(taken, Branch):
            raise _overlap(recipe, next(taken.recipes()))
    for target in import_targets(recipes):
        _graft(root, target)
    for pipe in pipe_targets(recipes):
        _graft(root, pipe)
    return root


def packaged_folders() -> list[Path]:
    """Name the recipe folder that came with this package, or the checkout's in development."""
    package = Path(__file__).parent.parent
    shipped = package / "_recipes"
    if shipped.is_dir():
        return [shipped]
    project = package.parent.parent
    checkout = project.parent.parent / "recipes"
    in_development = (project / "pyproject.toml").is_file() and checkout.is_dir()
    return [checkout] if in_development else []


def command_of(recipe: Runspec) -> str:
    """Spell the command that runs a recipe: ``nemotron nano3 data prep sft``."""
    return " ".join(("nemotron", *recipe.words))


def _descend(branch: Branch, word: str, recipe: Runspec) -> Branch:
    child = branch.children.setdefault(word, Branch((*branch.words, word)))
    if isinstance(child, Runspec):
        raise _overlap(child, recipe)
    if isinstance(child, Branch):
        return child
    raise _taken(recipe, child.words)


def _graft(root: Branch, target: ImportTarget | PipeTarget) -> None:
    branch = root
    *groups, command = target.words
    for word in groups:
        child = branch.children.setdefault(word, Branch((*branch.words, word)))
        if isinstance(child, Runspec):
            raise _taken(child, child.words)
        if isinstance(child, Branch):
            branch = child
    branch.children[command] = target


def _taken(recipe: Runspec, words: Sequence[str]) -> RunspecError:
    taken = " ".join(("nemotron", *words))
    return RunspecError(
        f"The recipe name {recipe.name!r} is taken: '{taken}' is a command of its own.",
        where=str(recipe.path),
        hint="Give the recipe another 'name'.",
    )


def _overlap(shorter: Runspec, longer: Runspec) -> RunspecError:
    return RunspecError(
        f"The recipe name {shorter.name!r} is the beginning of {longer.name!r}, so it would be "
        "both a command and a group of commands.",
        where=f"{shorter.path} and {longer.path}",
        hint="Give one of the two another 'name'.",
    )
