from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from nemo_runspec.config import load_config_file
from nemo_runspec.errors import ConfigError

CONTENT = {
    "learning_rate": 5e-5,
    "other": 1e-4,
    "steps": 10,
    "flag": True,
    "text": "a: b",
    "path": "${root}/x",
    "literal": "\\${x}",
    "nested": {"list": [1, 2.5, "three", {"four": 4}]},
}


FORMATS = {
    "c.yaml": """\
learning_rate: 5e-5
other: 1e-4
steps: 10
flag: true
text: 'a: b'
path: ${root}/x
literal: \\${x}
nested:
  list: [1, 2.5, three, {four: 4}]
""",
    "c.yml": """\
{learning_rate: 5E-5, other: 1.0e-4, steps: 10, flag: true, text: 'a: b', path: '${root}/x',
 literal: '\\${x}', nested: {list: [1, 2.5, three, {four: 4}]}}
""",
    "c.toml": """\
learning_rate = 5e-5
other = 1e-4
steps = 10
flag = true
text = 'a: b'
path = '${root}/x'
literal = '\\${x}'
[nested]
list = [1, 2.5, 'three', {four = 4}]
""",
    "c.json": """\
{"learning_rate": 5e-5, "other": 1e-4, "steps": 10, "flag": true, "text": "a: b",
 "path": "${root}/x", "literal": "\\\\${x}", "nested": {"list": [1, 2.5, "three", {"four": 4}]}}
""",
}


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text)
    return file


@pytest.mark.parametrize(("name", "text"), list(FORMATS.items()))
def test_the_formats_load_alike(tmp_path: Path, name: str, text: str) -> None:
    config = load_config_file(written(tmp_path, name, text))

    assert OmegaConf.to_container(config, resolve=False) == CONTENT


@pytest.mark.parametrize("name", ["c.yaml", "c.toml", "c.json"])
def test_an_empty_file_is_an_empty_mapping(tmp_path: Path, name: str) -> None:
    assert load_config_file(written(tmp_path, name, "\n")) == {}


def test_toml_dates_stay_text(tmp_path: Path) -> None:
    config = load_config_file(
        written(tmp_path, "c.toml", "day = 2026-01-02\nat = 2026-01-02T03:04:05Z\n")
    )

    assert config == {"day": "2026-01-02", "at": "2026-01-02T03:04:05+00:00"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("c.yaml", "a: 1\nb: [1\nc: 2\n", r"c.yaml:3: The file is no valid YAML: .*expected"),
        ("c.yaml", "a: 1\n\tb: 2\n", r"c.yaml:2: The file is no valid YAML"),
        ("c.yaml", "a: 1\nb: 2\na: 3\n", r"c.yaml:3: .*duplicate key a"),
        ("c.yaml", "x:\n  a: 1\n  a: 1\n", r"c.yaml:3: .*duplicate key a"),
        ("c.yaml", "a: 1\n---\nb: 2\n", r"c.yaml:2: .*another document"),
        ("c.yaml", "a: 1\nb: \x00\n", r"c.yaml:2: The file is no valid YAML"),
        ("c.yaml", "a: !!python/object:os.system {}\n", r"c.yaml:1: .*could not determine"),
        ("c.yaml", "- 1\n- 2\n", r"c.yaml: The top level is a list, not a mapping"),
        ("c.yaml", "just text\n", r"c.yaml: The top level is a single value \('just text'\)"),
        ("c.yaml", "a: 1\nb:\n  c: ${x\n", r"c.yaml:3: The value of 'b.c' cannot be used"),
        ("c.toml", "a = 1\nb = \n", r"c.toml:2: The file is no valid TOML"),
        ("c.toml", "a = 1\na = 2\n", r"c.toml:2: The file is no valid TOML: Cannot overwrite"),
        ("c.toml", "a = 1\n[b]\nc = '${x'\n", r"c.toml:3: The value of 'b.c' cannot be used"),
        ("c.json", '{"a": 1,\n "b": }', r"c.json:2: The file is no valid JSON: Expecting value"),
        ("c.json", '{"a": 1,\n "b": {"a": 2},\n "a": 3}', r"c.json:3: The key 'a' stands twice"),
        ("c.json", "[1]", r"c.json: The top level is a list"),
        ("c.json", '{"a": 1} x', r"c.json:1: .*Extra data"),
        (
            "c.ini",
            "[a]",
            r"cannot be read from a file named 'c.ini'.*\.yaml, \.yml, \.toml, \.json",
        ),
    ],
)
def test_mistakes_name_the_file_and_line(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config_file(written(tmp_path, name, text))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone.yaml: The configuration file does not exist"):
        load_config_file(tmp_path / "gone.yaml")

    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory"):
        load_config_file(tmp_path / "folder.yaml")

    (tmp_path / "binary.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(ConfigError, match=r"not UTF-8"):
        load_config_file(tmp_path / "binary.yaml")


def test_a_file_nested_too_deeply_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "deep.json"
    file.write_text("[" * 100_000)
    with pytest.raises(ConfigError, match=r"deep\.json: The file is nested too deeply"):
        load_config_file(file)
