"""Data preparation with the working tree of the recipe, on a node and on a Ray cluster of nodes."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from slurm_cluster import SlurmCluster
from slurm_commands import Workplace, make_workplace

ROOT = Path(__file__).parents[2]
PREP = ("nano3", "data", "prep", "sft", "-c", "sample")
RECIPE = "recipes/nano3/stage1_sft/data_prep.py"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of this checkout: while they are sent, nobody changes them."""
    copy = tmp_path_factory.mktemp("checkout")
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "pyproject.toml", "packages", "recipes"]
    names = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    subprocess.run(
        ["rsync", "--archive", "--from0", "--files-from=-", f"{ROOT}/", f"{copy}/"],
        input=names,
        check=True,
        timeout=60,
    )
    # The working tree of a recipe is that of its repository.
    subprocess.run(["git", "-C", str(copy), "init", "--quiet"], check=True, timeout=60)
    return copy


@pytest.fixture
def place(cluster: SlurmCluster, tmp_path: Path, checkout: Path) -> Workplace:
    """Somebody who works with that checkout, over ssh."""
    place = make_workplace(tmp_path, cluster, "far")
    environment = {**place.environment, "NEMOTRON_RECIPES": str(checkout / "recipes")}
    return replace(place, environment=environment)


def prepared(folder: Path) -> dict[str, bytes]:
    """The data below an output folder; what else is there names the run and its place."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.parquet")}


def test_data_that_is_prepared_over_ssh_is_that_of_a_local_run(place: Workplace) -> None:
    local = place.nemotron(*PREP, "output_dir=local")
    assert local.code == 0, local.out + local.err

    done = place.run(*PREP, "output_dir=sent")
    assert done.code == 0, done.out + done.err
    assert f"output_dir: {place.folder}/far/sent" in done.out
    assert "Step Complete (nano3-sft-data-sample)" in done.out
    expected = prepared(place.folder / "local")
    assert len(expected) >= 3
    assert prepared(place.folder / "far/sent") == expected
    shown = place.nemotron("artifacts", "show", "nano3-sft-data-sample:v2", "--json")
    assert shown.code == 0, shown.err


def test_data_that_was_prepared_is_found_by_the_next_job(place: Workplace) -> None:
    here = replace(place, profile="here")
    planned = here.nemotron(*PREP, "--run", "here", "--dry-run", "--json").document
    folder = place.folder / "output/nano3/sft-sample"
    assert Path(planned["preview"]["output"]).parent == folder

    first, second = here.run(*PREP), here.run(*PREP)

    assert (first.code, second.code) == (0, 0), first.out + first.err + second.out + second.err
    assert f"output_dir: {folder}" in second.out
    assert [run.name for run in folder.glob("[!.]*")] == [Path(planned["preview"]["output"]).name]
    assert "Cache:          hit" in second.out


@pytest.mark.xdist_group("ray")
def test_data_is_prepared_on_a_ray_cluster_of_two_nodes(
    place: Workplace, checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    local = place.nemotron(*PREP, f"output_dir={place.folder}/local")
    assert local.code == 0, local.out + local.err
    recipe = checkout / RECIPE
    recipe.write_text(recipe.read_text().replace('launch = "direct"', 'launch = "ray"'))

    words = (f"output_dir={place.folder}/sent", "engine=ray", "run.env.nodes=2")
    done = place.run(*PREP, *words)
    assert done.code == 0, done.out + done.err
    assert "Engine:         ray" in done.out
    assert prepared(place.folder / "sent") == prepared(place.folder / "local")
