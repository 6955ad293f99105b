"""The checker finds what it is there to find: a check that cannot fail checks nothing."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from docs_checker.mentions import broken_links, unknown_mentions
from docs_checker.pages import BrokenPageError, Page
from docs_checker.running import check_blocks

ROOT = Path(__file__).parents[2]


def page(tmp_path: Path, text: str) -> Page:
    file = tmp_path / "page.md"
    file.write_text(textwrap.dedent(text).replace("~~~", "```"), encoding="utf-8")
    return Page.read(file)


def problems_of(tmp_path: Path, text: str) -> list[str]:
    return check_blocks(page(tmp_path, text), tmp_path / "run", ROOT)


SOUND = """
    # A page

    ~~~yaml file=config.yaml
    size: 2
    ~~~

    ~~~python
    from pathlib import Path
    size = Path("config.yaml").read_text()
    ~~~

    1. In a list:

       ~~~python
       print(size, Path.cwd())
       ~~~

    ~~~text output
    size: 2
    ~/nemotron
    ~~~

    ~~~python needs=megatron
    import a_framework_that_is_not_here
    from nemo_runspec.events import CheckpointSaved
    ~~~

    ~~~bash
    cat config.yaml
    uv run python -c 'print("sha256:" + "a" * 64)'
    nemotron --version >/dev/null
    ~~~

    ~~~text output
    size: 2
    sha256:0123456789abcdef
    ~~~

    ~~~bash fails=2
    nemotron no-such-command 2>/dev/null
    ~~~

    ~~~bash needs=network
    curl https://example.com
    ~~~

    ~~~mermaid
    flowchart LR
      a --> b
    ~~~
"""


def test_a_sound_page_passes(tmp_path: Path) -> None:
    assert problems_of(tmp_path, SOUND) == []


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("~~~python\n1 / 0\n~~~", "ZeroDivisionError"),
        ("~~~python\nimport warnings; warnings.warn('old')\n~~~", "UserWarning: old"),
        ("~~~python\nimport os; os._exit(3)\n~~~", "died with code 3"),
        ("~~~python needs=megatron\ndef broken(:\n~~~", "no valid Python"),
        ("~~~python needs=megatron\nfrom nemo_runspec.events import Gone\n~~~", "ImportError"),
        ("~~~python file=train.py\nfrom nemotron.kit import Gone\n~~~", "ImportError"),
        ("~~~python needs=time\npass\n~~~", "needs=time is none of"),
        ("~~~python skip\npass\n~~~", "the option 'skip' is not known"),
        ("~~~bash\nfalse\necho after\n~~~", "exit code 1, not 0"),
        ("~~~bash\necho $unset\n~~~", "unbound variable"),
        ("~~~bash fails=2\ntrue\n~~~", "exit code 0, not 2"),
        ("~~~bash needs=network\nif then\n~~~", "syntax error"),
        ("~~~yaml\na: [1\n~~~", "no valid yaml"),
        ("~~~toml\na = \n~~~", "no valid toml"),
        ("~~~json\n{'a': 1}\n~~~", "no valid json"),
        ("~~~jsonl\n{}\n{\n~~~", "no valid jsonl"),
        ("~~~mermaid\nflowhcart LR\n~~~", "does not begin with a known keyword"),
        ("~~~ruby\nputs 1\n~~~", "the language 'ruby' is not known"),
        ("~~~bash\necho new\n~~~\n~~~text output\nold\n~~~", "shows other output than this:\nnew"),
        ("~~~bash\necho a; echo b\n~~~\n~~~text output\na\n~~~", "shows other output"),
        ("~~~python\nprint(1)\n~~~\n~~~text output\n2\n~~~", "shows other output than this:\n1"),
        ("~~~text output\n1\n~~~", "no executed block before"),
        ("~~~yaml file=../escape.yaml\na: 1\n~~~", "leads out of the page's folder"),
    ],
)
def test_a_broken_block_is_found(tmp_path: Path, block: str, message: str) -> None:
    (problem,) = problems_of(tmp_path, block)
    assert message in problem
    assert problem.startswith(f"{tmp_path / 'page.md'}:")


def test_one_broken_block_hides_no_other(tmp_path: Path) -> None:
    assert len(problems_of(tmp_path, "~~~python\n1 / 0\n~~~\n~~~bash\nfalse\n~~~")) == 2


def test_a_python_error_names_the_line_of_the_page(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, "# Title\n\n~~~python\nx = 1\n1 / 0\n~~~")
    assert 'page.md", line 5' in problem


def test_a_page_is_isolated_from_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEMOTRON_ARTIFACTS_ROOT", "/elsewhere")
    assert problems_of(tmp_path, '~~~bash\n[ -z "${NEMOTRON_ARTIFACTS_ROOT:-}" ]\n~~~') == []


@pytest.mark.parametrize(
    ("text", "message"),
    [("~~~python\nx = 1\n", "the block is never closed"), ("~~~\nx\n~~~", "names no language")],
)
def test_a_malformed_page_is_found(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BrokenPageError, match=message):
        problems_of(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# A `b` c\n[up](#a-b-c)", 0),
        ("# A\n# A\n[second](#a-1)", 0),
        ("[page](page.md) [site](https://example.com)", 0),
        ("`[not a link](gone.md)`", 0),
        ("~~~text\n[not a link](gone.md)\n~~~", 0),
        ("[gone](gone.md)", 1),
        ("[`gone` over\ntwo lines](gone.md)", 1),
        ("# A\n[gone](#b)", 1),
        ("[gone](page.md#b)", 1),
    ],
)
def test_links(tmp_path: Path, text: str, found: int) -> None:
    assert len(list(broken_links(page(tmp_path, text)))) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("`nemo_runspec.artifacts.Artifact`", 0),
        ("`nemo_runspec.manifest_tracker.ManifestTracker.read`", 0),
        ("`nemo_runspec.gone`", 1),
        ("`nemo_runspec.artifacts.Gone`", 1),
        ("`packages/nemo-runspec/README.md`", 0),
        ("`packages/gone.py`", 1),
        ("`recipes/new/mine.py`\n~~~python file=recipes/new/mine.py\n~~~", 0),
        ("`nemotron artifacts show REF`", 0),
        ("`nemotron artifacts show NAME --json`", 0),
        ("`nemotron artifacts gone`", 1),
        ("`nemotron artifacts ls --gone`", 1),
        ("Name it `super9/sft` and run `nemotron super9 sft --dry-run`", 0),
        ("Name it `super9/sft` and run `nemotron super9 rl`", 1),
        ("~~~bash needs=cluster\nnemotron gone\n~~~", 1),
        ("`NEMOTRON_ENV`", 0),
        ("`NEMOTRON_GONE`", 1),
    ],
)
def test_mentions(tmp_path: Path, text: str, found: int) -> None:
    assert len(list(unknown_mentions(page(tmp_path, text), ROOT))) == found
