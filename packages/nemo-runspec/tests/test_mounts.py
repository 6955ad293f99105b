"""Repositories cloned once into a cache, at their commit, and images squashed once."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nemo_runspec.errors import ConfigError, ExecutionError
from nemo_runspec.execution.mounts import place_image, place_mounts
from nemo_runspec.execution.mounts.images import enroot_uri
from nemo_runspec.execution.profiles import DockerProfile, LeptonProfile, SlurmProfile
from nemo_runspec.execution.shells import LocalShell

pytestmark = pytest.mark.exhaustive

IDENTITY = (
    *("-c", "user.name=Some Body", "-c", "user.email=some@body.example"),
    *("-c", "protocol.file.allow=always"),
)


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *IDENTITY, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder: Path, text: str) -> str:
    (folder / "code.py").write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", text)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture(autouse=True)
def _own_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "some repo.git"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    return folder


def slurm(*mounts: str, image: str | None = "image:1", squash: bool = False) -> SlurmProfile:
    return SlurmProfile(name="c", container_image=image, mounts=mounts, squash_image=squash)


def url_of(repository: Path) -> str:
    return repository.as_uri()


def placed(repository: Path, ref: str, cache: str) -> Path:
    """Where the repository at a ref lies, once it is placed."""
    mount = f"git+{url_of(repository)}@{ref}:/opt/code"
    (made,) = place_mounts(slurm(mount), LocalShell(), cache)
    folder, target = made.split(":")
    assert target == "/opt/code"
    return Path(folder)


@pytest.mark.parametrize(
    "name_ref", [lambda _: "main", lambda _: "v1", lambda _: "light", str, lambda sha: sha[:9]]
)
def test_a_branch_a_tag_and_a_commit_are_cloned(
    repository: Path, tmp_path: Path, name_ref: Callable[[str], str]
) -> None:
    sha = commit(repository, "first")
    git(repository, "tag", "--annotate", "v1", "--message", "one")
    git(repository, "tag", "light")

    folder = placed(repository, name_ref(sha), str(tmp_path / "the cache"))

    assert folder.name == sha
    assert folder.is_relative_to(tmp_path / "the cache")
    assert (folder / "code.py").read_text() == "first"
    assert git(folder, "rev-parse", "HEAD") == sha


def test_other_mounts_are_kept_in_their_order(repository: Path, tmp_path: Path) -> None:
    commit(repository, "first")
    mounts = ("/data:/data", f"git+{url_of(repository)}@main:/opt/code", "/lustre")

    made = place_mounts(slurm(*mounts), LocalShell(), str(tmp_path / "cache"))

    assert (made[0], made[2]) == ("/data:/data", "/lustre")
    assert made[1].endswith(":/opt/code")


def test_a_later_job_takes_the_clone_that_is_there(repository: Path, tmp_path: Path) -> None:
    commit(repository, "first")
    first = placed(repository, "main", str(tmp_path / "cache"))
    (first / "touched").touch()

    assert placed(repository, "main", str(tmp_path / "cache")) == first
    assert (first / "touched").exists()


def test_a_commit_that_is_there_needs_no_repository(repository: Path, tmp_path: Path) -> None:
    sha = commit(repository, "first")
    first = placed(repository, "main", str(tmp_path / "cache"))
    hidden = repository.rename(tmp_path / "away")

    assert placed(repository, sha, str(tmp_path / "cache")) == first
    hidden.rename(repository)


def test_a_branch_that_moves_is_another_folder(repository: Path, tmp_path: Path) -> None:
    commit(repository, "first")
    first = placed(repository, "main", str(tmp_path / "cache"))
    commit(repository, "second")

    second = placed(repository, "main", str(tmp_path / "cache"))

    assert (first / "code.py").read_text() == "first"
    assert (second / "code.py").read_text() == "second"


def test_submodules_come_along(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = tmp_path / "part"
    part.mkdir()
    git(part, "init", "--quiet")
    commit(part, "of a part")
    git(repository, "submodule", "--quiet", "add", part.as_uri(), "inside")
    commit(repository, "whole")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "protocol.file.allow")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "always")

    folder = placed(repository, "main", str(tmp_path / "cache"))

    assert (folder / "inside" / "code.py").read_text() == "of a part"


def test_jobs_that_clone_at_once_get_one_folder(repository: Path, tmp_path: Path) -> None:
    sha = commit(repository, "first")
    cache = str(tmp_path / "cache")

    with ThreadPoolExecutor(6) as pool:
        folders = set(pool.map(lambda _: placed(repository, "main", cache), range(6)))

    (folder,) = folders
    assert [item.name for item in folder.parent.iterdir()] == [sha]
    assert (folder / "code.py").read_text() == "first"


def test_the_cache_may_lie_in_the_home(repository: Path, tmp_path: Path) -> None:
    commit(repository, "first")

    assert placed(repository, "main", "~/kept here").is_relative_to(tmp_path / "kept here")


def test_nothing_half_cloned_is_left(repository: Path, tmp_path: Path) -> None:
    commit(repository, "first")
    with pytest.raises(ExecutionError, match="no branch, tag or commit 'nope'") as refusal:
        placed(repository, "nope", str(tmp_path / "cache"))

    assert refusal.value.where == f"{url_of(repository)}@nope, on this machine"
    assert refusal.value.hint is not None
    (folder,) = (tmp_path / "cache" / "git").iterdir()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "says", "cure"),
    [
        ("file:///no/such/repository", "no such repository", "Correct the URL"),
        ("https://127.0.0.1:9/a/b", "host of the repository cannot be reached", "Check the name"),
        ("ssh://git@127.0.0.1:9/a/b", "host of the repository cannot be reached", "Check the name"),
    ],
)
def test_what_git_says_comes_with_its_cure(tmp_path: Path, url: str, says: str, cure: str) -> None:
    mount = f"git+{url}@main:/opt/code"

    with pytest.raises(ExecutionError, match=says) as refusal:
        place_mounts(slurm(mount), LocalShell(), str(tmp_path / "cache"))

    assert cure in (refusal.value.hint or "")


@pytest.mark.parametrize(
    ("printed", "says"),
    [
        ("fatal: Authentication failed for 'https://h/a/b/'", "git may not read the repository"),
        ("fatal: could not read Username for 'https://h': terminal prompts disabled", "may not"),
        ("git@h: Permission denied (publickey).", "git may not read the repository"),
        ("Host key verification failed.", "not the one that is known"),
        ("fatal: unable to write file: No space left on device", "disk of the cache is full"),
        ("remote: Repository not found.", "no such repository"),
        ("fatal: something new", "could not clone the repository: fatal: something new"),
    ],
)
def test_each_complaint_of_git_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str, says: str
) -> None:
    put_program(tmp_path, "git", f"echo {printed!r} >&2; exit 128", monkeypatch)

    with pytest.raises(ExecutionError, match=says):
        place_mounts(slurm("git+https://h/a/b@main:/opt"), LocalShell(), str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        (slurm("git+https://h/a/b@main:/opt", image=None), "and the job has none"),
        (
            LeptonProfile(name="c", container_image="i:1", mounts=("git+https://h/a/b@main:/opt",)),
            "see no folder",
        ),
    ],
)
def test_an_executor_that_cannot_mount_is_refused(
    tmp_path: Path, profile: SlurmProfile, says: str
) -> None:
    with pytest.raises(ExecutionError, match=says):
        place_mounts(profile, LocalShell(), str(tmp_path))


def test_a_mount_that_is_malformed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no usable branch"):
        place_mounts(slurm("git+https://h/a/b:/opt"), LocalShell(), str(tmp_path))


def put_program(tmp_path: Path, name: str, body: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program of that name before all others."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


ENROOT = """
printf '%s\\n' "$@" >>"$HOME/enroot.log"
while [ "$1" != -o ]; do shift; done
echo squashed >"$2"
"""


@pytest.mark.parametrize(
    "image", ["nvcr.io/nvidia/nemo:25.07", "docker://nvcr.io#nvidia/nemo:25.07"]
)
def test_an_image_is_squashed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: str
) -> None:
    put_program(tmp_path, "enroot", ENROOT, monkeypatch)
    profile = slurm(image=image, squash=True)

    made = [place_image(profile, LocalShell(), str(tmp_path / "the cache")) for _ in range(2)]

    file = Path(made[0] or "")
    assert made == [str(file), str(file)]
    assert file.parent == tmp_path / "the cache" / "images"
    assert file.name.startswith("nvcr.io-nvidia-nemo-25.07-")
    assert file.suffix == ".sqsh"
    words = (tmp_path / "enroot.log").read_text().splitlines()
    assert (words[0], words[1], words[3]) == ("import", "-o", "docker://nvcr.io#nvidia/nemo:25.07")
    assert len(words) == 4
    assert [item.name for item in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("echo '[ERROR] Could not find image' >&2; exit 1", "Could not find image"),
        ("exit 0", "enroot made no image"),
    ],
)
def test_an_image_that_cannot_be_squashed_stops_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, says: str
) -> None:
    put_program(tmp_path, "enroot", body, monkeypatch)

    with pytest.raises(ExecutionError, match=f"could not import the image a/b:1: .*{says}"):
        place_image(slurm(image="a/b:1", squash=True), LocalShell(), str(tmp_path / "cache"))

    assert list((tmp_path / "cache" / "images").iterdir()) == []


def test_without_enroot_the_image_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = place_image(slurm(image="a/b:1", squash=True), LocalShell(), str(tmp_path / "cache"))

    assert made == "a/b:1"
    assert "enroot is not on this machine" in caplog.text


@pytest.mark.parametrize(
    "profile",
    [
        slurm(image="a/b:1"),
        slurm(image=None, squash=True),
        slurm(image="/images/a.sqsh", squash=True),
        DockerProfile(name="c", container_image="a/b:1"),
    ],
)
def test_nothing_else_is_squashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: SlurmProfile
) -> None:
    put_program(tmp_path, "enroot", "exit 1", monkeypatch)

    assert place_image(profile, LocalShell(), str(tmp_path)) == profile.container_image


@pytest.mark.parametrize(
    ("image", "uri"),
    [
        ("ubuntu:24.04", "docker://ubuntu:24.04"),
        ("nvidia/cuda:12", "docker://nvidia/cuda:12"),
        ("localhost:5000/a/b", "docker://localhost:5000#a/b"),
        ("nvcr.io#nvidia/nemo", "docker://nvcr.io#nvidia/nemo"),
    ],
)
def test_images_are_named_as_enroot_does(image: str, uri: str) -> None:
    assert enroot_uri(image) == uri
