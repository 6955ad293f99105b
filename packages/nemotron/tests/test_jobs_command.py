from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

pytestmark = pytest.mark.exhaustive

PREP = ("demo", "data", "prep", "sft", "-c", "sample")
SLOW = ("demo", "slow")

RECIPE = """
# /// script
# [tool.runspec]
# schema = "1"
# name = "demo/slow"
# docs = "Wait for a file, then end."
# ///
import os
import sys
import time
from pathlib import Path

from nemo_runspec.config import load_omegaconf_yaml, parse_config_and_overrides

config = load_omegaconf_yaml(parse_config_and_overrides()[0])
print("began", os.environ.get("GREETING"), flush=True)
while not Path(config.wait_for).exists():
    time.sleep(0.02)
print("ended", flush=True)
sys.exit(config.code)
"""
ENV_TOML = """
[laptop]
executor = "local"

[laptop.env_vars]
GREETING = "it's $HOME"
"""


@pytest.fixture
def place(workplace: Path, write_files: Callable) -> Iterator[Path]:
    """A workplace with a profile of this machine, and a recipe that ends when ``go`` exists."""
    config = "wait_for: go\ncode: 0\n"
    files = {"slow.py": RECIPE, "config/slow.yaml": config}
    write_files(workplace / "recipes" / "demo", files)
    (workplace / "env.toml").write_text(ENV_TOML)
    yield workplace
    (workplace / "go").touch()


def slow(*words: str) -> tuple[str, ...]:
    return (*SLOW, "-c", "slow", *words)


def wait_until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def test_run_follows_the_job_and_ends_with_its_panel(place: Path, nemotron: Callable) -> None:
    done = nemotron(*PREP, "--run", "laptop")
    assert done.code == 0
    lines = done.out.splitlines()
    assert "└── mode:    attached" in lines
    assert "├── profile: laptop (local)" in lines
    assert lines.index("preparing") > lines.index("└── mode:    attached")
    assert "─ Step Complete (demo-sft-data-sample) ─" in done.out
    assert "│ Artifact:     demo-sft-data-sample:v1 " in done.out
    assert f"│ Manifest:     {place}/artifacts/demo-sft-data-sample/v1/manifest.json " in done.out
    assert "The job runs." in done.err


def test_a_submitted_job_leaves_what_a_local_one_leaves(place: Path, nemotron: Callable) -> None:
    nemotron(*PREP, "--run", "laptop")
    (run_dir,) = (place / ".nemotron" / "runs" / "demo-data-prep-sft").iterdir()
    for name in ("job.yaml", "train.yaml", "result.json", "job.json", "log.txt", "exit_code"):
        assert (run_dir / name).is_file(), name


@pytest.mark.parametrize("mode", [[], ["--json"], ["--quiet"]])
def test_a_failed_job_is_a_failed_command_that_says_why(
    place: Path, nemotron: Callable, mode: list[str]
) -> None:
    done = nemotron(*PREP, "--run", "laptop", "broken=true", *mode)
    assert done.code == 1
    if mode == ["--json"]:
        document = json.loads(done.out)
        assert (document["status"], document["exit_code"]) == ("failed", 1)
        assert document["reason"] == "It ended with exit code 1."
        assert document["error"]["what"] == "Line 3 holds no JSON."
        assert document["error"]["hint"] == "Repair the line."
    elif mode == ["--quiet"]:
        assert done.out == ""
        assert "chat.jsonl:3: Line 3 holds no JSON." in done.err
    else:
        assert "─ Step Failed (demo-sft-data-sample) ─" in done.out
        assert "│ Exit code: 1 " in done.out
        assert "│ Error:     Line 3 holds no JSON. " in done.out
        assert "│ Where:     chat.jsonl:3 " in done.out


def test_the_exit_code_is_the_jobs_own(place: Path, nemotron: Callable) -> None:
    (place / "go").touch()
    assert nemotron(*slow("--run", "laptop", "code=7")).code == 7


