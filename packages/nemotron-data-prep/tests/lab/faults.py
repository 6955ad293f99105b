"""Preparations in forked children that die, or meet a full disk, at a chosen file-system call.

    python faults.py kill|full rl|sft BLEND TOKENIZER FOLDER STRIDE

Prints a JSON report. Run as a process of its own, since it forks.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nemo_runspec.errors import NemotronError
from nemotron_data_prep import (
    PrepResult,
    RlPrepConfig,
    SftPrepConfig,
    SplitRatios,
    prepare_rl,
    prepare_sft,
)
from nemotron_data_prep.staging import read_receipt

SPLIT = SplitRatios(train=0.6, valid=0.2, test=0.2)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
GROWING = ("os.rename", "os.mkdir", "os.link")
CHANGING = (*GROWING, "os.remove", "os.rmdir")


def make_job(stage: str, blend: Path, tokenizer: Path, output: Path) -> Callable[[], PrepResult]:
    common: dict[str, Any] = {
        "blend": blend,
        "output_dir": output,
        "split": SPLIT,
        "workers": 1,
        "shard_size_bytes": 1500,
    }
    if stage == "rl":
        return lambda: prepare_rl(RlPrepConfig(**common))
    return lambda: prepare_sft(SftPrepConfig(tokenizer=tokenizer, pack_size=256, **common))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def disk_full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def run_until(
    job: Callable[[], PrepResult], at: int, events: tuple[str, ...], action: Callable[[], None]
) -> tuple[int, str, int]:
    """Exit status (negative: killed), error text, and calls seen, of a forked run."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        calls = 0

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal calls
            opened = event == "open" and arguments[2] & WRITING
            if opened or event in events:
                calls += 1
                if calls == at:
                    action()

        sys.addaudithook(hook)
        status, text = 0, ""
        try:
            job()
        except NemotronError as error:
            status, text = 3, str(error)
        os.write(writing, json.dumps([text, calls]).encode())
        os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text, calls = json.loads(pipe.read() or '["", 0]')
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text, calls


def fingerprint(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def main() -> None:
    mode, stage = sys.argv[1:3]
    blend, tokenizer, output = (Path(text) for text in sys.argv[3:6])
    job = make_job(stage, blend, tokenizer, output)
    reference = job()
    expected = fingerprint(output)
    events, action = (CHANGING, die) if mode == "kill" else (GROWING, disk_full)
    shutil.rmtree(output)
    _, _, calls = run_until(job, -1, events, action)
    outcomes = []
    for at in range(1, calls + 1, int(sys.argv[6])):
        shutil.rmtree(output, ignore_errors=True)
        status, text, _ = run_until(job, at, events, action)
        published = reference.path.exists()
        whole = not published or read_receipt(reference.path) is not None
        staged = [path.name for path in output.rglob("*.staged")] if output.exists() else []
        again, trouble, _ = run_until(job, -1, events, action)
        outcomes.append(
            {
                "at": at,
                "status": status,
                "text": text,
                "published": published,
                "whole": whole,
                "staged": staged,
                "again": again,
                "trouble": trouble,
                "same": fingerprint(output) == expected,
            }
        )
    sys.stdout.write(json.dumps({"calls": calls, "outcomes": outcomes}))


if __name__ == "__main__":
    main()
