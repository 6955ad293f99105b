"""Every script in recipes/, as one file: what it does where nothing of ours is installed."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging_lab.places import uv

from nemo_runspec.packaging import PackagedJob, compose_for_package, package_script
from nemo_runspec.packaging.self_contained import SelfContainedPackager
from nemo_runspec.runspec import parse

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "recipes"
# They differ from rlvr1 in their headers alone; tests/test_rl_recipes.py sees to it.
ALIKE = {"rlvr2", "rlvr3", "swe1", "swe2", "rlhf"}
SCRIPTS = sorted(file for file in RECIPES.rglob("*.py") if file.parent.name not in ALIKE)
WITH_RUNSPEC = [script for script in SCRIPTS if "[tool.runspec]" in script.read_text()]
DATA = [script for script in WITH_RUNSPEC if script.name == "data_prep.py"]
TRAINING = [script for script in WITH_RUNSPEC if script.name == "train.py"]
DEPENDENCY = re.compile(r'^#     "(.+)",$', re.MULTILINE)


def name_of(script: Path) -> str:
    return script.relative_to(RECIPES).with_suffix("").as_posix()


def names(scripts: list[Path]) -> list[Any]:
    return [pytest.param(script, id=name_of(script)) for script in scripts]


def dependencies(main: Path) -> list[str]:
    """What a main.py says at its top that it needs, in the versions that are installed here."""
    found = DEPENDENCY.findall(main.read_text().partition('"""')[0])
    names = [re.split(r"[<>=!~ \[]", text)[0] for text in found]
    return [f"{name}=={metadata.version(name)}" for name in names]


def composed(script: Path, config: str, output: Path, *overrides: str) -> PackagedJob:
    recipe = parse(script)
    chosen = compose_for_package(recipe, config=config, overrides=overrides)
    return SelfContainedPackager().package(script, output, config=chosen)


def test_the_scripts_are_found() -> None:
    assert len(SCRIPTS) > len(WITH_RUNSPEC)
    assert set(WITH_RUNSPEC) >= {*DATA, *TRAINING}
    assert len(DATA) >= 6
    assert len(TRAINING) >= 3


@pytest.mark.parametrize("script", names(SCRIPTS))
def test_every_script_packages_and_says_what_it_is(script: Path, tmp_path: Path) -> None:
    main = package_script(script, tmp_path / "job").main
    text = main.read_text()
    assert f"The recipe is {script.relative_to(ROOT).as_posix()}; " in text
    assert str(ROOT) not in text
    title = ast.get_docstring(ast.parse(text)) or ""
    assert "nemo-runspec" not in title.partition("Needs, and checks")[2]


def configurations() -> Iterator[Any]:
    for script in WITH_RUNSPEC:
        for file in sorted(parse(script).config.dir.glob("*.yaml")):
            yield pytest.param(script, file.stem, id=f"{name_of(script)}-{file.stem}")


