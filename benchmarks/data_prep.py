"""How fast text and conversations become training data, beside what others do with them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.support.harness import Cell, Check, Result, publish
from benchmarks.support.processes import CommandFor, Runs, take_turns

ROUNDS = 3
FILES = 4
CONVERSATIONS = 20_000
TEXTS = {"text, 55 MB": 55_000_000, "text, 220 MB": 220_000_000}
SMALL, LARGE = TEXTS
CHAT = "chat, 20,000 conversations"
WARM_UP_BYTES = 200_000

FAST, SLOW = "nemotron-data-prep, gigatoken", "nemotron-data-prep, tokenizers"
FLOOR, BARE = "tokenizers and raw writes", "orjson, gigatoken and raw writes"
BARE_CHAT = "rendered once, gigatoken, no output"
TROVE, LOOP = "datatrove 0.10.1, 2 workers", "Megatron-style loop, 2 processes"
PEERS = {SMALL: (FAST, BARE, SLOW, FLOOR, LOOP), LARGE: (FAST, BARE, TROVE)}


def main() -> None:
    """Make the data, warm everything up on a little of it, then take turns."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        inputs = make_inputs(folder)
        commands = {
            name: {label: command(name, label, inputs) for label in peers}
            for name, peers in (*PEERS.items(), (CHAT, (FAST, BARE_CHAT, SLOW, FLOOR)))
        }
        warm_up = {
            f"{name}, {label}": command(name, label, make_little(folder, inputs))
            for name, of_name in commands.items()
            for label in of_name
        }
        take_turns(warm_up, rounds=1, cwd=folder)
        runs = {
            name: take_turns(of_name, rounds=ROUNDS, cwd=folder)
            for name, of_name in commands.items()
        }
    publish(result(runs))