def test_json_is_one_document_at_the_end(place: Path, nemotron: Callable) -> None:
    done = nemotron(*PREP, "--run", "laptop", "--json")
    document = json.loads(done.out)
    assert document["status"] == "completed"
    assert document["artifacts"][0]["ref"] == "demo-sft-data-sample:v1"
    assert document["summary"] == {"total_tokens": 12345, "size_bytes": 5120}
    assert document["job"]["profile"] == "laptop"
    assert Path(document["configs"]["train"]).is_file()
    assert "preparing" in done.err


def test_quiet_leaves_only_the_reference(place: Path, nemotron: Callable) -> None:
    done = nemotron(*PREP, "--run", "laptop", "--quiet")
    assert (done.code, done.out, done.err) == (0, "demo-sft-data-sample:v1\n", "")


def test_batch_leaves_the_job_which_is_found_again(place: Path, nemotron: Callable) -> None:
    left = nemotron(*slow("--batch", "laptop", "--json"))
    assert left.code == 0
    submitted = json.loads(left.out)
    name = submitted["job"]["id"]
    assert submitted["status"] == "submitted"
    assert submitted["follow"] == f"nemotron jobs logs -f {name}"
    wait_until(lambda: "began" in nemotron("jobs", "logs").out)
    assert nemotron("jobs", "logs").out == "began it's $HOME\n"
    assert json.loads(nemotron("jobs", "logs", "--json").out)["log"] == "began it's $HOME\n"
    assert nemotron("jobs", "status", "--quiet").out == "running\n"
    (entry,) = json.loads(nemotron("jobs", "ls", "--json").out)
    assert (entry["job"]["id"], entry["status"]["state"]) == (name, "running")
    (place / "go").touch()
    followed = nemotron("jobs", "logs", "-f", name)
    assert followed.code == 0
    assert followed.out.startswith("began it's $HOME\nended\n")
    assert "─ Step Complete (" in followed.out


def test_a_log_that_is_empty_is_told_of(place: Path, nemotron: Callable) -> None:
    name = nemotron(*slow("--batch", "laptop", "--quiet")).out.strip()
    wait_until(lambda: "began" in nemotron("jobs", "logs").out)
    assert nemotron("jobs", "logs").err == ""
    next(place.rglob("log.txt")).write_text("")
    done = nemotron("jobs", "logs")
    assert (done.code, done.out) == (0, "")
    assert "warning: Nothing that the job printed is there, yet or any more" in done.err
    assert f"nemotron jobs status {name}" in done.err


def test_following_a_job_that_failed_ends_as_it_did(place: Path, nemotron: Callable) -> None:
    (place / "go").touch()
    name = nemotron(*slow("--batch", "laptop", "code=3", "--quiet")).out.strip()
    first = nemotron("jobs", "logs", "-f", name)
    again = nemotron("jobs", "logs", "-f", "--tail", "1", name)
    assert (first.code, again.code) == (3, 3)
    assert again.out.startswith("ended\n")
    assert "│ Exit code: 3 " in again.out


def test_a_job_is_cancelled_by_its_name(place: Path, nemotron: Callable) -> None:
    name = nemotron(*slow("--batch", "laptop", "--quiet")).out.strip()
    wait_until(lambda: "began" in nemotron("jobs", "logs", name).out)
    done = nemotron("jobs", "cancel", name.partition("/")[2])
    assert (done.code, done.out) == (0, f"{name} was asked to end; it is cancelled.\n")
    assert nemotron("jobs", "cancel", name).out == f"{name} has ended already: cancelled.\n"
    assert nemotron("jobs", "logs", "-f", name).code == 130
    shown = nemotron("jobs", "status", name).out
    assert "│ State:     cancelled " in shown
    assert "─ Step Cancelled (" in shown


