from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from nemo_runspec.config import find_config, list_configs, load_omegaconf_yaml
from nemo_runspec.config.compose import compose_with
from nemo_runspec.config.grammar import parse_override
from nemo_runspec.config.overrides import apply_overrides
from nemo_runspec.errors import ConfigError

FILES = {
    "base.yaml": "seed: 1\nl: [1, 2]\nd: {a: 1, b: 2}\n",
    "optimizer/adam.yaml": "lr: 1\nname: adam\n",
    "optimizer/sgd.yaml": "lr: 2\nname: sgd\nmomentum: 0.9\n",
    "optimizer/nested.yaml": "defaults:\n  - adam\n  - sub: deep\nown: 1\n",
    "optimizer/absolute.yaml": "defaults:\n  - /db: mysql\n  - /base\nown: 1\n",
    "optimizer/packages.yaml": (
        "defaults:\n  - sub@_here_: deep\n  - sub@_global_.g: deep\n  - sub@foo.bar: deep\n"
    ),
    "optimizer/header.yaml": "# @package _global_\nglob: 1\n",
    "optimizer/header2.yaml": "# @package foo.bar\nglob: 1\n",
    "optimizer/sub/deep.yaml": "x: 1\n",
    "db/mysql.toml": 'host = "h"\n',
    "db/pg.json": '{"host": "p", "port": 1}',
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def load(folder: Path, text: str) -> DictConfig:
    (folder / "main.yaml").write_text(text)
    return load_omegaconf_yaml(folder / "main.yaml")


ADAM = {"lr": 1, "name": "adam"}
SGD = {"lr": 2, "name": "sgd", "momentum": 0.9}
BASE = {"seed": 1, "l": [1, 2], "d": {"a": 1, "b": 2}}


# Every expectation here is what Hydra 1.3.4 composes from the same files.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\n", {"a": 1}),
        ("defaults: []\na: 1\n", {"a": 1}),
        ("defaults: [base]\nseed: 2\n", BASE | {"seed": 2}),
        ("defaults: [_self_, base]\nseed: 2\nq: 1\n", BASE | {"q": 1}),
        ("defaults: [base]\nd: {a: 5}\nl: [9]\n", {"seed": 1, "l": [9], "d": {"a": 5, "b": 2}}),
        ("defaults: [base]\nd: null\n", BASE | {"d": None}),
        ("defaults: [base]\nseed: ???\n", BASE),
        ("defaults: [optimizer: adam]\n", {"optimizer": ADAM}),
        ("defaults: [optimizer/adam]\n", {"optimizer": ADAM}),
        ("defaults: [optimizer: sgd]\noptimizer: {lr: 9}\n", {"optimizer": SGD | {"lr": 9}}),
        (
            "defaults: [_self_, optimizer: sgd]\noptimizer: {lr: 9, z: 1}\n",
            {"optimizer": SGD | {"z": 1}},
        ),
        ("defaults: [optimizer: [adam, sgd]]\n", {"optimizer": SGD}),
        ("defaults: [optimizer: nested]\n", {"optimizer": ADAM | {"sub": {"x": 1}, "own": 1}}),
        (
            "defaults: [optimizer: absolute]\n",
            {"optimizer": BASE | {"db": {"host": "h"}, "own": 1}},
        ),
        (
            "defaults: [optimizer: packages]\n",
            {"optimizer": {"x": 1, "foo": {"bar": {"x": 1}}}, "g": {"x": 1}},
        ),
        ("defaults: [optimizer@opt: adam]\n", {"opt": ADAM}),
        ("defaults: [optimizer@_global_: adam]\n", ADAM),
        (
            "defaults: [{optimizer@a.b: adam}, {optimizer@c: sgd}]\n",
            {"a": {"b": ADAM}, "c": SGD},
        ),
        ("defaults: [base@x]\n", {"x": BASE}),
        ("defaults: [optimizer: header]\n", {"glob": 1}),
        ("defaults: [optimizer: header2]\n", {"foo": {"bar": {"glob": 1}}}),
        ("defaults: [optimizer@y: header]\n", {"y": {"glob": 1}}),
        ("# @package foo\na: 1\n", {"foo": {"a": 1}}),
        ("defaults: [{optional optimizer: nope}, base]\n", BASE),
        ("defaults: [{optimizer: null}, base]\n", BASE),
        ("defaults: [db: mysql]\n", {"db": {"host": "h"}}),
    ],
)
def test_composes_as_hydra_does(folder: Path, text: str, expected: dict[str, object]) -> None:
    assert load(folder, text) == expected


def test_interpolations_are_kept(folder: Path) -> None:
    config = load(folder, "defaults: [base]\na: ${seed}\nb: ${art:data,path}/x\nc: \\${d}\n")

    raw = OmegaConf.to_container(config, resolve=False)
    assert raw == BASE | {"a": "${seed}", "b": "${art:data,path}/x", "c": "\\${d}"}


