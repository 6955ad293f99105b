from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nemo_runspec import parse
from nemo_runspec.errors import RunspecError

FULL = """\
#!/usr/bin/env python
# Copyright line
# /// script
# dependencies = ["nemotron-data-prep"]
# [tool.runspec]
# schema = "1"
# name = "nano3/data/prep/sft"
# docs = "Pack conversations."
# image = "nvcr.io/nvidia/nemo:25.11"
# setup = "Nothing."
# [tool.runspec.run]
# launch = "torchrun"
# cmd = "python {script} --config {config} --fast"
# workdir = "/work"
# packager = "code"
# preview = "python {script} --config {config} --dry-run"
# [tool.runspec.config]
# dir = "config/data_prep"
# default = "tiny"
# format = "omegaconf"
# [tool.runspec.resources]
# nodes = 2
# gpus_per_node = 0
# [tool.runspec.env]
# env_vars = { A = "1" }
# [tool.runspec.artifacts]
# writes = "SFTDataArtifact"
# [tool.runspec.artifacts.reads]
# model = "ModelArtifact"
# ///
import this_is_never_executed
"""

MINIMAL = '# /// script\n# [tool.runspec]\n# schema = "1"\n# name = "a/b"\n# ///\n'


def script(folder: Path, text: str, name: str = "recipe.py") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_reads_every_key(tmp_path: Path) -> None:
    spec = parse(script(tmp_path, FULL))

    assert spec.path == tmp_path / "recipe.py"
    assert (spec.schema, spec.name, spec.docs) == (
        "1",
        "nano3/data/prep/sft",
        "Pack conversations.",
    )
    assert (spec.image, spec.setup) == ("nvcr.io/nvidia/nemo:25.11", "Nothing.")
    assert spec.words == ("nano3", "data", "prep", "sft")
    assert spec.run.launch == "torchrun"
    assert spec.run.cmd == "python {script} --config {config} --fast"
    assert (spec.run.workdir, spec.run.packager) == ("/work", "code")
    assert spec.run.preview == "python {script} --config {config} --dry-run"
    assert spec.config.dir == tmp_path / "config" / "data_prep"
    assert (spec.config.default, spec.config.format) == ("tiny", "omegaconf")
    assert (spec.resources.nodes, spec.resources.gpus_per_node) == (2, 0)
    assert spec.env == {"env_vars": {"A": "1"}}
    assert spec.artifacts.reads == {"model": "ModelArtifact"}
    assert spec.artifacts.writes == "SFTDataArtifact"


def test_a_model_may_have_to_be_in_one_format(tmp_path: Path) -> None:
    block = (
        '# [tool.runspec.artifacts]\n# writes = { type = "ModelArtifact", format = "megatron" }\n'
        '# [tool.runspec.artifacts.reads]\n# data = "SFTDataArtifact"\n'
        '# model = { type = "ModelArtifact", format = "hf" }\n# old = { type = "ModelArtifact" }\n'
    )

    declared = parse(
        script(tmp_path, MINIMAL.replace('/b"\n# ///\n', '/b"\n' + block + "# ///\n"))
    ).artifacts

    assert (declared.writes, declared.written_format) == ("ModelArtifact", "megatron")
    assert declared.reads["data"] == "SFTDataArtifact"
    assert declared.reads["model"] == declared.reads["old"] == "ModelArtifact"
    assert declared.read_formats == {"model": "hf"}


def test_has_defaults_for_everything_but_schema_and_name(tmp_path: Path) -> None:
    spec = parse(script(tmp_path, MINIMAL))

    assert (spec.run.launch, spec.run.packager) == ("direct", "self_contained")
    assert spec.run.preview is None
    assert spec.config.dir == tmp_path / "config"
    assert spec.config.default == "default"
    assert (spec.resources.nodes, spec.resources.gpus_per_node) == (1, 0)
    assert spec.env == {}
    assert spec.artifacts.writes is None


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path, MINIMAL)
    monkeypatch.chdir(tmp_path)

    assert parse("recipe.py").config.dir == tmp_path / "config"


def test_is_frozen(tmp_path: Path) -> None:
    spec = parse(script(tmp_path, MINIMAL))

    with pytest.raises(AttributeError):
        spec.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_reads_what_editors_write(tmp_path: Path, newline: str, start: str) -> None:
    file = tmp_path / "recipe.py"
    file.write_bytes((start + MINIMAL).replace("\n", newline).encode())

    assert parse(file).name == "a/b"