def test_a_cancellation_wants_a_name(place: Path, nemotron: Callable) -> None:
    done = nemotron("jobs", "cancel")
    assert done.code == 2
    assert "Missing argument 'JOB'" in done.err


def test_a_list_tells_the_newest_first(place: Path, nemotron: Callable) -> None:
    assert nemotron("jobs", "ls").out.startswith("No job was submitted from here")
    (place / "go").touch()
    first = nemotron(*slow("--run", "laptop", "code=4", "--json"))
    second = nemotron(*slow("--run", "laptop", "--json"))
    names = [json.loads(done.out)["job"]["id"] for done in (second, first)]
    listed = nemotron("jobs", "ls")
    assert [line.split()[1] for line in listed.out.splitlines()[2:-1]] == names
    assert "failed (4)" in listed.out
    assert nemotron("jobs", "ls", "--quiet", "--last", "1").out == f"{names[0]}\n"


@pytest.mark.parametrize("command", ["logs", "status", "cancel"])
def test_an_unknown_job_is_a_usage_error(place: Path, nemotron: Callable, command: str) -> None:
    done = nemotron("jobs", command, "nonsense")
    assert done.code == 2
    assert "No job was submitted from here." in done.err


@pytest.mark.parametrize(
    ("written", "meant"), [("latset", "latest"), ("demo-slwo", "demo-slow"), ("?", None)]
)
def test_a_job_that_is_misspelled_is_guessed(
    place: Path, nemotron: Callable, written: str, meant: str | None
) -> None:
    nemotron(*slow("--batch", "laptop"))
    done = nemotron("jobs", "status", written)
    assert done.code == 2
    assert (f"Did you mean '{meant}'?" if meant else "See 'nemotron jobs ls'") in done.err


@pytest.mark.parametrize("option", ["--run", "--batch", "--stage"])
def test_a_profile_that_is_left_out_is_asked_for(
    place: Path, nemotron: Callable, option: str
) -> None:
    for words in ([option], [option, "--dry-run"]):
        done = nemotron(*SLOW, *words)
        assert done.code == 2
        assert f"{option} is followed by the name of a profile" in done.err


def test_a_dry_run_shows_what_would_run_and_runs_nothing(place: Path, nemotron: Callable) -> None:
    before = sorted(place.rglob("*"))
    done = nemotron(*PREP, "--run", "laptop", "--dry-run")
    assert done.code == 0
    assert sorted(place.rglob("*")) == before
    assert "mode:    dry run of --run" in done.out
    assert "│ GREETING: it's $HOME  (profile laptop) " in done.out
    assert "# Script\n#!/bin/bash\n" in done.out
    document = json.loads(nemotron(*PREP, "--batch", "laptop", "--dry-run", "--json").out)
    assert (document["status"], document["mode"]) == ("planned", "batch")
    assert document["environment"][0]["source"] == "profile laptop"


def test_a_dry_run_shows_no_secret(
    place: Path, nemotron: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "t0psecret-t0psecret")
    env = ENV_TOML + 'API_TOKEN = "${oc.env:MY_TOKEN}"\n'
    (place / "env.toml").write_text(env)
    for words in ((), ("--json",)):
        done = nemotron(*PREP, "--run", "laptop", "--dry-run", *words)
        assert done.code == 0
        assert "API_TOKEN" in done.out
        assert "t0psecret" not in done.out + done.err
    (place / "go").touch()
    nemotron(*slow("--run", "laptop"))
    for file in (place / ".nemotron").rglob("*"):
        assert not file.is_file() or b"t0psecret" not in file.read_bytes()


