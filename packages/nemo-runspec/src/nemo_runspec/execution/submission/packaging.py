"""Put the code of a recipe into a job's folder, the way its runspec asks for."""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

from nemo_runspec.config.saving import TRAIN_FILE
from nemo_runspec.execution.plan import RecipePlan
from nemo_runspec.execution.submission.model import JobPlace, SentTree
from nemo_runspec.packaging.code import CodePackager
from nemo_runspec.packaging.code.launcher import CODE_FOLDER as TREE_LINK
from nemo_runspec.packaging.self_contained import CONFIG, MAIN, SelfContainedPackager

# Trees lie beside the folders of jobs, for all of them.
TREES = ".code"
# Profiles say how to get to machines, which no job needs to know.
ENV_FILE = "env.toml"


@dataclass(frozen=True, slots=True)
class PlacedCode:
    """The code of a job.

    Attributes:
        script: The script, as a process in the job's code folder names it.
        tree: The working tree that is sent apart.
    """

    script: str
    tree: SentTree | None = None


def place_code(
    plan: RecipePlan, folder: Path, run_dir: Path, place: JobPlace, *, apart: bool
) -> PlacedCode:
    """Write the recipe, its configuration and what else it needs.

    Args:
        plan: What is run.
        folder: The job's code folder; created where missing.
        run_dir: The run directory with ``train.yaml``.
        place: Where the job will lie.
        apart: Whether a working tree is sent by itself, once for all jobs that have it.

    Raises:
        PackagingError: The recipe cannot be packaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    packager = plan.recipe.run.packager
    if packager == "self_contained":
        SelfContainedPackager().package(plan.recipe.path, folder, config=plan.train)
        return PlacedCode(MAIN)
    config = run_dir / TRAIN_FILE
    if packager == "none":
        shutil.copyfile(config, folder / CONFIG)
        return PlacedCode(str(plan.recipe.path.absolute()))
    code = CodePackager(script=plan.recipe.path, config=config, exclude=(ENV_FILE,))
    tree = _link_tree(code, plan, folder, place) if apart else None
    if tree is None:
        _unpack_tree(code, plan, folder)
    return PlacedCode(MAIN, tree)


def _link_tree(code: CodePackager, plan: RecipePlan, folder: Path, place: JobPlace) -> SentTree:
    source = plan.recipe.path.parent
    tree = code.read(source)
    for member in code.job_members(tree):
        content = member.source if isinstance(member.source, bytes) else member.source.read_bytes()
        (folder / member.name).write_bytes(content)
    sent = SentTree(code, source, f"{place.base}/{TREES}", tree.digest)
    (folder / TREE_LINK).symlink_to(sent.path)
    return sent


def _unpack_tree(code: CodePackager, plan: RecipePlan, folder: Path) -> None:
    archive = Path(code.package(plan.recipe.path.parent, folder.parent, "code"))
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="tar")
    archive.unlink()