def test_merging_resolves_nothing(folder: Path) -> None:
    (folder / "below.yaml").write_text("x: ${art:data}\ny: {z: 1}\n")

    config = load(folder, "defaults: [below]\nx: {q: 1}\ny: ${nowhere:1}\n")

    assert OmegaConf.to_container(config, resolve=False) == {"x": {"q": 1}, "y": "${nowhere:1}"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\ndefaults: [bsae]\n", r"main.yaml:2: 'defaults' names 'bsae', .*mean 'base'"),
        ("defaults: [optimizer: adan]\n", r"names 'optimizer/adan', .*mean 'adam'"),
        ("defaults: [main]\n", r"main.yaml:1: .*circle: main.yaml → main.yaml"),
        ("defaults: [../outside]\n", r"main.yaml:1: '../outside' leads out of the config"),
        ("defaults: [optimizer: ../../outside]\n", r"leads out of the configuration folder"),
        ("defaults: [/etc/passwd]\n", r"names 'etc/passwd', which does not exist"),
        ("defaults: base\n", r"main.yaml:1: 'defaults' must be a list"),
        ("defaults: [1]\n", r"main.yaml:1: 'defaults' cannot hold 1"),
        ("defaults: [{a: 1}]\n", r"'defaults' cannot hold 'a: 1'"),
        ("defaults: [{a: x, b: y}]\n", r"'defaults' cannot hold"),
        ("defaults: ['${x}']\n", r"'defaults' cannot hold '\${x}'"),
        ("defaults: [override optimizer: adam]\n", r"cannot hold 'override optimizer: adam'"),
        ("defaults: [_self_, _self_]\n", r"'_self_' stands twice"),
    ],
)
def test_mistakes_name_the_file_and_line(folder: Path, text: str, message: str) -> None:
    (folder.parent / "outside.yaml").write_text("secret: 1\n")

    with pytest.raises(ConfigError, match=message):
        load(folder, text)


def test_a_longer_circle_names_its_files(folder: Path) -> None:
    (folder / "one.yaml").write_text("x: 1\ndefaults: [two]\n")
    (folder / "two.yaml").write_text("defaults: [one]\n")

    with pytest.raises(ConfigError, match=r"two.yaml:1: .*one.yaml → two.yaml → one.yaml"):
        load_omegaconf_yaml(folder / "one.yaml")


def test_one_file_included_twice_is_no_circle(folder: Path) -> None:
    (folder / "left.yaml").write_text("defaults: [base]\nleft: 1\n")

    assert load(folder, "defaults: [base, left]\n") == BASE | {"left": 1}


def test_a_link_that_leads_out_is_refused(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    target = tmp_path_factory.mktemp("elsewhere") / "x.yaml"
    target.write_text("a: 1\n")
    (folder / "link.yaml").symlink_to(target)

    with pytest.raises(ConfigError, match=r"'link' leads out"):
        load(folder, "defaults: [link]\n")


@pytest.mark.parametrize(
    ("text", "overrides", "expected"),
    [
        ("defaults: [base, {optimizer: adam}]\n", ["optimizer=sgd"], BASE | {"optimizer": SGD}),
        (
            "defaults: [{optimizer: adam}]\n",
            ["optimizer.lr=7", "optimizer=sgd"],
            {"optimizer": SGD | {"lr": 7}},
        ),
        (
            "defaults: [base]\nl: [3]\n",
            ["+db=pg"],
            BASE | {"l": [3], "db": {"host": "p", "port": 1}},
        ),
        ("defaults: [base, {optimizer: adam}]\n", ["~optimizer"], BASE),
        ("defaults: [{optimizer@opt: adam}]\n", ["optimizer@opt=sgd"], {"opt": SGD}),
        (
            "defaults: [{optimizer: adam}]\n",
            ["+db@x=pg"],
            {"optimizer": ADAM, "x": {"host": "p", "port": 1}},
        ),
        (
            "defaults: [{optimizer: nested}]\n",
            ["optimizer/sub=deep"],
            {"optimizer": ADAM | {"sub": {"x": 1}, "own": 1}},
        ),
        ("db: mine\n", ["db=other"], {"db": "other"}),
        ("db: {host: 1}\n", ["db={host: 2}"], {"db": {"host": 2}}),
    ],
)
def test_groups_are_chosen_as_in_hydra(
    folder: Path, text: str, overrides: list[str], expected: dict[str, object]
) -> None:
    (folder / "main.yaml").write_text(text)
    parsed = [parse_override(override) for override in overrides]

    content, rest = compose_with(folder / "main.yaml", parsed)

    assert apply_overrides(OmegaConf.create(content), rest) == expected


def test_a_group_that_nothing_names(folder: Path) -> None:
    (folder / "main.yaml").write_text("a: 1\n")

    with pytest.raises(ConfigError, match=r"No 'defaults' list names the config group 'a/b'"):
        compose_with(folder / "main.yaml", [parse_override("a/b=c")])

    parsed = [parse_override("optimizer=nope")]
    (folder / "main.yaml").write_text("defaults: [optimizer: adam]\n")
    with pytest.raises(ConfigError, match=r"names 'optimizer/nope', which does not exist"):
        compose_with(folder / "main.yaml", parsed)


def test_configs_are_found_by_name_or_path(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "mine.toml"
    elsewhere.write_text("")

    assert find_config(folder, "base") == folder / "base.yaml"
    assert find_config(folder, "base.yaml") == folder / "base.yaml"
    assert find_config(folder, "optimizer/adam") == folder / "optimizer" / "adam.yaml"
    assert find_config(folder, str(elsewhere)) == elsewhere
    assert list_configs(folder) == ["base"]
    assert list_configs(folder / "gone") == []


def test_a_listing_names_each_configuration_once(tmp_path: Path) -> None:
    for name in ("tiny.yaml", "tiny.toml", "Large.YML", ".hidden.yaml", "notes.md"):
        (tmp_path / name).touch()

    assert list_configs(tmp_path) == ["Large", "tiny"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bas", r"There is no configuration 'bas'. Did you mean 'base'\?"),
        ("../outside", r"leads out"),
        ("/no/such.yaml", r"file '/no/such.yaml' does not exist"),
        ("nope.yaml", r"file 'nope.yaml' does not exist"),
        ("", r"no configuration ''|leads out"),
    ],
)
def test_configs_that_do_not_exist(folder: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_config(folder, name)


def test_a_name_that_fits_two_files(folder: Path) -> None:
    (folder / "base.toml").write_text("")

    with pytest.raises(ConfigError, match=r"'base' fits several files: base.yaml, base.toml"):
        find_config(folder, "base")