@pytest.mark.parametrize(
    ("line", "replacement", "message"),
    [
        ('# schema = "1"', "#", r"'tool.runspec.schema' is missing"),
        ('# schema = "1"', '# schema = "2"', r"recipe.py:3: 'tool.runspec.schema' is '2'"),
        ('# schema = "1"', "# schema = 1", r"recipe.py:3: .* must be a string, but is an integer"),
        ('# name = "a/b"', "#", r"'tool.runspec.name' is missing"),
        ('# name = "a/b"', '# name = "a b"', r"recipe.py:4: .* is 'a b', which is no recipe name"),
        ('# name = "a/b"', '# name = "a//b"', r"is no recipe name"),
        ('# name = "a/b"', '# name = "../b"', r"is no recipe name"),
        ('# name = "a/b"', '# name = ""', r"'tool.runspec.name' is empty"),
        ('# name = "a/b"', '# nam = "a/b"', r"recipe.py:4: Unknown key .*nam'.*mean 'name'"),
        (
            "# ///\n",
            '# [tool.runspec.run]\n# launch = "torch"\n# ///\n',
            r"recipe.py:6: .*torchrun",
        ),
        ("# ///\n", "# [tool.runspec.run]\n# lunch = 1\n# ///\n", r"recipe.py:6: .*mean 'launch'"),
        ("# ///\n", '# [tool.runspec.run]\n# cmd = "x {conf}"\n# ///\n', r"placeholder '{conf}'"),
        (
            "# ///\n",
            '# [tool.runspec.run]\n# preview = "x {conf}"\n# ///\n',
            r"recipe\.py:6: 'tool\.runspec\.run\.preview' has the unknown placeholder '{conf}'",
        ),
        ("# ///\n", "# [tool.runspec.run]\n# preview = 1\n# ///\n", r"preview' must be a string"),
        (
            "# ///\n",
            '# [tool.runspec.run]\n# previw = "x"\n# ///\n',
            "Unknown key 'tool.runspec.run.previw'.*Did you mean 'preview'",
        ),
        ("# ///\n", "# run = 1\n# ///\n", r"recipe.py:5: 'tool.runspec.run' must be a table"),
        ("# ///\n", "# resources.nodes = 0\n# ///\n", r"recipe.py:5: .* is 0, below 1"),
        ("# ///\n", "# resources.nodes = true\n# ///\n", r"must be an integer, but is a boolean"),
        ("# ///\n", "# [tool.runspec.artifacts.reads]\n# x = 1\n# ///\n", r"artifacts.reads.x"),
        (
            "# ///\n",
            '# [tool.runspec.artifacts]\n# writes = { type = "M", format = "huf" }\n# ///\n',
            r"recipe\.py:6: 'tool\.runspec\.artifacts\.writes\.format' is 'huf'.*mean 'hf'",
        ),
        (
            "# ///\n",
            '# [tool.runspec.artifacts.reads]\n# x = { format = "hf" }\n# ///\n',
            r"recipe\.py:6: 'tool\.runspec\.artifacts\.reads\.x\.type' is missing",
        ),
        (
            "# ///\n",
            '# [tool.runspec.artifacts.reads]\n# x = { type = "M", fromat = "hf" }\n# ///\n',
            r"recipe\.py:6: Unknown key 'tool\.runspec\.artifacts\.reads\.x\.fromat'.*'format'",
        ),
        ("# ///\n", "# docs = \n# ///\n", r"recipe.py:5: The metadata block is no valid TOML"),
    ],
)
def test_mistakes_name_file_line_and_key(
    tmp_path: Path, line: str, replacement: str, message: str
) -> None:
    opening, _, body = MINIMAL.partition("\n")
    text = opening + "\n" + body.replace(line, replacement)

    with pytest.raises(RunspecError, match=message):
        parse(script(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("print('hello')\n", r"no \[tool.runspec\] block"),
        ("# /// script\n# dependencies = []\n# ///\n", r"no \[tool.runspec\] block"),
        ("# /// script\n# [tool.runspec]\n", r"recipe.py:1: .* never closed"),
        ("# /// script\n# [tool.runspec]\nimport os\n# ///\n", r"recipe.py:3: .* not closed"),
    ],
)
def test_a_script_without_a_usable_block(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RunspecError, match=message):
        parse(script(tmp_path, text))


def test_a_missing_script(tmp_path: Path) -> None:
    with pytest.raises(RunspecError, match=r"nowhere.py: The script cannot be read: No such file"):
        parse(tmp_path / "nowhere.py")


def test_a_block_that_is_no_utf8(tmp_path: Path) -> None:
    file = tmp_path / "recipe.py"
    file.write_bytes(b'# /// script\n# docs = "\xff"\n# ///\n')

    with pytest.raises(RunspecError, match=r"recipe.py:2: This line is not UTF-8"):
        parse(file)


def test_bytes_after_the_block_are_not_read(tmp_path: Path) -> None:
    file = tmp_path / "recipe.py"
    file.write_bytes(MINIMAL.encode() + b"\xff\xfe\x00")

    assert parse(file).name == "a/b"


def test_importing_loads_the_standard_library_only() -> None:
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import nemo_runspec.runspec\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names) - {'nemo_runspec'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
