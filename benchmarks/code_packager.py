"""Sending code again that has not changed, beside rsync on its own."""

from __future__ import annotations

import random
import shlex
import subprocess
import tempfile
from pathlib import Path

from benchmarks.support.harness import Cell, Check, Result, publish, take_turns
from nemo_runspec.packaging.code import CodePackager, SshTarget
from tests.ssh_server.server import HOST, SshServer, running

FILES = 5_000
FILES_PER_FOLDER = 50
ROUNDS = 15
LIMIT = 1.5
OURS = "code packager"
PEER = "`rsync -a`"


def main() -> None:
    """Send a tree both ways once, then time what a second and third time cost."""
    with tempfile.TemporaryDirectory() as name, running(folder(name, "sshd")) as server:
        top = write_tree(folder(name, "code"))
        target = target_on(server, Path(name, "ours"))
        work = {
            OURS: lambda: CodePackager().send(top, target),
            PEER: lambda: rsync(top, target, Path(name, "theirs")),
        }
        first_ms = take_turns(work, rounds=1)
        again_ms = take_turns(work, rounds=ROUNDS)
        connections = {label: connections_of(server, call) for label, call in work.items()}
    rows: list[dict[str, Cell]] = [
        {
            "sender": label,
            "first_ms": round(first_ms[label]),
            "again_ms": round(again_ms[label]),
            "connections": connections[label],
        }
        for label in work
    ]
    publish(
        Result(
            name="code_packager",
            title="Sending unchanged code again",
            setting=f"{FILES:,} tracked files to an sshd on the same machine: no network lies in "
            f"between. Median of {ROUNDS} turns; ours reads every file, to know that nothing "
            "changed, and rsync their sizes and times.",
            rows=rows,
            checks=[
                Check("connections for a tree that is there", connections[OURS], 1),
                Check(
                    f"code packager again, times {PEER}",
                    round(again_ms[OURS] / again_ms[PEER], 2),
                    LIMIT,
                ),
            ],
        )
    )


def folder(name: str, below: str) -> Path:
    """Make a folder."""
    made = Path(name, below)
    made.mkdir()
    return made


def write_tree(top: Path) -> Path:
    """Write files of the sizes that code has, and track them."""
    chance = random.Random(0)  # noqa: S311 - reproducible, not secret
    for number in range(FILES):
        file = top / f"package_{number // FILES_PER_FOLDER:03}" / f"module_{number:04}.py"
        file.parent.mkdir(exist_ok=True)
        size = int(chance.lognormvariate(8.3, 0.9))
        file.write_text(f"# {number}\n" + "x = 1\n" * (size // 6), encoding="utf-8")
    for words in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", "-C", str(top), *words], check=True, capture_output=True)
    return top


def target_on(server: SshServer, root: Path) -> SshTarget:
    """Describe the server for ours."""
    return SshTarget(
        host=HOST,
        root=str(root),
        port=server.port,
        identity=server.key,
        options=(f"UserKnownHostsFile={server.known_hosts}",),
    )


def rsync(top: Path, target: SshTarget, root: Path) -> None:
    """The same files, as people send them."""
    shell = shlex.join(target.ssh)
    command = ["rsync", "-a", "--exclude=.git", f"--rsh={shell}", f"{top}/", f"{HOST}:{root}/"]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)


def connections_of(server: SshServer, call: object) -> int:
    """How many logins a piece of work needs."""
    before = server.connections
    call()  # type: ignore[operator]
    return server.connections - before


if __name__ == "__main__":
    main()
