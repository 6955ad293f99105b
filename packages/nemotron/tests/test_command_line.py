from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nemotron.cli.app import App
from nemotron.cli.commands import RecipeCommand, app_of
from nemotron.cli.root import RootGroup

HEAVY = ("fsspec", "nemo_run", "omegaconf", "pydantic", "ray", "rich", "typer", "wandb", "yaml")


def test_the_root_page_lists_every_recipe(workplace: Path, nemotron: Callable) -> None:
    done = nemotron("--help")
    assert done.code == 0
    assert "demo data prep sft" in done.out
    assert "Write a little data." in done.out
    assert "artifacts" in done.out


def test_a_group_page_lists_what_lies_below_it(workplace: Path, nemotron: Callable) -> None:
    done = nemotron("demo", "data", "--help")
    assert "Usage: nemotron demo data COMMAND" in done.out
    assert "│ prep sft" in done.out
    assert "Train on the data." not in done.out


def test_a_configuration_is_told_by_the_whole_first_sentence_of_its_comment(
    workplace: Path, nemotron: Callable
) -> None:
    folder = workplace / "recipes" / "demo" / "config" / "train"
    (folder / "long.yaml").write_text(
        "# From the model\n# of `nemotron demo sft -c tiny`. What it sets is elsewhere.\na: 1\n"
    )
    (folder / "two.yaml").write_text("# One line\n#\n# More of it\na: 1\n")
    page = nemotron("demo", "sft", "--help").out
    assert "From the model of `nemotron demo sft -c tiny`." in page
    assert "│ two " in page
    assert "One line" in page
    assert "What it sets" not in page
    assert "More of it" not in page


def test_a_recipe_page_has_the_documented_panels(workplace: Path, nemotron: Callable) -> None:
    (workplace / "env.toml").write_text('[dlw]\nexecutor = "slurm"\n[wandb]\nproject = "p"\n')
    page = nemotron("demo", "sft", "--help").out
    for title in ("Options", "Configs", "Artifact overrides", "Run overrides", "Profiles"):
        assert f"─ {title} ─" in page
    assert "Small enough for a laptop" in page
    assert "--art.data REF   SFTDataArtifact" in page
    assert "nemotron demo sft -c sample --dry-run" in page
    assert "│ dlw" in page