def test_a_literal_secret_reaches_the_job_and_stays_out_of_its_files(
    place: Path, nemotron: Callable
) -> None:
    with (place / "env.toml").open("a") as file:
        file.write('A_TOKEN = "of the profile"\n')
    config = "wait_for: ${run.env.env_vars.A_TOKEN}\ncode: 0\n"
    (place / "recipes/demo/config/slow.yaml").write_text(config)
    (place / "of the profile").touch()
    typed = "run.env.env_vars.MY_PASS=typed-by-hand"

    assert nemotron(*slow("--run", "laptop", typed)).code == 0
    assert nemotron(*slow("+run.env.env_vars.A_TOKEN='of the profile'")).code == 0

    for text in ("of the profile", "typed-by-hand"):
        runs = (file for file in (place / ".nemotron").rglob("*") if file.is_file())
        assert [file for file in runs if text in file.read_text()] == []


def test_what_cannot_be_overruled_is_said(place: Path, nemotron: Callable) -> None:
    mine = "+run.env.env_vars.NEMOTRON_RUN_DIR=/mine"
    done = nemotron(*PREP, "--run", "laptop", mine)
    assert done.code == 0
    sentence = "NEMOTRON_RUN_DIR of the command line does not count: it is set for each job."
    assert f"warning: {sentence}" in done.err
    shown = nemotron(*PREP, "--run", "laptop", mine, "--dry-run")
    assert "(set for each job)  (nemotron)" in shown.out
    assert "not /mine of the command line" in shown.out


def test_staged_files_come_with_the_commands_that_start_them(
    place: Path, nemotron: Callable
) -> None:
    (place / "go").touch()
    done = nemotron(*slow("--stage", "laptop", "--json"))
    document = json.loads(done.out)
    assert document["status"] == "staged"
    assert document["job"] is None
    # As it is typed: into a shell that goes on afterwards, and that keeps its own settings.
    typed = f'{document["script"]}echo "still here, $-, $NEMOTRON_RUN_DIR"; false; echo and here'
    ran = subprocess.run(["bash", "-s"], input=typed, capture_output=True, text=True, check=True)
    assert ran.stdout == "began it's $HOME\nended\nstill here, hBs, \nand here\n"
    assert nemotron("jobs", "ls", "--quiet").out == ""


def test_a_variable_that_cannot_reach_a_process_leaves_nothing_behind(
    place: Path, nemotron: Callable
) -> None:
    done = nemotron(
        *slow("--run", "laptop", "+run.env.env_vars.GIVEN=${oc.env:NOWHERE_TO_BE_SEEN}")
    )
    assert done.code == 2
    assert "run.env.env_vars.GIVEN" in done.err
    assert list((place / ".nemotron" / "runs").glob("*/*")) == []


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        (("--run", "a", "--batch", "b"), "'--run' and '--batch' exclude each other", "--run waits"),
        (("--batch", "a", "--stage", "a"), "'--batch' and '--stage' exclude", "take one"),
        (("--run", "lapto"), "There is no profile 'lapto'", "Did you mean 'laptop'?"),
        (("--run",), "--run is followed by the name of a profile", "nemotron profiles ls"),
    ],
)
def test_a_wrong_request_starts_nothing(
    place: Path, nemotron: Callable, words: tuple[str, ...], what: str, hint: str
) -> None:
    done = nemotron(*PREP, *words)
    assert done.code == 2
    assert what in done.err
    assert hint in done.err
    assert not (place / ".nemotron").exists()


def test_without_an_env_toml_the_cure_is_named(workplace: Path, nemotron: Callable) -> None:
    done = nemotron(*PREP, "--run", "dgx")
    assert done.code == 2
    assert "There is no env.toml to find the profile 'dgx' in." in done.err
    assert "Create env.toml here or above with a table [dgx]" in done.err
    assert workplace.is_dir()


_ON_A_TERMINAL = """
import fcntl, os, runpy, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
sys.argv = ["nemotron", *sys.argv[1:]]
runpy.run_module("nemotron", run_name="__main__")
"""


