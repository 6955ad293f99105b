from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from nemo_runspec.execution.jobs import JobRecord, write_record
from nemo_runspec.execution.jobs.record import job_id
from nemo_runspec.manifest_tracker import ManifestTracker

HEAVY = ("fsspec", "omegaconf", "pydantic", "yaml")

# Calls the function as readline does: with the line and the cursor, once for each line.
DRIVER = """
eval "$(nemotron completion bash)"
compopt() { :; }
for COMP_LINE in "$@"; do
    COMP_POINT=${#COMP_LINE}
    _nemotron_completion nemotron
    echo "${COMPREPLY[*]}"
done
"""

COMPLETIONS = {
    "nemotron art": "artifacts",
    "nemotron artifacts re": "restore",
    "nemotron demo data p": "prep",
    "nemotron artifacts show demo-": "demo-data demo-model",
    "nemotron artifacts show demo-m": "demo-model demo-model:latest demo-model:v1",
    "nemotron artifacts show demo-data:": "latest golden v2 v1",
    "nemotron artifacts show demo-data:g": "golden",
    "nemotron artifacts show art://demo-data:v2": "v2",
    "nemotron artifacts alias demo-data:v": "v2 v1",
    "nemotron artifacts show --root nowhere demo-": "",
    "nemotron artifacts show no/name:": "",
    "nemotron artifacts gc --exclude demo-data:g": "golden",
    "nemotron demo sft --art.d": "--art.data",
    "nemotron demo sft --art.data demo-data:v": "v2 v1",
    "nemotron demo sft --art.data=demo-": "demo-data demo-model",
    "nemotron demo sft --art.data=demo-data:g": "golden",
    "nemotron demo sft run.d": "run.data=",
    "nemotron demo sft run.data=demo-data:g": "golden",
    "nemotron demo sft -c sa": "sample",
    "nemotron demo sft --run l": "laptop",
    "nemotron demo sft --batch=": "cluster laptop",
    "nemotron jobs logs demo-sft/2": "demo-sft/20261121T100000Z-abc123",
    "nemotron package demo/data": "demo/data/prep/sft",
    "nemotron package demo/data/prep/sft -c sa": "sample",
    "nemotron package demo data p": "prep",
    "nemotron package demo s": "sft",
    "nemotron package demo data prep sft -c sa": "sample",
    "nemotron package demo/data/prep/sft --pa": "--package",
    "nemotron unheard of": "",
    "nemotron completion z": "zsh",
}


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the ``nemotron`` under test on the path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "nemotron"
    script.write_text(
        f"#!{sys.executable}\nimport sys\nfrom nemotron.cli.main import main\nsys.exit(main())\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def complete(lines: Iterable[str]) -> list[str]:
    """What bash would put in place of the word at the end of each line."""
    words = ["bash", "--norc", "-c", DRIVER, "bash", *lines]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_bash_completes_each_kind_of_word(workplace: Path, store: Path, commands: None) -> None:
    (workplace / "env.toml").write_text("[laptop]\n[cluster]\n[wandb]\n")
    _record_a_job(workplace)
    ManifestTracker(store).set_alias("demo-data", 1, "golden")
    found = dict(zip(COMPLETIONS, complete(COMPLETIONS), strict=True))
    assert found == COMPLETIONS


def _record_a_job(workplace: Path) -> None:
    run_dir = workplace / ".nemotron" / "runs" / "demo-sft" / "20261121T100000Z-abc123"
    run_dir.mkdir(parents=True)
    words = ("recipe", "output", "profile", "executor", "mode", "job_dir", "log_pattern")
    record = JobRecord(
        id=job_id(run_dir),
        run_dir=run_dir,
        submitted_at="2026-11-21T10:00:00+00:00",
        **dict.fromkeys(words, ""),
    )
    write_record(record)


def test_the_keys_of_an_interactive_bash_complete_a_reference(store: Path, commands: None) -> None:
    ManifestTracker(store).set_alias("demo-data", 1, "golden")
    shell = Terminal(["bash", "--norc", "--noprofile", "-i"])
    shell.send('eval "$(nemotron completion bash)"; PS1="READY "\n')
    shell.wait_for(r"\nREADY |\rREADY ")
    shell.send("nemotron artifacts show demo-d\t")
    shell.wait_for("demo-data")
    shell.send(":g\t")
    shell.wait_for(":golden")
    shell.send(" --quiet\n")
    assert "demo-data:v1" in shell.wait_for("demo-data:v1")
    shell.close()


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, command: list[str]) -> None:
        self._master, slave = pty.openpty()
        environment = {**os.environ, "TERM": "dumb"}
        self._process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)

    def send(self, text: str) -> None:
        os.write(self._master, text.encode())

    def wait_for(self, pattern: str) -> str:
        shown = ""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if select.select([self._master], [], [], 1)[0]:
                shown += os.read(self._master, 4096).decode(errors="replace").replace("\a", "")
            if re.search(pattern, shown):
                return shown
        raise AssertionError(f"{pattern!r} was never shown, only {shown!r}")

    def close(self) -> None:
        self.send("exit\n")
        self._process.wait(timeout=200)
        os.close(self._master)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_whole_words(
    store: Path, nemotron: Callable, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    ManifestTracker(store).set_alias("demo-data", 1, "golden")
    line = "nemotron demo sft --art.data=demo-data:g"
    monkeypatch.setenv("_NEMOTRON_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", "3" if shell == "zsh" else line.rpartition(" ")[2])
    assert "--art.data=demo-data:golden" in nemotron().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_printed_for_every_shell(
    workplace: Path, nemotron: Callable, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    script = nemotron("completion", shell).out
    assert f"_NEMOTRON_COMPLETE={shell}_complete" in script
    monkeypatch.setenv("_NEMOTRON_COMPLETE", f"{shell}_source")
    assert nemotron().out.strip() == script.strip()
    program = shutil.which(shell)
    if program is not None:
        subprocess.run([program, "-n"], input=script, text=True, check=True)


def test_zsh_adds_no_space_behind_a_key(workplace: Path, nemotron: Callable) -> None:
    script = nemotron("completion", "zsh").out
    assert "compadd -S '' -U -V unsorted -a completions" in script


def test_an_unknown_shell_is_one_sentence(workplace: Path, nemotron: Callable) -> None:
    done = nemotron("completion", "tcsh")
    assert done.code == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in done.err


@pytest.mark.parametrize("request_", ["bash", "tcsh_complete", "bash_unheard"])
def test_a_request_that_no_script_makes_is_refused(
    workplace: Path, nemotron: Callable, monkeypatch: pytest.MonkeyPatch, request_: str
) -> None:
    monkeypatch.setenv("_NEMOTRON_COMPLETE", request_)
    done = nemotron("artifacts", "ls")
    assert (done.code, done.out) == (1, "")


def test_a_broken_store_completes_nothing_and_says_nothing(
    store: Path, commands: None, workplace: Path
) -> None:
    (workplace / "env.toml").write_text("[artifacts\n")
    assert complete(["nemotron artifacts show demo-"]) == [""]


def test_completing_commands_loads_nothing_heavy(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys; from nemotron.cli.main import main; code = main([]);"
        f"print('LOADED', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    environment = {
        **os.environ,
        "_NEMOTRON_COMPLETE": "bash_complete",
        "COMP_LINE": "nemotron artifacts ",
    }
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "plain,verify" in done.stdout
    assert done.stdout.splitlines()[-1] == "LOADED []"