@pytest.mark.parametrize("words", [["--help"], ["demo", "--help"], ["demo", "sft", "--help"]])
def test_help_loads_nothing_heavy(workplace: Path, words: list[str]) -> None:
    code = (
        "import sys; from nemotron.cli.main import main; code = main(sys.argv[1:]);"
        f"print('LOADED', sorted(set({HEAVY!r}) & set(sys.modules))); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    assert "Usage: nemotron" in done.stdout
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_the_options_are_frozen(workplace: Path) -> None:
    found: dict[str, list[str]] = {}

    def collect(group: object, context: object, path: str) -> None:
        for word in group.list_commands(context):
            command = group.get_command(context, word)
            names = [name for param in command.get_params(context) for name in param.opts]
            found[f"{path}{word}"] = sorted(name for name in names if name.startswith("-"))
            if not isinstance(command, RecipeCommand) and hasattr(command, "list_commands"):
                collect(command, context, f"{path}{word} ")

    root = RootGroup()
    context = root.make_context("nemotron", ["artifacts"], obj=App([], cwd=workplace))
    assert isinstance(app_of(context), App)
    collect(root, context, "")
    families = ("nano3", "super3")
    assert {name: options for name, options in found.items() if not name.startswith(families)} == {
        "artifacts": ["--help", "-h"],
        "artifacts alias": ["--debug", "--help", "--json", "--quiet", "--remove", "--root", "-h"],
        "artifacts doctor": ["--debug", "--help", "--json", "--quiet", "--repair", "--root", "-h"],
        "artifacts gc": [
            *("--apply", "--debug", "--delete-data", "--exclude", "--help", "--json", "--keep"),
            *("--older-than", "--quiet", "--root", "-h"),
        ],
        "artifacts lineage": [
            *("--debug", "--direction", "--format", "--help", "--json", "--quiet", "--root", "-h"),
        ],
        "artifacts ls": ["--debug", "--help", "--json", "--quiet", "--root", "-h"],
        "artifacts restore": ["--debug", "--help", "--json", "--quiet", "--root", "-h"],
        "artifacts show": ["--debug", "--help", "--json", "--quiet", "--root", "-h"],
        "artifacts sync": ["--debug", "--dry-run", "--help", "--json", "--quiet", "--root", "-h"],
        "artifacts verify": ["--debug", "--help", "--json", "--quiet", "--root", "-h"],
        "artifacts withdraw": [
            "--debug",
            "--help",
            "--json",
            "--quiet",
            "--reason",
            "--root",
            "-h",
        ],
        "artifacts why": ["--debug", "--help", "--json", "--quiet", "--root", "-h"],
        "completion": ["--debug", "--help", "--json", "--quiet", "-h"],
        "data": ["--help", "-h"],
        "data inspect": [
            *("--debug", "--help", "--json", "--quiet", "--records", "--root", "--skip"),
            *("--split", "--tokenizer", "--tokens", "-h"),
        ],
        "demo": ["--help", "-h"],
        "demo data": ["--help", "-h"],
        "demo data import": ["--help", "-h"],
        "demo data import sft": [
            *("--debug", "--help", "--json", "--name", "--pack-size", "--quiet", "--root", "-h"),
        ],
        "demo data prep": ["--help", "-h"],
        "demo data prep sft": [
            *("--batch", "--config", "--debug", "--dry-run", "--help", "--json", "--quiet"),
            *("--root", "--run", "--stage", "-c", "-h"),
        ],
        "demo model": ["--help", "-h"],
        "demo model import": ["--help", "-h"],
        "demo model import sft": [
            *("--debug", "--help", "--json", "--name", "--quiet", "--root", "--step", "-h"),
        ],
        "demo pipe": [
            *("--batch", "--config", "--debug", "--dry-run", "--from", "--help", "--json"),
            *("--quiet", "--resume", "--root", "--run", "--to", "-c", "-h"),
        ],
        "demo sft": [
            *("--art.data", "--art.model", "--batch", "--config", "--debug", "--dry-run"),
            *("--help", "--json", "--quiet", "--root", "--run", "--stage", "-c", "-h"),
        ],
        "jobs": ["--help", "-h"],
        "jobs cancel": ["--debug", "--help", "--json", "--quiet", "-h"],
        "jobs logs": ["--debug", "--follow", "--help", "--json", "--quiet", "--tail", "-f", "-h"],
        "jobs ls": ["--debug", "--help", "--json", "--last", "--quiet", "-h"],
        "jobs status": ["--debug", "--help", "--json", "--quiet", "-h"],
        "package": [
            *("--config", "--debug", "--help", "--json", "--output", "--package", "--quiet"),
            *("-c", "-h", "-o"),
        ],
        "profiles": ["--help", "-h"],
        "profiles check": ["--debug", "--help", "--json", "--quiet", "-h"],
        "profiles prune": [
            *("--debug", "--help", "--json", "--quiet", "--unused-days", "-h"),
        ],
        "profiles ls": ["--debug", "--help", "--json", "--quiet", "-h"],
        "profiles show": ["--debug", "--help", "--json", "--quiet", "-h"],
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["demp"], "'nemotron' has no command 'demp'. Did you mean 'demo'?"),
        (["demo", "sfy"], "'nemotron demo' has no command 'sfy'. Did you mean 'sft'?"),
        (["demo", "data/prep/sft"], "Did you mean 'data prep sft'?"),
        (["demo"], "'nemotron demo' needs one more word. One of data, model, pipe, sft"),
        ([], "'nemotron' needs one more word."),
        (["demo", "sft", "--confg", "x"], "has no option '--confg'. Did you mean '--config'?"),
        (["demo", "sft", "--run", "dlw"], "There is no env.toml to find the profile 'dlw' in."),
        (["demo", "sft", "--batch=x", "--run=x"], "'--run' and '--batch' exclude each other."),
        (["demo", "sft", "--stage"], "--stage is followed by the name of a profile."),
        (["demo", "sft", "--art.dta", "x:v1"], "Did you mean 'data'?"),
        (["demo", "data", "prep", "sft", "--art.data", "x"], "It declares none"),
        (["demo", "sft", "-c"], "requires an argument."),
        (["demo", "sft", "-c", "smaple", "--dry-run"], "sample"),
        (["demo", "sft", "-c", "sample", "recipe.pth=1", "--dry-run"], "recipe.pth"),
        (["artifacts", "show"], "Missing argument 'REF'."),
        (["artifacts", "show", "latest"], "'latest' is no artifact name"),
    ],
)
def test_a_wrong_request_is_one_sentence_with_what_to_do(
    workplace: Path, nemotron: Callable, words: list[str], message: str
) -> None:
    done = nemotron(*words)
    assert done.code == 2
    assert done.out == ""
    shown = " ".join(done.err.replace("where:", "").replace("hint:", "").split())
    assert message in shown
    assert "Traceback" not in done.err
    assert not (workplace / ".nemotron").exists()