def make_inputs(folder: Path) -> dict[str, Path]:
    """Write the corpora, each in files that workers can share, and the tokenizer."""
    inputs = {name: folder / f"text{seed}" for seed, name in enumerate(TEXTS)}
    inputs |= {CHAT: folder / "chat", "tokenizer": folder / "tokenizer"}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        inputs[CHAT].mkdir()
        made = [pool.submit(make, "chat", inputs[CHAT] / "0.jsonl", CONVERSATIONS, 90)]
        for seed, (name, size_bytes) in enumerate(TEXTS.items()):
            inputs[name].mkdir()
            for part in range(FILES):
                path = inputs[name] / f"{part}.jsonl"
                made.append(pool.submit(make, "text", path, size_bytes // FILES, 10 * seed + part))
        for one in made:
            one.result()
    make("tokenizer", inputs["tokenizer"], inputs[SMALL] / "0.jsonl", 0)
    return inputs


def make(kind: str, path: Path, size: object, seed: int) -> None:
    """Make one of them in a process of its own: a child's peak starts at its parent's size."""
    words = [sys.executable, "-m", "benchmarks.support.corpus", kind, path, size, seed]
    subprocess.run(list(map(str, words)), check=True)


def make_little(folder: Path, inputs: dict[str, Path]) -> dict[str, Path]:
    """The start of every input, for a turn that only fills caches."""
    little = {"tokenizer": inputs["tokenizer"]}
    for name, source in inputs.items():
        if name not in little:
            little[name] = folder / f"little-{source.name}"
            little[name].mkdir(exist_ok=True)
            for path in source.iterdir():
                with path.open("rb") as stream:
                    start = b"".join(stream.readlines(WARM_UP_BYTES))
                (little[name] / path.name).write_bytes(start)
    return little


def command(name: str, label: str, inputs: dict[str, Path]) -> CommandFor:
    """How a peer is run on an input."""
    return partial(_words, name, label, str(inputs[name]), str(inputs["tokenizer"]))


def _words(name: str, label: str, data: str, tokenizer: str, output: Path) -> Sequence[str]:
    python = (sys.executable, "-m")
    stage = "sft" if name == CHAT else "pretrain"
    arguments = (data, tokenizer, str(output))
    return {
        FAST: (*python, "benchmarks.peers.ours", stage, *arguments, "fast"),
        SLOW: (*python, "benchmarks.peers.ours", stage, *arguments, "hf"),
        FLOOR: (*python, "benchmarks.peers.floor", *arguments, "chat" if name == CHAT else "text"),
        BARE: (*python, "benchmarks.peers.bare", *arguments),
        BARE_CHAT: (*python, "benchmarks.peers.bare_chat", data, tokenizer),
        TROVE: (*python, "benchmarks.peers.trove", *arguments),
        LOOP: (*python, "benchmarks.peers.megatron_loop", *arguments),
    }[label]


def result(runs: dict[str, dict[str, Runs]]) -> Result:
    """Rows for all, and the promises about ours."""
    for name, of_name in runs.items():
        counts = {peer.printed for peer in of_name.values()}
        if name in TEXTS and len(counts) > 1:
            raise SystemExit(f"{name}: the peers disagree about the tokens: {counts}")
    return Result(
        name="data_prep",
        title="Preparing data",
        setting=f"Whole processes, medians of {ROUNDS} turns on the same files, which a seed makes "
        "out of the sample's English and code, in the page cache; a 32,000-entry byte-level "
        "tokenizer. The CPU time and the peak count the processes that a run waits for, which "
        "datatrove's workers are not among; the peak is that of the largest one.",
        rows=[
            row(name, label, peer)
            for name, of_name in runs.items()
            for label, peer in of_name.items()
        ],
        checks=checks(runs),
    )


def row(name: str, label: str, peer: Runs) -> dict[str, Cell]:
    """One line of the table."""
    tokens = int(peer.printed)
    return {
        "input": name,
        "tool": label,
        "wall_s": round(peer.wall_s, 2),
        "cpu_s": round(peer.cpu_s, 2),
        "million_tokens_per_s": round(tokens / peer.wall_s / 1e6, 2),
        "conversations_per_s": round(CONVERSATIONS / peer.wall_s) if name == CHAT else "",
        "peak_mb": round(peer.peak_mb),
    }


def checks(runs: dict[str, dict[str, Runs]]) -> list[Check]:
    """Ours against the floors, the peers, the clock and the memory."""
    small, large, chat = runs[SMALL], runs[LARGE], runs[CHAT]
    peaks = [
        peer.peak_mb
        for of_name in runs.values()
        for label, peer in of_name.items()
        if label in {FAST, SLOW}
    ]
    return [
        ratio(
            "with tokenizers, wall time over its floor, 55 MB", small[SLOW], small[FLOOR], 1 / 0.85
        ),
        ratio(
            "with gigatoken, wall time over datatrove's, 220 MB", large[FAST], large[TROVE], 1 / 10
        ),
        ratio(
            "with gigatoken, wall time over the bare script's, 220 MB",
            large[FAST],
            large[BARE],
            1 / 0.6,
        ),
        Check("with gigatoken, seconds for 20,000 conversations", round(chat[FAST].wall_s, 2), 4.0),
        ratio(
            "with gigatoken, wall time over the bare script's, chat",
            chat[FAST],
            chat[BARE_CHAT],
            4.0 / 1.6,
        ),
        ratio("with tokenizers, wall time over its floor, chat", chat[SLOW], chat[FLOOR], 1 / 0.7),
        Check("peak memory in MB", round(max(peaks)), 600),
        Check(
            "peak memory at 220 MB over that at 55 MB",
            round(large[FAST].peak_mb / small[FAST].peak_mb, 2),
            1.25,
        ),
    ]


def ratio(promise: str, ours: Runs, other: Runs, limit: float) -> Check:
    """A promise about two wall times on the same input."""
    return Check(promise, round(ours.wall_s / other.wall_s, 3), round(limit, 3))


if __name__ == "__main__":
    main()
