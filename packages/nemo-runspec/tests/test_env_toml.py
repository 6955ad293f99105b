from __future__ import annotations

from pathlib import Path

import pytest

from nemo_runspec.env_toml import (
    find_env_toml,
    load_env_profile,
    load_env_toml,
    load_wandb_settings,
)
from nemo_runspec.errors import ProfileError

TEAM = """\
[wandb]
project = "nemotron"
entity = "team"

[artifacts]
wandb = true

[artifacts.manifest]
root = "/lustre/artifacts"

[cluster]
executor = "slurm"
account = "base"
mounts = ["/a:/a"]

[cluster.env_vars]
A = "1"
B = "1"

[cheap]
time = "00:30:00"
account = "cheap"

[big]
extends = ["cluster", "cheap"]
nodes = 8
mounts = ["/b:/b"]

[big.env_vars]
B = "2"

[bigger]
extends = "big"
nodes = 16
"""


def env_toml(folder: Path, text: str = TEAM) -> Path:
    file = folder / "env.toml"
    file.write_text(text)
    return file


def test_is_found_here_or_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = env_toml(tmp_path)
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)

    assert find_env_toml() == file
    assert find_env_toml(tmp_path / "a") == file


def test_the_variable_goes_before_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_toml(tmp_path)
    other = tmp_path / "other.toml"
    other.write_text("")
    monkeypatch.setenv("NEMOTRON_ENV", str(other))

    assert find_env_toml(tmp_path) == other

    monkeypatch.setenv("NEMOTRON_ENV", str(tmp_path))
    assert find_env_toml(tmp_path / "elsewhere") == tmp_path / "env.toml"

    monkeypatch.setenv("NEMOTRON_ENV", str(tmp_path / "gone.toml"))
    with pytest.raises(ProfileError, match=r"gone.toml: NEMOTRON_ENV names a file that does not"):
        find_env_toml(tmp_path)


def test_sections_and_profiles_are_told_apart(tmp_path: Path) -> None:
    env = load_env_toml(env_toml(tmp_path))

    assert env.wandb == {"project": "nemotron", "entity": "team"}
    assert env.artifacts == {"wandb": True, "manifest": {"root": "/lustre/artifacts"}}
    assert set(env.profiles) == {"cluster", "cheap", "big", "bigger"}
    assert env.cache == {}


def test_no_file_is_an_empty_one() -> None:
    assert load_env_toml().profiles == {}
    assert load_wandb_settings() is None
    with pytest.raises(ProfileError, match=r"no env.toml to find the profile 'dlw' in"):
        load_env_profile("dlw")


def test_parents_come_first_and_tables_merge(tmp_path: Path) -> None:
    profile = load_env_profile("bigger", env_toml(tmp_path))

    assert dict(profile) == {
        "executor": "slurm",
        "account": "cheap",
        "time": "00:30:00",
        "nodes": 16,
        "mounts": ["/b:/b"],
        "env_vars": {"A": "1", "B": "2"},
    }
    assert profile["executor"] == "slurm"
    assert (profile.name, profile.path) == ("bigger", tmp_path / "env.toml")


def test_a_profile_that_extends_one_parent_twice_is_no_circle(tmp_path: Path) -> None:
    text = '[a]\nx = 1\n[b]\nextends = "a"\n[c]\nextends = "a"\n[d]\nextends = ["b", "c"]\n'

    assert dict(load_env_profile("d", env_toml(tmp_path, text))) == {"x": 1}


def test_wandb_settings(tmp_path: Path) -> None:
    assert load_wandb_settings(env_toml(tmp_path)) == {"project": "nemotron", "entity": "team"}


@pytest.mark.parametrize(
    ("text", "profile", "message"),
    [
        ('[a]\nextends = "b"\n[b]\nextends = "a"\n', "a", r"env.toml:4: .* circle: a → b → a"),
        ('[a]\nextends = "a"\n', "a", r"env.toml:2: .* circle: a → a"),
        ('[alpha]\n[b]\nextends = "alpa"\n', "b", r"env.toml:3: .*'alpa'.* mean 'alpha'"),
        ('[a]\nextends = "wandb"\n[wandb]\nproject = "p"\n', "a", r"'wandb', which does not exist"),
        ("[a]\nextends = 3\n", "a", r"env.toml:2: 'a.extends' must be"),
        ("[a]\nextends = [3]\n", "a", r"env.toml:2: 'a.extends' must be"),
        ("[cluster]\n", "clutser", r"no profile 'clutser'.* mean 'cluster'"),
        ("", "dlw", r"no profile 'dlw'.*Add a table \[dlw\]"),
        ('[wandb]\nproject = "p"\n', "wandb", r"'wandb' is a reserved section"),
        ("a = 1\n", "a", r"env.toml:1: 'a' stands outside of any section"),
        ("wandb = 1\n", "a", r"env.toml:1: 'wandb' stands outside"),
        ('[a]\nx = "open\n', "a", r"env.toml:2: The file is no valid TOML"),
        ("[a]\n[a]\n", "a", r"env.toml:2: The file is no valid TOML"),
    ],
)
def test_mistakes_name_the_file_and_line(
    tmp_path: Path, text: str, profile: str, message: str
) -> None:
    with pytest.raises(ProfileError, match=message):
        load_env_profile(profile, env_toml(tmp_path, text))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"cannot be read: Is a directory"):
        load_env_toml(tmp_path)

    (tmp_path / "env.toml").write_bytes(b"\xff")
    with pytest.raises(ProfileError, match=r"not UTF-8"):
        load_env_toml(tmp_path / "env.toml")
