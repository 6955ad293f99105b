"""What belongs to the code: the working tree as git sees it, without credentials."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nemo_runspec.errors import PackagingError
from nemo_runspec.packaging.code import CodePackager

IDENTITY = (
    "-c",
    "user.name=x",
    "-c",
    "user.email=x@example.com",
    "-c",
    "protocol.file.allow=always",
)
STRANGE = (
    *("a b", "-rf", "#c", ";d", "new\nline", "täb\tünï", "quote'\"", "*", "back\\slash", "[x]"),
    *(" lead", "trail ", "$HOME", "~", "%20", ":colon", "\udcff"),
)


def git(folder: Path, *arguments: str) -> None:
    command = ["git", "-C", str(folder), *IDENTITY, *arguments]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def write(folder: Path, *names: str) -> None:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"this is {name!r}\n")


def repository(folder: Path, *tracked: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q")
    write(folder, *tracked)
    git(folder, "add", "-f", *tracked)
    git(folder, "commit", "-qm", "first", "--allow-empty")
    return folder


def paths(folder: Path, **options: object) -> list[str]:
    tree = CodePackager(**options).read(folder)  # type: ignore[arg-type]
    return [entry.path for entry in tree.entries]


def test_tracked_and_untracked_files_are_sent_and_ignored_ones_are_not(tmp_path: Path) -> None:
    top = repository(tmp_path / "code", "a.py", "sub/b.py", ".gitignore", "tracked.log")
    (top / ".gitignore").write_text("*.log\ncache/\n")
    write(top, "new.py", "sub/new.py", "noise.log", "cache/x", "sub/cache/y")
    (top / "a.py").write_text("changed\n")
    expected = [".gitignore", "a.py", "new.py", "sub/b.py", "sub/new.py", "tracked.log"]
    assert paths(top) == expected
    assert paths(top / "sub") == expected


def test_what_was_deleted_or_became_something_else_is_not_sent(tmp_path: Path) -> None:
    top = repository(tmp_path / "code", "gone", "folder/x", "file", "kept")
    (top / "gone").unlink()
    (top / "folder" / "x").unlink()
    (top / "folder").rmdir()
    (top / "folder").symlink_to("elsewhere")
    write(top, "elsewhere/x")
    (top / "file").unlink()
    write(top, "file/inside")
    os.mkfifo(top / "pipe")
    assert paths(top) == ["elsewhere/x", "file/inside", "folder", "kept"]


def test_files_of_a_merge_that_is_not_finished_are_sent_once(tmp_path: Path) -> None:
    top = repository(tmp_path / "code", "a")
    git(top, "checkout", "-qb", "other")
    (top / "a").write_text("theirs\n")
    git(top, "commit", "-qam", "theirs")
    git(top, "checkout", "-q", "-")
    (top / "a").write_text("ours\n")
    git(top, "commit", "-qam", "ours")
    with pytest.raises(subprocess.CalledProcessError):
        git(top, "merge", "other")
    assert paths(top) == ["a"]


def test_submodules_and_repositories_inside_are_sent_as_they_are_checked_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inner = repository(tmp_path / "inner", "deep.py")
    outer = repository(tmp_path / "outer", "lib.py")
    git(outer, "submodule", "add", "-q", str(inner), "deep er")
    git(outer, "commit", "-qm", "deeper")
    top = repository(tmp_path / "code", "main.txt")
    git(top, "submodule", "add", "-q", str(outer), "third_party/lib")
    git(top, "submodule", "update", "-q", "--init", "--recursive")
    repository(top / "clone", "cloned.py")
    write(top / "third_party" / "lib", "new.py")
    assert paths(top) == [
        ".gitmodules",
        "clone/cloned.py",
        "main.txt",
        "third_party/lib/.gitmodules",
        "third_party/lib/deep er/deep.py",
        "third_party/lib/lib.py",
        "third_party/lib/new.py",
    ]
    assert not caplog.records
    git(top, "submodule", "deinit", "-q", "-f", "third_party/lib")
    assert paths(top) == [".gitmodules", "clone/cloned.py", "main.txt"]
    assert "The submodule third_party/lib is not checked out" in caplog.text


def test_without_a_repository_the_folder_is_sent_and_its_gitignore_holds(tmp_path: Path) -> None:
    top = tmp_path / "code"
    write(top, "a.py", "sub/b.py", "sub/c.log", "build/x", ".nemotron/runs/x")
    (top / ".gitignore").write_text("build/\n")
    (top / "sub" / ".gitignore").write_text("*.log\n")
    assert paths(top) == [".gitignore", "a.py", "sub/.gitignore", "sub/b.py"]
    assert paths(top / "sub") == [".gitignore", "b.py"]
    assert not (top / ".git").exists()


def test_the_surroundings_of_a_git_hook_do_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = repository(tmp_path / "code", "a.py")
    other = repository(tmp_path / "other", "b.py")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    assert paths(top) == ["a.py"]


def test_strange_names_are_sent(tmp_path: Path) -> None:
    top = repository(tmp_path / "code", "sub/x")
    write(top, *STRANGE, *(f"sub/{name}" for name in STRANGE))
    git(top, "add", "--", *STRANGE[:8])
    expected = {"sub/x", *STRANGE, *(f"sub/{name}" for name in STRANGE)}
    assert set(paths(top)) == expected
    assert paths(top) == sorted(expected, key=os.fsencode)


def test_outputs_of_jobs_are_no_code_unless_they_are_tracked(tmp_path: Path) -> None:
    top = repository(tmp_path / "code", "src/artifacts/__init__.py", "output/kept.md")
    write(top, ".nemotron/runs/r/job.yaml", "src/.nemotron/x", "artifacts/m/v1/manifest.json")
    (top / "artifacts" / "m").rename(tmp_path / "m")
    (top / "artifacts").rmdir()
    (top / "artifacts").symlink_to(tmp_path / "m")
    write(top, "output/nano3/data.bin", "wandb/run-1/x", "src/output/new.py", "artifacts.py")
    expected = ["artifacts.py", "output/kept.md", "src/artifacts/__init__.py", "src/output/new.py"]
    assert paths(top) == expected


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("*.md", ["docs/a.txt", "src/docs/b.txt", "src/x.py"]),
        ("docs", ["README.md", "src/x.py"]),
        ("docs/", ["README.md", "src/x.py"]),
        ("/docs", ["README.md", "src/docs/b.txt", "src/x.py"]),
        ("src/docs", ["README.md", "docs/a.txt", "docs/c.md", "src/x.py"]),
        ("src/*", ["README.md", "docs/a.txt", "docs/c.md"]),
        ("**/docs/*.txt", ["README.md", "docs/c.md", "src/x.py"]),
        ("src/**", ["README.md", "docs/a.txt", "docs/c.md"]),
        ("[!R]*.md", ["README.md", "docs/a.txt", "src/docs/b.txt", "src/x.py"]),
        ("README.m?", ["docs/a.txt", "docs/c.md", "src/docs/b.txt", "src/x.py"]),
        ("x.py/", ["README.md", "docs/a.txt", "docs/c.md", "src/docs/b.txt", "src/x.py"]),
    ],
)
def test_patterns_leave_out_what_the_same_line_in_gitignore_would(
    tmp_path: Path, pattern: str, left: list[str]
) -> None:
    names = ("README.md", "docs/a.txt", "docs/c.md", "src/docs/b.txt", "src/x.py")
    tracked = repository(tmp_path / "tracked", *names)
    assert paths(tracked, exclude=(pattern,)) == left
    untracked = tmp_path / "untracked"
    write(untracked, *names)
    (untracked / ".gitignore").write_text(f"{pattern}\n.gitignore\n")
    assert paths(untracked) == left


@pytest.mark.parametrize("pattern", ["", "/", "!kept"])
def test_patterns_that_leave_nothing_out_are_refused(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(PackagingError, match=f"the pattern {pattern!r}, which leaves nothing out"):
        CodePackager(exclude=(pattern,)).read(tmp_path)


SECRETS = (
    *("env.toml", ".env", ".env.local", ".envrc", "sub/.env", "my/.env/bin/activate"),
    *(".netrc", "_netrc", "netrc", ".git-credentials", ".pypirc", "home/.pgpass"),
    *("id_rsa", "keys/id_ed25519", "server.pem", "tls.KEY", "store.p12", "putty.ppk"),
    *("credentials", ".aws/credentials", "credentials.json", "gcp-credentials.json"),
    *("service_account.json", "client_secret_1.json", "secrets.toml", "kubeconfig"),
)
HARMLESS = (
    *("environment.toml", "env.toml.md", "env.py", "id_rsa.pub", "keys.py", "monkey", "key.json"),
    *("credentials.py", "docs/credentials.md", "credentials/__init__.py", "pem.txt", "secrets.py"),
)


@pytest.mark.parametrize("name", ["env.toml", ".env/bin/activate", "keys/id_rsa"])
@pytest.mark.parametrize("tracked", [True, False], ids=["tracked", "untracked"])
def test_credentials_are_refused_with_the_cure(tmp_path: Path, name: str, *, tracked: bool) -> None:
    top = repository(tmp_path / "code", "a.py", *([name] if tracked else []))
    write(top, name)
    with pytest.raises(PackagingError, match="holds credentials and would be sent") as caught:
        CodePackager().read(top)
    assert repr(name) in caught.value.what
    assert "git rm --cached" in str(caught.value.hint)
    assert "'exclude'" in str(caught.value.hint)
    assert paths(top, exclude=(name,)) == ["a.py"]
    if not tracked:
        (top / ".git" / "info" / "exclude").write_text(f"{name}\n")
        assert paths(top) == ["a.py"]


def test_what_merely_sounds_like_credentials_is_sent(tmp_path: Path) -> None:
    top = repository(tmp_path / "code", *HARMLESS)
    assert paths(top) == sorted(HARMLESS)


@pytest.mark.parametrize("kind", ["OPENSSH ", "RSA ", "EC ", "ENCRYPTED ", ""])
def test_a_private_key_is_refused_whatever_its_name(tmp_path: Path, kind: str) -> None:
    top = repository(tmp_path / "code", "a.py", "deploy")
    (top / "deploy").write_text(f"-----BEGIN {kind}PRIVATE KEY-----\nxxxx\n")
    with pytest.raises(PackagingError, match="'deploy' holds credentials"):
        CodePackager().read(top)
    (top / "deploy").write_text(f"text on\n-----BEGIN {kind}PRIVATE KEY-----\n")
    assert paths(top) == ["a.py", "deploy"]


def test_what_the_environment_keeps_secret_is_in_no_file_that_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = repository(tmp_path / "code", "a.py", "notes/run.sh")
    (top / "notes" / "run.sh").write_text("export KEY=0123456789abcdef\n")
    assert paths(top) == ["a.py", "notes/run.sh"]
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    with pytest.raises(PackagingError, match=r"'notes/run\.sh' holds credentials.*exclude"):
        CodePackager().read(top)
    assert paths(top, exclude=("notes",)) == ["a.py"]


def test_credentials_of_every_kind_make_one_sentence(tmp_path: Path) -> None:
    top = repository(tmp_path / "code", "a.py")
    write(top, *SECRETS)
    with pytest.raises(PackagingError, match="hold credentials") as caught:
        CodePackager().read(top)
    first = ", ".join(map(repr, sorted(SECRETS)[:5]))
    assert caught.value.what.startswith(f"{first} and {len(SECRETS) - 5} more hold")
    assert paths(top, exclude=SECRETS) == ["a.py"]


@pytest.mark.parametrize(
    ("place", "target", "stays"),
    [
        ("link", "a.py", True),
        ("link", "sub", True),
        ("link", "missing", True),
        ("link", "sub/../a.py", True),
        ("sub/link", "../a.py", True),
        ("sub/link", ".", True),
        ("link", "link", True),
        ("link", "..", False),
        ("link", "../elsewhere", False),
        ("sub/link", "../../elsewhere", False),
        ("link", "/etc/hostname", False),
        ("sub/link", "up/../../elsewhere", False),
    ],
)
def test_links_are_kept_and_none_leaves_the_tree(
    tmp_path: Path, place: str, target: str, *, stays: bool
) -> None:
    top = repository(tmp_path / "code", "a.py", "sub/b.py")
    (top / "sub" / "up").symlink_to("..")
    write(tmp_path, "elsewhere")
    (top / place).symlink_to(target)
    if stays:
        entries = {entry.path: entry for entry in CodePackager().read(top).entries}
        assert (entries[place].kind, entries[place].content) == ("link", target.encode())
    else:
        with pytest.raises(PackagingError, match=f"link '{place}' leads out of the tree, to"):
            CodePackager().read(top)
        assert place not in paths(top, exclude=(place,))


def test_the_digest_is_that_of_names_contents_and_what_can_be_executed(tmp_path: Path) -> None:
    def digest(folder: str, change: Callable[[Path], object] = lambda _: None) -> str:
        top = repository(tmp_path / folder, "a.py", "sub/b.py")
        change(top)
        os.utime(top / "sub" / "b.py", (1, 1))
        return CodePackager().read(top).digest

    plain = digest("one")
    assert digest("two", lambda top: (top / "a.py").chmod(0o600)) == plain
    changes: list[Callable[[Path], object]] = [
        lambda top: (top / "a.py").chmod(0o755),
        lambda top: (top / "a.py").write_text("x"),
        lambda top: (top / "a.py").rename(top / "c.py"),
        lambda top: (top / "c.py").write_text(""),
        lambda top: ((top / "a.py").rename(top / "x"), (top / "a.py").symlink_to("x")),
    ]
    digests = {digest(f"other-{at}", change) for at, change in enumerate(changes)}
    assert len(digests | {plain}) == len(changes) + 1


def test_large_trees_are_warned_of_with_their_largest_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    top = repository(tmp_path / "code", "a.py")
    (top / "weights.bin").write_bytes(bytes(3 << 20))
    CodePackager().read(top)
    assert not caplog.records
    CodePackager(warn_above_bytes=1 << 20).read(top)
    assert "3.0 MiB in 2 files; the largest are weights.bin (3.0 MiB), a.py" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING


def test_an_empty_tree_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="There are no files to send"):
        CodePackager().read(repository(tmp_path / "code"))


def test_without_git_the_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackagingError, match="git is needed to tell which files") as caught:
        CodePackager().read(tmp_path)
    assert "Install git" in str(caught.value.hint)


def test_what_git_complains_about_is_passed_on(tmp_path: Path) -> None:
    top = repository(tmp_path / "code", "a.py")
    (top / ".git" / "index").write_bytes(b"broken")
    with pytest.raises(PackagingError, match=r"git ls-files failed: .*index"):
        CodePackager().read(top)
    bare = tmp_path / "bare"
    subprocess.run(["git", "init", "-q", "--bare", str(bare)], check=True, timeout=60)
    with pytest.raises(PackagingError, match="git rev-parse failed: this operation must be run"):
        CodePackager().read(bare)
