"""The configuration beside a packaged main.py, and the files that it names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nemo_runspec.config import load_omegaconf_yaml
from nemo_runspec.errors import ConfigError, PackagingError
from nemo_runspec.packaging import PackagedJob, compose_for_package, package_script
from nemo_runspec.runspec import parse

READS = """
import json, pathlib, sys
from omegaconf import OmegaConf
from nemo_runspec.config import apply_hydra_overrides, load_omegaconf_yaml
from nemo_runspec.config import parse_config_and_overrides

path, overrides = parse_config_and_overrides(default_config="config/default.yaml")
config = apply_hydra_overrides(load_omegaconf_yaml(path), overrides)
print(json.dumps(OmegaConf.to_container(config)))
words = pathlib.Path(__file__).parent / config.words
print(words.read_text() if words.is_file() else None)
"""


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "code"
    write(found, {"pyproject.toml": "", "recipe/train.py": READS})
    monkeypatch.chdir(tmp_path)
    return found


def package(folder: Path, config: str, **files: str) -> PackagedJob:
    write(folder / "recipe", {"config/c.yaml": config, **files})
    return package_script(
        folder / "recipe/train.py", folder.parent / "job", config=folder / "recipe/config/c.yaml"
    )


def values(job: PackagedJob) -> dict[str, Any]:
    assert job.config is not None
    loaded: Any = load_omegaconf_yaml(job.config)
    return dict(loaded)


def beside(job: PackagedJob) -> set[str]:
    return {file.relative_to(job.main.parent).as_posix() for file in job.files}


def test_it_runs_from_any_directory(folder: Path, tmp_path: Path) -> None:
    job = package(folder, "words: data/w.txt\nrate: 1\n", **{"data/w.txt": "one two"})
    (tmp_path / "elsewhere").mkdir()
    for arguments in ([], ["--config", "config.yaml"], ["--config", str(job.config)]):
        done = subprocess.run(
            [sys.executable, "-I", str(job.main), *arguments, "rate=2"],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path / "elsewhere",
        )
        seen, words = done.stdout.splitlines()
        assert json.loads(seen) == {"words": "files/recipe/data/w.txt", "rate": 2}
        assert words == "one two"


def test_composition_is_done_and_interpolations_stay(folder: Path) -> None:
    job = package(
        folder,
        "defaults: [base, _self_]\nb: ${a}\nhome: ${oc.env:HOME}\n",
        **{"config/base.yaml": "a: 1\nb: 0\n"},
    )
    assert job.config is not None
    assert job.config.read_text() == "a: 1\nb: ${a}\nhome: ${oc.env:HOME}\n"


@pytest.mark.parametrize("name", ["data/w.txt", "./data/w.txt", "../recipe/data/w.txt"])
def test_a_relative_path_is_looked_for_beside_the_script(folder: Path, name: str) -> None:
    job = package(folder, f"a: {{b: [{name}]}}\n", **{"data/w.txt": "x"})
    assert values(job)["a"] == {"b": ["files/recipe/data/w.txt"]}
    assert beside(job) == {"files/recipe/data/w.txt"}


def test_then_beside_the_configuration(folder: Path) -> None:
    job = package(folder, "a: w.json\n", **{"config/w.json": "{}"})
    assert beside(job) == {"files/recipe/config/w.json"}


def test_the_working_directory_comes_first(folder: Path, tmp_path: Path) -> None:
    write(tmp_path, {"w.txt": "here"})
    job = package(folder, "a: w.txt\n", **{"w.txt": "there"})
    (copy,) = job.files
    assert copy.read_text() == "here"


def test_a_folder_goes_along_whole(folder: Path) -> None:
    job = package(
        folder, "tokenizer: ../tok\n", **{"../tok/a.json": "{}", "../tok/deep/b.txt": "b"}
    )
    assert values(job)["tokenizer"] == "files/tok"
    assert beside(job) == {"files/tok/a.json", "files/tok/deep/b.txt"}


def test_a_pattern_goes_along_as_a_pattern(folder: Path) -> None:
    job = package(folder, "data: raw/*.jsonl\n", **{"raw/1.jsonl": "{}", "raw/2.jsonl": "{}"})
    assert values(job)["data"] == "files/recipe/raw/*.jsonl"
    assert beside(job) == {"files/recipe/raw/1.jsonl", "files/recipe/raw/2.jsonl"}


def test_a_link_keeps_its_own_place(folder: Path, tmp_path: Path) -> None:
    write(tmp_path, {"far/away.txt": "x"})
    (folder / "recipe").mkdir(exist_ok=True)
    (folder / "recipe" / "near.txt").symlink_to(tmp_path / "far" / "away.txt")
    job = package(folder, "words: near.txt\n")
    assert beside(job) == {"files/recipe/near.txt"}
    assert job.files[0].read_text() == "x"


def test_what_a_named_file_names_goes_along_and_keeps_its_place(folder: Path) -> None:
    blend = json.dumps({"datasets": [{"path": "../raw/*.jsonl"}, {"path": "hf://datasets/a/b"}]})
    files = {"../blends/b.json": blend, "../raw/1.jsonl": "{}", "../raw/2.jsonl": "{}"}
    job = package(folder, "blend: ../blends/b.json\n", **files)
    assert beside(job) == {"files/blends/b.json", "files/raw/1.jsonl", "files/raw/2.jsonl"}
    assert (job.main.parent / "files/blends/b.json").read_text() == blend


def test_files_outside_the_workspace_have_a_place_too(folder: Path, tmp_path: Path) -> None:
    write(tmp_path, {"shared/words.txt": "x"})
    job = package(folder, f"words: {tmp_path}/shared/words.txt\n")
    (copy,) = beside(job)
    assert copy == f"files/outside{tmp_path}/shared/words.txt"
    assert values(job)["words"] == copy


@pytest.mark.parametrize(
    "value",
    [
        "s3://bucket/data.jsonl",
        "hf://datasets/a/b/c.jsonl",
        "/opt/framework/base.yaml",
        "org/model-7b",
        "a sentence about notes.txt",
        "${oc.env:HOME}/data.jsonl",
        "nvcr.io/nvidia/nemo:25.11",
        "megatron.bridge.recipes.nano",
    ],
)
def test_what_is_no_file_here_stays(folder: Path, value: str) -> None:
    job = package(folder, f"a: {json.dumps(value)}\n")
    assert job.config is not None
    assert job.config.read_text().removeprefix("a: ").strip("\n'") == value
    assert job.files == ()


@pytest.mark.parametrize("key", ["output_dir", "save", "log_file", "cache"])
def test_outputs_are_no_inputs(folder: Path, key: str) -> None:
    job = package(
        folder, f"{key}: made/out.txt\nrun: {{data: made/out.txt}}\n", **{"made/out.txt": ""}
    )
    assert job.files == ()
    assert values(job)[key] == "made/out.txt"


def test_a_file_that_is_missing(folder: Path) -> None:
    with pytest.raises(
        PackagingError, match=r"c\.yaml:3: data\.blend: .*'blends/x\.json', and there is no such"
    ):
        package(folder, "seed: 1\ndata:\n  blend: blends/x.json\n")
    assert not (folder.parent / "job").exists()


def test_a_configuration_that_is_missing(folder: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        package_script(folder / "recipe/train.py", folder.parent / "job", config="nowhere.yaml")


def test_credentials_are_not_packaged(folder: Path) -> None:
    with pytest.raises(PackagingError, match=r"files/recipe/my\.pem' holds credentials"):
        package(folder, "cert: ./my.pem\n", **{"my.pem": "x"})


def test_a_secret_in_the_configuration(folder: Path) -> None:
    with pytest.raises(PackagingError, match=r"holds a secret under 'hub\.token'.*oc\.env"):
        package(folder, "hub: {token: hf_0123456789}\n")


def test_data_that_is_too_large(folder: Path) -> None:
    (folder / "recipe").mkdir(exist_ok=True)
    with (folder / "recipe" / "corpus.jsonl").open("wb") as stream:
        stream.truncate(65 << 20)
    with pytest.raises(
        PackagingError, match=r"corpus\.jsonl: .* 68,157,440 bytes .* absolute path"
    ):
        package(folder, "data: corpus.jsonl\n")


def test_a_folder_behind_a_link_goes_along(folder: Path) -> None:
    write(folder, {"far/deep/b.txt": "b", "tok/a.txt": "a"})
    (folder / "tok" / "sub").symlink_to(folder / "far" / "deep")
    (folder / "tok" / "back").symlink_to(folder / "tok")
    job = package(folder, "tokenizer: ../tok\n")
    assert beside(job) == {"files/tok/a.txt", "files/tok/sub/b.txt"}


def test_a_toml_file_that_is_named_names_files_too(folder: Path) -> None:
    job = package(
        folder, "blend: b.toml\n", **{"b.toml": 'path = "raw/1.jsonl"\n', "raw/1.jsonl": "{}"}
    )
    assert beside(job) == {"files/recipe/b.toml", "files/recipe/raw/1.jsonl"}


@pytest.mark.parametrize("named", ["b.json", "../../common/b.json"])
def test_a_file_may_not_send_others_from_outside_of_the_workspace(
    folder: Path, tmp_path: Path, named: str
) -> None:
    write(tmp_path, {"private/diary.txt": "x"})
    upwards = [{"path": "../../private/diary.txt"}, {"path": "../private/diary.txt"}]
    write(folder / "recipe", {named: json.dumps(upwards)})
    with pytest.raises(PackagingError, match=r"b\.json: The file names '.*/private/diary\.txt', "):
        package(folder, f"blend: {named}\n")
    assert not (tmp_path / "job").exists()


@pytest.mark.parametrize("value", ["./", "../", "../../", "../recipe"])
def test_folders_around_the_recipe_are_not_copied(folder: Path, value: str) -> None:
    job = package(folder, f"place: {value}\n")
    assert values(job)["place"] == value
    assert job.files == ()


@pytest.mark.parametrize("value", ["a/" + "y" * 5000, "/" + "y" * 5000, "a/\\0b"])
def test_a_text_that_no_file_can_be_named_like_is_a_text(folder: Path, value: str) -> None:
    job = package(folder, f'a: "{value}"\n')
    assert job.files == ()


def test_a_pipe_is_no_file(folder: Path) -> None:
    (folder / "recipe").mkdir(exist_ok=True)
    os.mkfifo(folder / "recipe" / "pipe.txt")
    with pytest.raises(PackagingError, match=r"names 'pipe\.txt', and there is no such file"):
        package(folder, "a: pipe.txt\n")


def test_a_file_that_nests_too_deeply_is_copied_all_the_same(folder: Path) -> None:
    job = package(folder, "a: deep.json\n", **{"deep.json": "[" * 200_000 + "]" * 200_000})
    assert beside(job) == {"files/recipe/deep.json"}


def test_credentials_behind_a_harmless_name(folder: Path) -> None:
    write(folder, {"env.toml": "[wandb]\n", "recipe/train.py": READS})
    (folder / "recipe" / "words.txt").symlink_to(folder / "env.toml")
    with pytest.raises(PackagingError, match=r"files/recipe/words\.txt' holds credentials"):
        package(folder, "words: words.txt\n")


def test_what_the_environment_keeps_secret_is_in_no_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    with pytest.raises(PackagingError, match=r"files/recipe/notes\.txt' holds credentials"):
        package(folder, "notes: notes.txt\n", **{"notes.txt": "key 0123456789abcdef."})
    with pytest.raises(PackagingError, match=r"recipe/helper\.py' holds credentials"):
        package(
            folder,
            "a: 1\n",
            **{"helper.py": "KEY = '0123456789abcdef'", "train.py": "import helper"},
        )
    assert not (folder.parent / "job").exists()


RECIPE = """# /// script
# [tool.runspec]
# schema = "1"
# name = "demo/sft"
# ///
"""


def test_a_job_reads_what_a_run_would_without_a_place_for_artifacts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEMOTRON_ARTIFACTS_ROOT", raising=False)
    monkeypatch.delenv("NEMOTRON_ENV", raising=False)
    config = "run: {data: demo-data:latest}\npath: ${art:data,path}\nrate: 1\n"
    write(folder / "recipe", {"sft.py": RECIPE, "config/default.yaml": config})
    train = compose_for_package(parse(folder / "recipe/sft.py"), overrides=["rate=3"])
    assert train.rate == 3
    assert train.run.output == "demo-sft-model"
    assert train.run.wandb == {"project": None, "entity": None}
    assert train.run.provenance.config_file == "recipe/config/default.yaml"
    assert train.run.provenance.argv == ["nemotron", "package", "demo/sft", "rate=3"]
    assert "manifest" not in train.artifacts


BACKEND = {
    "pyproject.toml": '[tool.uv.workspace]\nmembers = ["packages/*"]\n',
    "packages/notes/pyproject.toml": """
[project]
name = "notes"
version = "1"
[project.entry-points."nemo_runspec.trackers"]
notes = "notes_backend:make"
""",
    "packages/notes/src/notes_backend.py": "def make(): return 'notes'\n",
    "recipe/find.py": """
from importlib.metadata import entry_points
print([point.load()() for point in entry_points(group="nemo_runspec.trackers", name="notes")])
""",
}


@pytest.mark.parametrize(("switch", "found"), [("true", "['notes']"), ("false", "[]")])
def test_the_backends_that_are_asked_for_are_embedded(
    tmp_path: Path, switch: str, found: str
) -> None:
    write(tmp_path / "code", {**BACKEND, "c.yaml": f"artifacts: {{notes: {switch}}}\n"})
    script = tmp_path / "code/recipe/find.py"
    job = package_script(script, tmp_path / "job", config=tmp_path / "code/c.yaml")
    command = [sys.executable, "-I", str(job.main)]
    assert (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"{found}\n"
    )


def test_a_backend_that_nobody_offers(folder: Path) -> None:
    with pytest.raises(
        PackagingError, match=r"artifacts\.notes is true, but no package here offers"
    ):
        package(folder, "artifacts: {notes: true}\n")
