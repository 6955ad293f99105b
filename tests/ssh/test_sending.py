"""Code goes to another machine over a real ssh: what arrives, what it costs, who sees what."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from ssh_server.fixtures import target_of
from ssh_server.server import SshServer, before_each_command, running_programs

from nemo_runspec.errors import TransferError
from nemo_runspec.packaging.code import CodePackager, CodeTree, SshTarget, prune_trees
from nemo_runspec.packaging.code.tree import read_tree

PROXY = Path(__file__).with_name("cutting_proxy.py")
STRANGE = (
    *("a b", "-rf", "--delete", "#c", ";d", "new\nline", "täb\tünï", "quote'\"", "*", "[x]"),
    *(" lead", "trail ", "$HOME", "~", "back\\slash", "%20", ":colon", ".hidden", "\udcff"),
)
RECIPE = "import sys, ours\nprint(ours.WORD, __file__, sys.argv[1:])\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    top = tmp_path / "code"
    files = {
        "packages/ours/pyproject.toml": "",
        "packages/ours/src/ours/__init__.py": "WORD = 'ours'\n",
        "recipes/train.py": RECIPE,
        ".gitignore": "*.log\n",
        "noise.log": "noise",
    }
    for name, content in files.items():
        write(top / name, content.encode())
    subprocess.run(["git", "init", "-q", str(top)], check=True, timeout=60)
    return top


def write(file: Path, content: bytes = b"") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def arrived(tree: str) -> CodeTree:
    """Read everything that lies in a tree on the other machine."""
    folder = Path(tree)
    paths = [
        os.path.relpath(Path(current, name), folder)
        for current, folders, files in os.walk(folder)
        for name in [*files, *(item for item in folders if Path(current, item).is_symlink())]
    ]
    return read_tree(folder, sorted(paths, key=os.fsencode))


def parts(target: SshTarget) -> list[str]:
    return [item.name for item in Path(target.root, "trees").iterdir() if item.name[0] == "."]


def test_the_tree_arrives_whole_and_the_job_runs_there(
    checkout: Path, target: SshTarget, tmp_path: Path
) -> None:
    config = write(tmp_path / "train.yaml", b"a: 1\n")
    packager = CodePackager(script=checkout / "recipes" / "train.py", config=config)
    sent = packager.send(checkout, target, job="first")
    assert sent.tree == f"{target.root}/trees/{sent.digest}"
    assert arrived(sent.tree).entries == packager.read(checkout).entries
    assert arrived(sent.tree).digest == sent.digest
    job = Path(str(sent.job))
    assert (job / "config.yaml").read_text() == "a: 1\n"
    assert (job / "code").resolve() == Path(sent.tree)
    command = [sys.executable, str(job / "main.py"), "x=1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"ours {job}/code/recipes/train.py ['x=1']\n"


def test_a_tree_that_is_there_costs_one_connection(
    checkout: Path, target: SshTarget, server: SshServer
) -> None:
    packager = CodePackager(script=checkout / "recipes" / "train.py")
    counts = [server.connections]
    reused = []
    for job in ("one", "two", "three"):
        reused.append(packager.send(checkout, target, job=job).reused)
        counts.append(server.connections)
    reused.append(CodePackager().send(checkout, target).reused)
    counts.append(server.connections)
    assert reused == [False, True, True, True]
    costs = [after - before for before, after in itertools.pairwise(counts)]
    assert costs == [3, 1, 1, 1]
    assert sorted(item.name for item in Path(target.root, "jobs").iterdir()) == [
        "one",
        "three",
        "two",
    ]


def test_names_links_and_what_can_be_executed_arrive_as_they_are(
    checkout: Path, target: SshTarget
) -> None:
    for name in STRANGE:
        write(checkout / name, os.fsencode(name))
        write(checkout / f"sub {name}" / name, os.fsencode(name))
    write(checkout / "run.sh").chmod(0o755)
    write(checkout / "private").chmod(0o600)
    (checkout / "sub a b" / "link").symlink_to("../a b")
    (checkout / "to-folder").symlink_to("sub a b")
    (checkout / "nowhere").symlink_to("not here\n")
    tree = CodePackager().read(checkout)
    sent = CodePackager().send(checkout, target)
    assert {f"sub {name}/{name}" for name in STRANGE} < {entry.path for entry in tree.entries}
    assert arrived(sent.tree).entries == tree.entries
    assert Path(sent.tree, "to-folder").is_symlink()


def test_only_what_changed_is_sent_and_older_trees_stay_as_they_were(
    checkout: Path, target: SshTarget
) -> None:
    write(checkout / "same.bin", os.urandom(50_000))
    before = CodePackager().send(checkout, target)
    first = arrived(before.tree).entries
    os.utime(checkout / "same.bin", (1, 1))
    write(checkout / "recipes" / "train.py", b"changed\n")
    (checkout / ".gitignore").write_text("*.log\nold\n")
    after = CodePackager().send(checkout, target)
    assert after.digest != before.digest
    assert arrived(before.tree).entries == first
    assert arrived(after.tree).entries == CodePackager().read(checkout).entries
    inodes = [Path(sent.tree, "same.bin").stat().st_ino for sent in (before, after)]
    assert inodes[0] == inodes[1], "an unchanged file is a link to the one that was there"
    assert Path(after.tree, "recipes/train.py").stat().st_nlink == 1
    for file in Path(after.tree).rglob("*"):
        if file.is_file():
            assert file.stat().st_mode & 0o222 == 0, "trees share files: nobody writes to them"


def test_the_tree_of_another_branch_is_found_again(checkout: Path, target: SshTarget) -> None:
    main = CodePackager().send(checkout, target)
    write(checkout / "feature.py")
    assert not CodePackager().send(checkout, target).reused
    (checkout / "feature.py").unlink()
    again = CodePackager().send(checkout, target)
    assert (again.reused, again.tree) == (True, main.tree)


def test_jobs_that_are_sent_at_once_do_not_see_each_other(
    checkout: Path, target: SshTarget
) -> None:
    for number in range(100):
        write(checkout / f"file-{number}.py", os.urandom(2_000))
    packager = CodePackager(script=checkout / "recipes" / "train.py")
    start = threading.Barrier(4)

    def send(number: int) -> str:
        start.wait(30)
        return packager.send(checkout, target, job=f"job-{number}").tree

    with ThreadPoolExecutor(4) as pool:
        trees = set(pool.map(send, range(4)))
    (tree,) = trees
    assert arrived(tree).entries == packager.read(checkout).entries
    jobs = sorted(Path(target.root, "jobs").iterdir())
    assert [job.name for job in jobs] == [f"job-{number}" for number in range(4)]
    assert {(job / "code").resolve() for job in jobs} == {Path(tree)}
    assert parts(target) == []


def test_a_job_is_not_sent_twice(checkout: Path, target: SshTarget) -> None:
    packager = CodePackager(script=checkout / "recipes" / "train.py")
    first = packager.send(checkout, target, job="same")
    launcher = Path(str(first.job), "main.py").read_bytes()
    other = CodePackager(script=checkout / "packages/ours/src/ours/__init__.py")
    with pytest.raises(TransferError, match="The job 'same' has been sent before"):
        other.send(checkout, target, job="same")
    assert Path(str(first.job), "main.py").read_bytes() == launcher
    assert [item.name for item in Path(target.root, "jobs").iterdir()] == ["same"]


def test_a_transfer_that_broke_off_goes_on_where_it_was(
    checkout: Path, target: SshTarget, server: SshServer
) -> None:
    for number in range(60):
        write(checkout / "data" / f"{number:02}.bin", os.urandom(50_000))
    proxy = f"ProxyCommand={sys.executable} {PROXY} %h %p 2500000"
    cut = replace(target, options=(*target.options, proxy))
    with pytest.raises(TransferError, match=r"The connection to .* was lost") as caught:
        CodePackager().send(checkout, cut)
    assert "what has arrived is kept" in str(caught.value.hint)
    (part,) = parts(target)
    assert [item.name for item in Path(target.root, "trees").iterdir()] == [part]
    wait_for_the_end_of(f"trees/{part}")
    there = Path(target.root, "trees", part, "data")
    whole = {file.name: file.stat().st_ino for file in there.glob("[0-9]*.bin")}
    assert 0 < len(whole) < 60
    sent = CodePackager().send(checkout, target)
    assert arrived(sent.tree).entries == CodePackager().read(checkout).entries
    again = {name: Path(sent.tree, "data", name).stat().st_ino for name in whole}
    linked = [name for name in whole if again[name] == whole[name]]
    assert len(linked) >= len(whole) - 1, "all but the one that was cut are links"


def wait_for_the_end_of(words: str) -> None:
    """Wait until the server's end of a broken line has noticed."""
    ends_at = time.monotonic() + 60
    while any(words in line for line in running_programs()):
        assert time.monotonic() < ends_at, "the server's rsync is still there"
        time.sleep(0.05)


