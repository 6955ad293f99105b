from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

from nemo_runspec.config import apply_hydra_overrides
from nemo_runspec.config.grammar import parse_override, parse_value, render_value
from nemo_runspec.errors import ConfigError


# Every value here is what Hydra 1.3.4 reads from the same text.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-1", -1),
        ("+1", 1),
        ("1_000", 1000),
        ("007", "007"),
        ("0x10", "0x10"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("5e-5", 5e-5),
        ("1E5", 1e5),
        ("-1e-3", -1e-3),
        ("inf", math.inf),
        ("-inf", -math.inf),
        ("1e", "1e"),
        ("1.2.3", "1.2.3"),
        ("1-2", "1-2"),
        ("1 2", "1 2"),
        ("true", True),
        ("FALSE", False),
        ("truely", "truely"),
        ("null", None),
        ("Null", None),
        ("", ""),
        (" ", ""),
        (" b ", "b"),
        ("b c", "b c"),
        ("b:c", "b:c"),
        ("10:30", "10:30"),
        ("n:latest", "n:latest"),
        ("art://n:v2", "art://n:v2"),
        ("hf://org/repo@main", "hf://org/repo@main"),
        ("s3://b/k", "s3://b/k"),
        ("*.txt", "*.txt"),
        ("50%", "50%"),
        ("???", "???"),
        (r"C:\temp", r"C:\temp"),
        (r"a\,b", "a,b"),
        (r"a\=b", "a=b"),
        (r"\ x", " x"),
        ("x\\ ", "x "),
        (r"a\\b", r"a\b"),
        ("'x'", "x"),
        ('"x"', "x"),
        ("'1'", "1"),
        ("'null'", "null"),
        ("'a,b'", "a,b"),
        ("''", ""),
        (r"'it\'s'", "it's"),
        ('"it\'s"', "it's"),
        ("'a\\\\'", "a\\"),
        (r"'a\b'", r"a\b"),
        (r"'a\\b'", r"a\\b"),
        ("[]", []),
        ("[ 1 , 2 ]", [1, 2]),
        ("[[1],[2,[3]]]", [[1], [2, [3]]]),
        ("[a,'b c',null,true,1.5]", ["a", "b c", None, True, 1.5]),
        ("[']']", ["]"]),
        ("{}", {}),
        ("{b:1,c:{d:[1,2]}}", {"b": 1, "c": {"d": [1, 2]}}),
        ("{ b : 1 }", {"b": 1}),
        ("{b:c:d}", {"b": "c:d"}),
        ("{1:2}", {1: 2}),
        ("{true:1}", {True: 1}),
        (r"{b\ c:1}", {"b c": 1}),
        ("{a/b:1}", {"a/b": 1}),
        ("${b}", "${b}"),
        ("${b.c}/d", "${b.c}/d"),
        ("x${b}y", "x${b}y"),
        ("${oc.env:X,default}", "${oc.env:X,default}"),
        (r"\${b}", r"\${b}"),
        ("'${b}'", "${b}"),
        ("[${b},1]", ["${b}", 1]),
        ("{b:${c}}", {"b": "${c}"}),
        ("int(3.7)", 3),
        ("int('3')", 3),
        ("float(3)", 3.0),
        ("str(3)", "3"),
        ("str([1,{a:2}])", ["1", {"a": "2"}]),
        ("bool('true')", True),
    ],
)
def test_values_are_read_as_in_hydra(text: str, value: Any) -> None:
    read = parse_value(text)

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("~/data", "~/data"),
        ("naïve", "naïve"),
        ("{'b c':1}", {"b c": 1}),
        ("${a.${b}}", "${a.${b}}"),
        ("${oc.env:X,'}'}", "${oc.env:X,'}'}"),
    ],
)
def test_some_values_are_read_that_hydra_refuses(text: str, value: Any) -> None:
    assert parse_value(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", r"a: The override has no value. Write a=value"),
        ("+a", r"The override has no value"),
        ("=1", r"'' is no key"),
        ("a b=1", r"a b=1: The override has no value|is no key"),
        ("a..b=1", r"'a..b' is no key"),
        (".a=1", r"'.a' is no key"),
        ("a=1,2", r"a=1,2: Several values are given for one key. Write \[a,b\]"),
        ("a=[1,2", r"a=\[1,2: A '\]' is missing"),
        ("a=[1 2", r"A '\]' is missing"),
        ("a=[1,,2]", r"A value is missing"),
        ("a=[1,2,]", r"A value is missing|cannot hold"),
        ("a={b}", r"A ':' is missing after the key 'b'"),
        ("a={b:1,b:2}", r"The key 'b' stands twice"),
        ("a={null:1}", r"null cannot be a key"),
        ("a={b:1}x", r"'x' is left over"),
        ("a='x'y", r"'y' is left over"),
        ("a=x'y'", r"cannot hold \"'\""),
        ("a='open", r"The quote ' is never closed"),
        ("a=b=c", r"cannot hold '='. Put quotes"),
        ("a=(1)", r"cannot hold '\('"),
        ("a=foo(1)", r"cannot hold '\(' after 'foo'"),
        ("a=a)", r"cannot hold '\)'"),
        ("a=${b", r"An interpolation '\${' is never closed"),
        ("a=choice(1,2)", r"'choice\(…\)' is for sweeps"),
        ("a=int(x)", r"int\(\) cannot convert 'x'"),
        ("a=int(3", r"A '\)' is missing"),
    ],
)
def test_mistakes_say_what_to_write(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_override(text)


KEYS = st.one_of(
    st.text(min_size=1, max_size=8), st.integers(-99, 99), st.booleans(), st.floats(allow_nan=False)
)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(max_size=20),
        st.text(alphabet="\\'\"${}[],:= \tab0.", max_size=12),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_every_value_survives_the_command_line(value: Any) -> None:
    read = parse_override(f"key={render_value(value)}").value

    assert read == value
    assert repr(read) == repr(value)


@given(st.text(alphabet="ab01.+-e'\"\\,[]{}:=() $\t", max_size=12))
def test_any_text_is_a_value_or_a_clear_error(text: str) -> None:
    value = value_or_mistake(text)

    if isinstance(value, ConfigError):
        assert str(value).startswith(f"key={text}: ")
    else:
        assert repr(parse_value(render_value(value))) == repr(value)


def value_or_mistake(text: str) -> Any:
    try:
        return parse_override(f"key={text}").value
    except ConfigError as error:
        return error


def config() -> DictConfig:
    return OmegaConf.create(
        {
            "seed": 1,
            "name": None,
            "must": "???",
            "list": [1, {"x": 2}],
            "optimizer": {"lr": 0.1, "betas": [0.9, 0.95], 3: "three"},
            "link": "${optimizer}",
            "art": {"path": "${art:data}"},
            "run": {"data": "d:v1"},
        }
    )


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("seed=2", "seed", 2),
        ("name=x", "name", "x"),
        ("must=1", "must", 1),
        ("optimizer.lr=5e-5", "optimizer.lr", 5e-5),
        ("optimizer.betas=[1]", "optimizer.betas", [1]),
        ("optimizer.betas.0=5", "optimizer.betas", [5, 0.95]),
        ("optimizer.betas[1]=5", "optimizer.betas", [0.9, 5]),
        ("list.1.x=9", "list.1.x", 9),
        ("optimizer={lr:3}", "optimizer", {"lr": 3, "betas": [0.9, 0.95], 3: "three"}),
        ("seed={a:1}", "seed", {"a": 1}),
        ("optimizer=3", "optimizer", 3),
        ("link=null", "link", None),
        ("art.path='/data'", "art.path", "/data"),
        ("+new=1", "new", 1),
        ("+a.b.c=1", "a.b.c", 1),
        ("+name=x", "name", "x"),
        ("+name.x=1", "name.x", 1),
        ("+optimizer={eps:1}", "optimizer.eps", 1),
        ("++seed=2", "seed", 2),
        ("++other=2", "other", 2),
        ("run.model=m:v1", "run.model", "m:v1"),
        ("run.env.nodes=2", "run.env.nodes", 2),
        ("artifacts.manifest.root=null", "artifacts.manifest.root", None),
    ],
)
def test_applies(override: str, key: str, value: Any) -> None:
    base = config()
    before = copy.deepcopy(base)

    changed = apply_hydra_overrides(base, [override])

    assert OmegaConf.select(changed, key) == value
    assert OmegaConf.to_container(base) == OmegaConf.to_container(before)