def test_debug_adds_the_traceback(workplace: Path, nemotron: Callable) -> None:
    done = nemotron("demo", "sft", "-c", "none", "--debug")
    assert done.code == 2
    assert "Traceback (most recent call last)" in done.err
    assert done.err.rstrip().splitlines()[-1].startswith("hint:")


def test_an_error_can_be_had_as_json(workplace: Path, nemotron: Callable) -> None:
    done = nemotron("demo", "sft", "--dry-run", "--json", "-c", "none")
    error = json.loads(done.out)["error"]
    assert (done.code, error["exit_code"], error["type"]) == (2, 2, "ConfigError")
    assert "none" in error["what"]


def test_a_broken_recipe_hides_no_other_and_is_shown(workplace: Path, nemotron: Callable) -> None:
    (workplace / "recipes" / "broken.py").write_text("# /// script\n# [tool.runspec\n# ///\n")
    page = nemotron("--help").out
    assert "demo sft" in page
    assert "broken.py:2" in page.replace("\n", "")
    assert "broken.py" in nemotron("brokn").err


def test_a_recipe_cannot_take_the_name_of_a_command(workplace: Path, nemotron: Callable) -> None:
    header = '# /// script\n# [tool.runspec]\n# schema = "1"\n# name = "artifacts/x"\n# ///\n'
    (workplace / "recipes" / "taken.py").write_text(header)
    done = nemotron("--help")
    assert done.code == 2
    assert "'artifacts/x' is taken: 'nemotron artifacts' is a command of its own" in done.err
    assert nemotron("artifacts", "ls").code == 0


def test_a_new_recipe_file_is_a_new_command(workplace: Path, nemotron: Callable) -> None:
    header = '# /// script\n# [tool.runspec]\n# schema = "1"\n# name = "own/eval"\n# ///\n'
    folder = workplace / "elsewhere"
    folder.mkdir()
    (folder / "evaluate.py").write_text(header)
    (workplace / "env.toml").write_text('[cli]\nrecipes = ["elsewhere"]\n')
    assert "Usage: nemotron own eval" in nemotron("own", "eval", "--help").out


def test_the_version_is_printed(nemotron: Callable) -> None:
    done = nemotron("--version")
    assert (done.code, done.out.split()[0]) == (0, "nemotron")


def test_a_reader_that_goes_away_is_no_error(workplace: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    code = "import sys; from nemotron.cli.main import main; sys.exit(main(['--help']))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write_end)
    assert done.returncode == 1
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("shell", "code", "says"),
    [
        (
            "{} artifacts ls > /dev/full",
            1,
            "The output cannot be written: No space left on device.",
        ),
        ("{} artifacts ls >&-", 0, ""),
        ("{} artifacts ls 2>&-", 0, ""),
        (
            "cd $(printf 'bad\\377') && {} demo data prep sft -c sample --dry-run",
            2,
            "A path of the job is no UTF-8 text.",
        ),
    ],
)
def test_streams_and_folders_that_take_no_text_are_no_traceback(
    workplace: Path, shell: str, code: int, says: str
) -> None:
    (workplace / os.fsdecode(b"bad\xff")).mkdir()
    command = shell.format(f"{sys.executable} -m nemotron")
    done = subprocess.run(
        ["bash", "-c", command], check=False, capture_output=True, text=True, cwd=workplace
    )
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