def test_what_broke_off_long_ago_is_removed(checkout: Path, target: SshTarget) -> None:
    CodePackager().send(checkout, target)
    trees = Path(target.root, "trees")
    for name, days in ((".old", 3), (".new", 0)):
        write(trees / name / "file")
        age_folder(trees / name, days)
    write(checkout / "new.py")
    CodePackager().send(checkout, target)
    assert parts(target) == [".new"]


def age_folder(folder: Path, days: float) -> None:
    then = folder.stat().st_mtime - days * 86_400
    os.utime(folder, (then, then))


def test_trees_that_no_job_uses_can_be_removed(checkout: Path, target: SshTarget) -> None:
    sent = []
    for number in range(3):
        write(checkout / "number", f"{number}".encode())
        sent.append(CodePackager().send(checkout, target))
    age_folder(Path(sent[0].tree), 40)
    age_folder(Path(sent[1].tree), 20)
    assert prune_trees(target) == (sent[0].digest,)
    assert sorted(parts(target)) == []
    assert [Path(item.tree).exists() for item in sent] == [False, True, True]
    write(checkout / "number", b"1")
    assert CodePackager().send(checkout, target).reused
    assert prune_trees(target, unused_days=10) == ()
    assert arrived(sent[2].tree).digest == sent[2].digest
    assert set(prune_trees(target, unused_days=0)) == {sent[1].digest, sent[2].digest}