def test_keys_that_are_numbers() -> None:
    assert apply_hydra_overrides(config(), ["optimizer.3=drei"]).optimizer[3] == "drei"


def test_interpolations_stay_text() -> None:
    changed = apply_hydra_overrides(config(), ["seed=${nowhere:${x}}", "+y=\\${z}"])

    raw = OmegaConf.to_container(changed, resolve=False)
    assert isinstance(raw, dict)
    assert (raw["seed"], raw["y"]) == ("${nowhere:${x}}", "\\${z}")


@pytest.mark.parametrize(
    "override", ["~seed", "~seed=1", "~optimizer.lr", "~list.0", "~link", "~name"]
)
def test_removes(override: str) -> None:
    key = override[1:].partition("=")[0]
    parent, _, last = key.rpartition(".")
    before = OmegaConf.select(config(), parent) if parent else config()

    changed = apply_hydra_overrides(config(), [override])

    after = OmegaConf.select(changed, parent) if parent else changed
    assert len(after) == len(before) - 1
    assert last.isdecimal() or last not in OmegaConf.to_container(after)


def test_later_overrides_see_earlier_ones() -> None:
    changed = apply_hydra_overrides(config(), ["~seed", "+seed.a=1", "seed.a=2", "++seed.b=3"])

    assert changed.seed == {"a": 2, "b": 3}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sead=1", r"sead=1: The configuration has no key 'sead'. Did you mean 'seed'\? .*\+sead="),
        ("optimizer.lrr=1", r"no key 'optimizer.lrr'. Did you mean 'lr'"),
        ("optimiser.lr=1", r"no key 'optimiser'. Did you mean 'optimizer'"),
        ("optimizer={eps:1}", r"no key 'optimizer.eps'"),
        ("seed.x=1", r"'seed' is the value 1, so it has no key below it"),
        ("+seed.x=1", r"'seed' is the value 1, so it has no key below it"),
        ("++seed.x.y=1", r"'seed' is the value 1"),
        ("name.x=1", r"'name' has no value, so it has no key below it.*\+name.x"),
        ("link.lr=1", r"'link' refers to another key"),
        ("+link.lr=1", r"'link' refers to another key"),
        ("+seed=2", r"'seed' exists already. Write seed=… .*\+\+seed="),
        ("list.7=1", r"The list 'list' has 2 elements and no '7'"),
        ("+list.2=1", r"The list 'list' has 2 elements and no '2'"),
        ("list.x=1", r"The list 'list' has 2 elements and no 'x'"),
        ("~nope", r"no key 'nope'"),
        ("~optimizer.nope", r"no key 'optimizer.nope'"),
        ("~seed=2", r"'seed' is 1, not 2; it was not removed"),
        ("seed='${open'", r"seed='\${open': The override does not fit"),
        ("a/b=c", r"'a/b' is a config group that no 'defaults' list names"),
    ],
)
def test_overrides_that_do_not_fit(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        apply_hydra_overrides(config(), [override])


def test_a_secret_is_not_shown_with_the_mistake() -> None:
    with pytest.raises(ConfigError, match=r"x.api_key=\*\*\*: Several values") as caught:
        apply_hydra_overrides(config(), ["x.api_key=s3cr3t,value"])

    assert "s3cr3t" not in str(caught.value)