@pytest.mark.parametrize(("script", "config"), list(configurations()))
def test_every_configuration_goes_along_with_its_files(
    script: Path, config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    job = composed(script, config, tmp_path / "job")
    assert job.config is not None
    text = job.config.read_text()
    assert str(ROOT) not in text
    assert "../" not in text
    for file in job.files:
        assert file.read_bytes() == (ROOT / file.relative_to(tmp_path / "job/files")).read_bytes()


def test_equal_checkouts_give_equal_bytes(tmp_path: Path) -> None:
    found: list[bytes] = []
    for name in ("a", "elsewhere/b"):
        copy = tmp_path / name
        for part in ("recipes", *(f"packages/{each.parent.name}" for each in members())):
            ignored = shutil.ignore_patterns("__pycache__", "tests", "output")
            shutil.copytree(ROOT / part, copy / part, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", copy)
        script = copy / "recipes/nano3/stage1_sft/train.py"
        found.append(package_script(script, tmp_path / f"job-{name}").main.read_bytes())
    assert found[0] == found[1]


def members() -> list[Path]:
    return sorted(ROOT.glob("packages/*/pyproject.toml"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with what a data recipe's main.py names, and no more."""
    folder = tmp_path_factory.mktemp("bare")
    needed = {
        text
        for script in DATA
        for text in dependencies(package_script(script, folder / name_of(script)).main)
    }
    uv("venv", f"--python={sys.executable}", str(folder / "environment"))
    uv("pip", "install", f"--python={folder / 'environment'}", *sorted(needed))
    return folder / "environment" / "bin" / "python"


def start(
    python: Path, script: Path, *arguments: str, cwd: Path
) -> subprocess.CompletedProcess[str]:
    cwd.mkdir(parents=True, exist_ok=True)
    own = ("PYTHONPATH", "NEMOTRON_ARTIFACTS_ROOT", "NEMOTRON_ENV", "NEMOTRON_RUN_DIR")
    environment = {key: value for key, value in os.environ.items() if key not in own}
    return subprocess.run(
        [str(python), str(script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=environment,
    )


@pytest.mark.parametrize("script", names(DATA))
def test_data_is_the_same_to_the_byte(bare: Path, script: Path, tmp_path: Path) -> None:
    """Both runs write into one place, one after the other, so that only inputs lie elsewhere."""
    # The command names what is recorded; a file of one's own that is packaged has no such name.
    settings = [f"output_dir={tmp_path}/data", "run.output=data"]
    settings += ["tokenizer_backend=hf"] if "rl" not in script.parent.name else []
    config = parse(script).config.dir / "sample.yaml"
    where = ("--config", str(config), *settings)
    done = start(Path(sys.executable), script, *where, cwd=tmp_path / "somewhere")
    assert done.returncode == 0, done.stderr
    (tmp_path / "data").rename(tmp_path / "expected")

    job = package_script(script, tmp_path / "job", config=config)
    done = start(bare, job.main, *settings, cwd=tmp_path / "elsewhere")
    assert done.returncode == 0, done.stderr
    expected = content(tmp_path / "expected", ROOT)
    assert content(tmp_path / "data", tmp_path / "job" / "files") == expected


def content(folder: Path, inputs: Path) -> dict[str, bytes | str]:
    """Every file; in documents the inputs lie below one name, and their digests are left out."""
    found: dict[str, bytes | str] = {}
    for file in sorted(folder.rglob("*")):
        if not file.is_file():
            continue
        name = file.relative_to(folder).as_posix()
        text = file.read_bytes()
        if file.suffix == ".json" and str(inputs).encode() in text:
            found[name] = text.decode().replace(str(inputs), "INPUTS")
        elif file.name != "receipt.json":
            found[name] = text
    assert found
    return found


@pytest.mark.parametrize("script", names(TRAINING))
def test_training_wants_nothing_but_its_framework(bare: Path, script: Path, tmp_path: Path) -> None:
    job = composed(script, "sample", tmp_path / "job")
    done = start(bare, job.main, "--config", "config.yaml", cwd=tmp_path / "elsewhere")
    framework = "NeMo-RL" if "stage2_rl" in script.parts else "Megatron-Bridge"
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        f"error: {framework} is not installed here; this recipe runs in the container "
        f"{parse(script).image}."
    )


def test_with_wandb_the_adapter_goes_along_and_its_client_is_wanted(tmp_path: Path) -> None:
    without = composed(TRAINING[0], "sample", tmp_path / "without").main.read_text()
    job = composed(TRAINING[0], "sample", tmp_path / "job", "artifacts.wandb=true")
    text = job.main.read_text()
    (wanted,) = (name for name in DEPENDENCY.findall(text.partition('"""')[0]) if "wandb" in name)
    assert "wandb" not in without.partition('"""')[0]
    assert "wandb = nemotron_kit_wandb.backend:BACKEND" in text
    look = (
        f"import sys; sys.argv = ['main.py']; exec(compile(open({str(job.main)!r}).read(), "
        f"{str(job.main)!r}, 'exec'), {{'__name__': '_nemotron_package'}}); "
        "from nemo_runspec.artifacts.backends import find_backend; "
        "print(type(find_backend('wandb')).__module__, sys.modules['nemotron_kit_wandb'].__file__)"
    )
    command = [sys.executable, "-c", look]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    package = "packages/nemotron-kit-wandb/src/nemotron_kit_wandb"
    assert done.stdout == f"nemotron_kit_wandb.backend {package}/__init__.py\n"
    assert wanted.startswith("wandb>=")


def test_without_its_libraries_a_recipe_names_them(tmp_path: Path) -> None:
    job = composed(TRAINING[0], "sample", tmp_path / "job")
    empty = tmp_path / "empty"
    uv("venv", f"--python={sys.executable}", str(empty))
    done = start(empty / "bin" / "python", job.main, cwd=tmp_path)
    named = DEPENDENCY.findall(job.main.read_text().partition('"""')[0])
    assert done.returncode == 1
    assert done.stderr == (
        f"error: main.py needs {', '.join(named[:-1])} and {named[-1]}, not installed here. "
        f"Install with: pip install {' '.join(repr(text) for text in named)}\n"
    )


def test_the_command_packages_a_recipe_by_its_name(tmp_path: Path) -> None:
    words = ("package", "nano3/data/prep/rl", "-c", "sample", "-o", str(tmp_path / "job"), "--json")
    command = [sys.executable, "-m", "nemotron", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    document = json.loads(done.stdout)
    assert document["recipe"] == "nano3/data/prep/rl"
    assert Path(document["main"]).is_file()
    assert Path(document["config"]).is_file()
    assert all(Path(file).is_file() for file in document["files"])