def test_a_tree_that_changes_while_it_is_sent_is_sent_as_it_is_in_the_end(
    checkout: Path, target: SshTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = CodePackager.read
    times: list[int] = []

    def disturbed(self: CodePackager, path: Path) -> CodeTree:
        tree = read(self, path)
        times.append(len(times))
        if len(times) == 1:
            write(checkout / "recipes" / "train.py", b"saved just now\n")
        return tree

    monkeypatch.setattr(CodePackager, "read", disturbed)
    sent = CodePackager().send(checkout, target)
    assert Path(sent.tree, "recipes/train.py").read_bytes() == b"saved just now\n"
    assert arrived(sent.tree).digest == sent.digest
    complete = [item.name for item in Path(target.root, "trees").iterdir() if item.name[0] != "."]
    assert complete == [sent.digest]


@pytest.fixture
def without_rsync(tmp_path: Path) -> str:
    """A folder with every program of this machine but rsync."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for place in reversed(os.environ["PATH"].split(os.pathsep)):
        for program in Path(place).glob("*"):
            if program.name != "rsync":
                (folder / program.name).unlink(missing_ok=True)
                (folder / program.name).symlink_to(program)
    return str(folder)


@pytest.fixture(params=["here", "there"])
def no_rsync(
    request: pytest.FixtureRequest,
    server: SshServer,
    without_rsync: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if request.param == "here":
        monkeypatch.setenv("PATH", without_rsync)
        assert shutil.which("rsync") is None
    else:
        server.configure(before_each_command(f"PATH={without_rsync}"))


@pytest.mark.usefixtures("no_rsync")
def test_without_rsync_an_archive_is_sent(
    checkout: Path, target: SshTarget, server: SshServer
) -> None:
    for name in STRANGE:
        write(checkout / name, os.fsencode(name))
    write(checkout / "run.sh").chmod(0o755)
    (checkout / "link").symlink_to("a b")
    before = server.connections
    packager = CodePackager(script=checkout / "recipes" / "train.py")
    sent = packager.send(checkout, target, job="one")
    assert server.connections - before == 3
    assert arrived(sent.tree).entries == packager.read(checkout).entries
    assert Path(sent.tree, "a b").stat().st_mode & 0o222 == 0
    assert packager.send(checkout, target, job="two").reused
    assert server.connections - before == 4


def test_a_folder_in_the_home_folder_can_be_named(
    checkout: Path, server: SshServer, tmp_path: Path
) -> None:
    home = tmp_path / "the home"
    home.mkdir()
    server.configure(before_each_command(f"HOME='{home}'"))
    sent = CodePackager().send(checkout, target_of(server, "~/some where"))
    assert sent.tree == f"{home}/some where/trees/{sent.digest}"
    assert arrived(sent.tree).digest == sent.digest


def test_start_up_files_that_print_do_not_confuse_what_is_asked(
    checkout: Path, server: SshServer, target: SshTarget
) -> None:
    CodePackager().send(checkout, target)
    server.configure(before_each_command("echo Welcome; echo nemotron is great;"))
    assert CodePackager().send(checkout, target).reused