class Terminal:
    """A command line on a terminal of its own, where keys are pressed."""

    def __init__(self, *words: str) -> None:
        self._stream, far_end = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _ON_A_TERMINAL, *words],
            stdin=far_end,
            stdout=far_end,
            stderr=far_end,
        )
        os.close(far_end)
        self.seen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        os.close(self._stream)
        self.process.kill()
        self.process.wait()

    def wait_for(self, text: str, times: int = 1) -> None:
        deadline = time.monotonic() + 120
        while self.seen.count(text) < times:
            assert time.monotonic() < deadline, f"{text!r} never came: {self.seen}"
            self._read()

    def press(self, keys: str) -> None:
        os.write(self._stream, keys.encode())

    def end(self) -> int:
        while self._read():
            pass
        return self.process.wait(timeout=120)

    def _read(self) -> bool:
        if not select.select([self._stream], [], [], 0.1)[0]:
            return True
        try:
            block = os.read(self._stream, 4096)
        except OSError:
            return False
        self.seen += block.decode(errors="replace").replace("\r\n", "\n")
        return bool(block)


CTRL_C = "\x03"
QUESTION = "(c)ancel it, (d)etach, or (w)ait on?"


def test_ctrl_c_asks_and_the_job_can_be_waited_for(place: Path) -> None:
    with Terminal(*slow("--run", "laptop", "code=5")) as terminal:
        terminal.wait_for("began")
        terminal.press(CTRL_C)
        terminal.wait_for(QUESTION)
        terminal.press("what?\n")
        terminal.wait_for(QUESTION, times=2)
        (place / "go").touch()
        terminal.press("w\n")
        assert terminal.end() == 5
    assert "Step Failed (" in terminal.seen


def test_ctrl_c_asks_and_the_job_can_be_cancelled(place: Path, nemotron: Callable) -> None:
    with Terminal(*slow("--run", "laptop")) as terminal:
        terminal.wait_for("began")
        terminal.press(CTRL_C)
        terminal.wait_for(QUESTION)
        terminal.press("c\n")
        assert terminal.end() == 130
    assert "Step Cancelled (" in terminal.seen
    assert nemotron("jobs", "status", "--quiet").out == "cancelled\n"


def test_a_second_ctrl_c_detaches(place: Path, nemotron: Callable) -> None:
    with Terminal(*slow("--run", "laptop")) as terminal:
        terminal.wait_for("began")
        terminal.press(CTRL_C)
        terminal.wait_for(QUESTION)
        terminal.press(CTRL_C)
        assert terminal.end() == 130
    assert "Detached; the job goes on.\nFollow it with: nemotron jobs logs -f " in terminal.seen
    assert nemotron("jobs", "status", "--quiet").out == "running\n"


def test_a_job_outlives_the_terminal(place: Path, nemotron: Callable) -> None:
    with Terminal(*slow("--run", "laptop")) as terminal:
        terminal.wait_for("began")
    assert nemotron("jobs", "status", "--quiet").out == "running\n"
    (place / "go").touch()
    assert nemotron("jobs", "logs", "-f").code == 0


@pytest.mark.parametrize("mode", [[], ["--json"], ["--quiet"]])
def test_an_interrupted_script_detaches(place: Path, nemotron: Callable, mode: list[str]) -> None:
    script = subprocess.Popen(
        [sys.executable, "-m", "nemotron", *slow("--run", "laptop"), *mode],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: "began" in nemotron("jobs", "logs").out)
    script.send_signal(signal.SIGINT)
    out, err = script.communicate(timeout=120)
    assert script.returncode == 130
    name = nemotron("jobs", "ls", "--quiet").out.strip()
    if mode == ["--json"]:
        assert json.loads(out)["status"] == "detached"
    elif mode == ["--quiet"]:
        assert out == f"{name}\n"
    else:
        assert f"Follow it with: nemotron jobs logs -f {name}\n" in err
    assert nemotron("jobs", "status", "--quiet").out == "running\n"
    assert (place / "go").exists() is False
