"""Killed anywhere, a run is finished by another one, which repeats nothing that was done."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from preparing import STAGES, Cluster, Prepare, children, gone, output, until

from nemotron_data_prep.staging import read_receipt

Expected = Callable[[str, Path], dict[str, bytes]]

KILLS = int(os.environ.get("NEMOTRON_TEST_KILLS") or 1)
LOCAL = {"engine": "local"}
SHARDS = 30
SEED = int(os.environ.get("NEMOTRON_TEST_SEED") or time.time_ns() % 1_000_000)


def finished_shards(folder: Path) -> dict[str, tuple[int, int]]:
    """Shards that a run has left complete, with what would change if they were made again."""
    found = {}
    for path in folder.glob(".work/*/shard_*"):
        # A run that is over has just removed it.
        with suppress(FileNotFoundError):
            if read_receipt(path) is not None:
                status = (path / "receipt.json").stat()
                found[path.name] = (status.st_ino, status.st_mtime_ns)
    return found


def some_are_finished(folder: Path) -> bool:
    """Whether a run has left some shards complete, and others not."""
    return 3 <= len(finished_shards(folder)) < SHARDS * 2 // 3


def interrupt(run: subprocess.Popen[str], victim: str, chance: random.Random) -> None:
    """End a run, or one of its processes, at once."""
    if victim == "Ctrl-C":
        os.killpg(run.pid, signal.SIGINT)
        return
    below = [] if victim == "run" else children(run.pid)
    try:
        os.kill(chance.choice(below or [run.pid]), signal.SIGKILL)
    except ProcessLookupError:  # it had just ended
        run.kill()


def start_and_interrupt(
    prepare: Prepare, stage: str, out: Path, chance: random.Random, engine: dict[str, str]
) -> str:
    """Start a run, and end it some shards later, or while it makes the output of them."""
    victim = chance.choice(("run", "run", "Ctrl-C", "any of its processes"))
    shards = chance.randrange(SHARDS + 5)
    with prepare.start(stage, out, **engine) as run:
        until(
            lambda: run.poll() is not None or len(list(out.glob(".work/*/shard_*"))) >= shards,
            lambda: f"{shards} shards are never finished",
        )
        try:
            run.wait(timeout=chance.uniform(0, 0.1))
        except subprocess.TimeoutExpired:
            family = children(run.pid)
            interrupt(run, victim, chance)
        else:
            family = []
        _, log = run.communicate(timeout=200)
    until(lambda: all(map(gone, family)), lambda: f"left over: {family}")
    return f"{victim}, {shards} shards: {run.returncode}\n{log}"


@pytest.fixture(params=["local", "ray"])
def engine(request: pytest.FixtureRequest) -> dict[str, str]:
    """The options that choose an engine."""
    if request.param == "local":
        return LOCAL
    cluster: Cluster = request.getfixturevalue("cluster")
    return {"engine": "ray", "ray_address": cluster.address}


@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_random_a_rerun_makes_what_is_missing_and_the_same_bytes(
    engine: dict[str, str], stage: str, prepare: Prepare, expected: Expected, tmp_path: Path
) -> None:
    chance = random.Random(f"{SEED} {engine['engine']} {stage}")  # noqa: S311 - chooses moments
    for number in range(KILLS):
        out = tmp_path / str(number) / "out"
        told = start_and_interrupt(prepare, stage, out, chance, engine)
        done = finished_shards(out)
        story = f"NEMOTRON_TEST_SEED={SEED}, kill {number}: {len(done)} shards done; {told}"
        log = prepare(stage, out, **chance.choice([LOCAL, engine]))
        counted = re.search(r"(\d+) of \d+ shards are done already", log)
        assert ("cache hit" in log) or int(counted[1] if counted else 0) == len(done), story + log
        assert output(out) == expected(stage, out), story
        assert not list(tmp_path.rglob("*.staged")), story
        assert not list(tmp_path.rglob(".work")), story


def test_ctrl_c_ends_all_processes_and_keeps_what_was_finished(
    engine: dict[str, str], prepare: Prepare, expected: Expected, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with prepare.start("sft", out, **engine) as run:
        until(lambda: len(finished_shards(out)) >= 3, lambda: "no shard was finished")
        family = children(run.pid)
        os.killpg(run.pid, signal.SIGINT)
        _, log = run.communicate(timeout=200)
    assert run.returncode == 130, log
    assert log.splitlines()[-1].startswith("interrupted: run the same command again")
    assert "Traceback" not in log
    until(lambda: all(map(gone, family)), lambda: f"left over: {family}")
    done = finished_shards(out)
    assert len(done) >= 3
    assert not list(out.rglob("*.staged"))
    assert f"{len(done)} of " in prepare("sft", out, **LOCAL)
    assert output(out) == expected("sft", out)


def test_a_rerun_leaves_finished_shards_as_they_are(
    prepare: Prepare, expected: Expected, tmp_path: Path
) -> None:
    """The outputs of pretraining are links to the shards, so the very files must turn up again."""
    out = tmp_path / "out"
    prepare.kill_at(lambda: some_are_finished(out), "pretrain", out)
    (waiting,) = out.glob(".work/*")
    done = set(finished_shards(out))
    before = {
        path.stat().st_ino: path.stat().st_mtime_ns
        for path in waiting.glob("shard_*/*.bin")
        if path.parent.name in done
    }
    prepare("pretrain", out, engine="local")
    after = {path.stat().st_ino: path.stat().st_mtime_ns for path in out.glob("*/splits/*/*/*.bin")}
    assert before
    assert before.items() <= after.items()
    assert len(after) > len(before)
    assert output(out) == expected("pretrain", out)


@pytest.mark.parametrize("damage", ["flipped", "cut off", "lost"])
def test_a_shard_that_was_damaged_meanwhile_is_made_again_and_no_other(
    damage: str, prepare: Prepare, expected: Expected, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    prepare.kill_at(lambda: some_are_finished(out), "sft", out)
    done = finished_shards(out)
    (tokens,) = out.glob(f".work/*/{min(done)}/tokens.bin")
    content = bytearray(tokens.read_bytes())
    content[0] ^= 1
    if damage == "lost":
        tokens.unlink()
    else:
        tokens.write_bytes(content if damage == "flipped" else content[:-4])
    log = prepare("sft", out, engine="local")
    assert f"{len(done) - 1} of " in log
    assert output(out) == expected("sft", out)
