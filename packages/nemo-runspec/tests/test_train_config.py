from __future__ import annotations

import copy
import inspect
import os
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError

from nemo_runspec.config import extract_train_config, save_configs
from nemo_runspec.config.escaping import escape, quote
from nemo_runspec.errors import ConfigError

RUN = {
    "data": "nano3-sft-data:v2",
    "model": "${prefix}-model:v3",
    "plain": "unpinned",
    "path": "/data/it's here",
    "env_ref": "${oc.env:DATA_REF}",
    "output": "nano3-sft-model",
    "env": {"container": "img"},
}


def register(name: str, resolver: Any) -> None:
    function: Any = OmegaConf.register_resolver
    if "replace" not in inspect.signature(function).parameters:
        function = OmegaConf.register_new_resolver
    function(name, resolver, replace=True)


def fake_art(name: Any, field: Any = "path", *, _root_: DictConfig) -> Any:
    """Answer from the reference alone, as a store would: direct ones never look at ``run``."""
    reference = str(name)
    if ":" not in reference and "/" not in reference:
        reference = str(_root_.run[reference])
    if ":" not in reference and "/" not in reference:
        reference += ":latest"
    return len(reference) if field == "pack_size" else f"<{reference} {field}>"


@pytest.fixture(autouse=True)
def _resolvers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DATA_REF", "from-env:v9")
    monkeypatch.setenv("HERE", "here")
    monkeypatch.delenv("NOT_HERE", raising=False)
    extract_train_config(OmegaConf.create({}))
    register("art", fake_art)
    yield
    OmegaConf.clear_resolver("art")
    OmegaConf.clear_resolver("mul")
    OmegaConf.clear_resolver("auto_mount")


def job(**content: Any) -> DictConfig:
    return OmegaConf.create({"prefix": "nano3-sft", "run": RUN, **content})


def extracted(**content: Any) -> dict[str, Any]:
    raw = OmegaConf.to_container(extract_train_config(job(**content)), resolve=False)
    assert isinstance(raw, dict)
    return {str(key): value for key, value in raw.items()}


DATA = "${art:'nano3-sft-data:v2'"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("${art:data,path}/blend.json", DATA + ",path}/blend.json"),
        ("${art:data}", DATA + "}"),
        ("${art: data , path }", "${art: 'nano3-sft-data:v2' , path }"),
        ("${art:'data',path}", DATA + ",path}"),
        ('${art:"data",path}', DATA + ",path}"),
        ("${art:model,step}", "${art:'nano3-sft-model:v3',step}"),
        ("${art:plain}", "${art:'unpinned:latest'}"),
        ("${art:path}", "${art:'/data/it\\'s here'}"),
        ("${art:${which},path}", DATA + ",path}"),
        ("${art:data,${field}}", DATA + ",${field}}"),
        ("${mul:${art:data,pack_size},2}", "${mul:" + DATA + ",pack_size},2}"),
        ("${mul:${art:data,pack_size},${two}}", "${mul:" + DATA + ",pack_size},${two}}"),
        ("a ${art:data} b ${art:model} c", "a " + DATA + "} b ${art:'nano3-sft-model:v3'} c"),
        ("${art:data}/${prefix}/\\${x}", DATA + "}/${prefix}/\\${x}"),
        ("${oc.env:HERE}", "${oc.env:HERE}"),
        ("${oc.env:NOT_HERE,default}", "${oc.env:NOT_HERE,default}"),
        ("${oc.env:NOT_HERE,${art:data}}", "${oc.env:NOT_HERE," + DATA + "}}"),
        ("${oc.decode:${oc.env:HERE}}", "${oc.decode:${oc.env:HERE}}"),
        ("${oc.decode:'\"${art:data}\"'}", "${oc.decode:'\"" + DATA + "}\"'}"),
        ("${art:env_ref}", "${art:env_ref}"),
        ("${art:${oc.env:DATA_REF}}", "${art:${oc.env:DATA_REF}}"),
        ("${art:'other:v1',path}", "${art:'other:v1',path}"),
        ("${art:/a/path}", "${art:/a/path}"),
        ("${art:unknown}", "${art:unknown}"),
        ("${art:output}", "${art:output}"),
        ("${art:env}", "${art:env}"),
        ("${leaf}", "${leaf}"),
        ("${section}", "${section}"),
        ("${section.inner.x}", "${section.inner.x}"),
        ("${.near}", "${.near}"),
        ("${oc.select:leaf}", "${oc.select:leaf}"),
        ("${oc.dict.values:section.inner}", "${oc.dict.values:section.inner}"),
        ("${names.${name_of_leaf}}", "${names.${name_of_leaf}}"),
        ("${link.inner.x}", "${link.inner.x}"),
        ("${must}", "${must}"),
    ],
)
def test_what_depends_on_the_target_stays_text(text: str, kept: str) -> None:
    content = extracted(
        here={"value": text, "near": "${leaf}"},
        which="data",
        field="path",
        two=2,
        leaf="${art:data}",
        section={"inner": {"x": "${oc.env:HERE}"}, "y": 1},
        link="${section}",
        names={"l": "${leaf}"},
        name_of_leaf="l",
        must="???",
    )

    assert content["here"]["value"] == kept


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${two}", 2),
        ("${mul:${two},3}", 6),
        ("${section.z}", [1, "two"]),
        ("${section.z[1]}", "two"),
        ("${section.z.0}", 1),
        ("${.near}", "beside"),
        ("${..two}", 2),
        ("${section.${key}}", [1, "two"]),
        ("${section}", {"y": 1, "z": [1, "two"]}),
        ("${link.y}", 1),
        ("${oc.select:nothing,fallback}", "fallback"),
        ("${oc.select:two}", 2),
        ("${oc.dict.keys:section}", ["y", "z"]),
        ("${oc.create:{a:1,b:[2]}}", {"a": 1, "b": [2]}),
        ("${oc.decode:'[1,2]'}", [1, 2]),
        ("x${two}y", "x2y"),
        ("${nil}", None),
        ("${run.data}", "nano3-sft-data:v2"),
        ("${run.model}", "nano3-sft-model:v3"),
        ("${literal}", "\\${x}"),
        ("${literal} \\${y} ${two}", "\\${x} \\${y} 2"),
        ("\\${x}", "\\${x}"),
        ("\\\\${two}", "\\2"),
        ("C:\\dir\\", "C:\\dir\\"),
        ("no interpolation", "no interpolation"),
        ("???", "???"),
        ("${auto_mount:git+https://host/o/n@main,/opt/n}", "git+https://host/o/n@main:/opt/n"),
    ],
)
def test_everything_else_is_resolved(text: str, value: Any) -> None:
    content = extracted(
        here={"value": text, "near": "beside"},
        two=2,
        key="z",
        nil=None,
        section={"y": 1, "z": [1, "${two_word}"]},
        two_word="two",
        link="${section}",
        literal="\\${x}",
    )

    assert content["here"]["value"] == value


def test_sections_that_depend_in_part_are_resolved_in_part() -> None:
    content = extracted(list=["${n}", "${art:data}", {"x": "${n}", "y": "${oc.env:HERE}"}], n=1)

    assert content["list"] == [1, DATA + "}", {"x": 1, "y": "${oc.env:HERE}"}]


def test_run_and_artifacts_are_kept() -> None:
    content = extracted(artifacts={"manifest": {"root": "${base}/a"}}, base="/lustre")

    assert content["artifacts"] == {"manifest": {"root": "/lustre/a"}}
    assert content["run"] == {**RUN, "model": "nano3-sft-model:v3"}


def test_the_job_is_not_changed_and_extraction_is_idempotent() -> None:
    original = job(x="${art:data}", y="${prefix}", z="\\${x}", w="${x}/${oc.env:HERE}")
    before = copy.deepcopy(original)

    once = extract_train_config(original)

    assert OmegaConf.to_container(original) == OmegaConf.to_container(before)
    assert OmegaConf.to_container(extract_train_config(once)) == OmegaConf.to_container(once)


def test_a_pinned_section_survives_a_merge_into_another_config() -> None:
    train = extract_train_config(job(recipe={"path": "${art:data,path}"}))
    base = OmegaConf.create({"run": {"data": "someone-elses:v9"}})

    merged = OmegaConf.merge(base, {"recipe": train.recipe})

    assert OmegaConf.select(merged, "recipe.path") == "<nano3-sft-data:v2 path>"


def test_a_reference_named_like_another_key_is_not_followed() -> None:
    content = extracted(run={"data": "model", "model": "other:v1"}, x="${art:data}")

    assert content["x"] == "${art:'model:latest'}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x": {"y": "${atr:data}"}}, r"'x.y' uses the resolver 'atr', .*mean 'art'.*Registered:"),
        ({"x": "${mul:${art:data,n},${nope:1}}"}, r"'x' uses the resolver 'nope'"),
        ({"x": "${art:data}/${nope:1}"}, r"'x' uses the resolver 'nope'"),
        ({"x": ["${nowhere}"]}, r"'x.0: \${nowhere}' cannot be resolved: .*'nowhere' not found"),
        ({"x": "${.a}"}, r"'x: \${.a}' cannot be resolved"),
        ({"x": "${.....a}"}, r"'x: .*' cannot be resolved"),
        ({"x": "${x}"}, r"'x: \${x}' cannot be resolved"),
        ({"x": "${y}", "y": "${x}"}, r"'x: \${y}' cannot be resolved"),
        ({"x": "${mul:a,2}"}, r"'x: \${mul:a,2}' cannot be resolved"),
        ({"x": "${s.y}", "s": 3}, r"'x: \${s.y}' cannot be resolved"),
    ],
)
def test_mistakes_name_the_key_and_the_file(content: dict[str, Any], message: str) -> None:
    source = {"provenance": {"config_file": "/conf/tiny.yaml"}}

    with pytest.raises(ConfigError, match=rf"^/conf/tiny.yaml: {message}"):
        extract_train_config(job(**content, run={**RUN, **source}))


WORDS = st.text(alphabet=string.ascii_letters + string.digits, min_size=1, max_size=6)
TEXTS = st.text(alphabet="ab1\\${}'\" ,:[]?.é\n\t#-", max_size=12).filter(
    lambda text: not text.endswith("???")
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS.map(escape)
)


@st.composite
def expressions(draw: st.DrawFn, known: list[str], depth: int = 2) -> str:
    """One interpolation; ``known`` are the paths of values that are defined before it."""
    kinds = ["art", "env", "env_default", "decode"]
    kinds += ["reference", "brackets", "select"] if known else []
    kinds += ["mul", "text_argument", "art_of_key"] if depth else []
    kind = draw(st.sampled_from(kinds))
    if kind in {"reference", "brackets", "select"}:
        return reference(kind, draw(st.sampled_from(known)))
    arguments = {
        "art": st.sampled_from(["data", "model", "plain", "path", "env_ref"]).map("art:{}".format),
        "art_of_key": st.builds("art:${{keys.k{}}},{}".format, st.sampled_from("01"), WORDS),
        "env": st.just("oc.env:HERE"),
        "env_default": TEXTS.map(lambda text: f"oc.env:NOT_HERE,{quote(text)}"),
        "decode": st.sampled_from(["'1'", "'[1,{a: b}]'", "null", "'x'"]).map(
            "oc.decode:{}".format
        ),
        "mul": st.sampled_from(["2", "${two}", "${art:data,pack_size}", "${mul:${two},3}"]).map(
            "mul:{},${{two}}".format
        ),
    }
    if kind == "text_argument":
        return "${oc.select:nowhere,'x" + draw(expressions(known, depth - 1)) + "'}"
    return "${" + draw(arguments[kind]) + "}"


def reference(kind: str, path: str) -> str:
    head, *rest = path.split(".")
    forms = {
        "reference": path,
        "brackets": head + "".join(f"[{part}]" for part in rest),
        "select": f"oc.select:{path}",
    }
    return "${" + forms[kind] + "}"


@st.composite
def texts(draw: st.DrawFn, known: list[str]) -> str:
    pieces = draw(
        st.lists(st.one_of(TEXTS.map(escape), expressions(known)), min_size=1, max_size=3)
    )
    text = ""
    for piece in pieces:
        if piece.startswith("${"):
            # Backslashes before an interpolation would escape it.
            text = text.rstrip("\\")
        elif piece.startswith("{"):
            # Behind a dollar sign it would begin one.
            text = text.rstrip("$")
        text += piece
    return text


@st.composite
def jobs(draw: st.DrawFn) -> dict[str, Any]:
    known: list[str] = ["two"]
    sections: list[str] = ["keys"]
    content: dict[str, Any] = {
        "prefix": "nano3-sft",
        "two": 2,
        "keys": {"k0": "data", "k1": "model"},
        "run": RUN,
    }
    for index in range(draw(st.integers(1, 5))):
        name = f"s{index}"
        kind = draw(st.sampled_from(["value", "section", "list", "copy"]))
        values = [draw(st.one_of(SCALARS, texts(list(known)))) for _ in range(3)]
        if kind == "value":
            content[name] = values[0]
            known.append(name)
            continue
        if kind == "copy":
            content[name] = "${" + draw(st.sampled_from(sections)) + "}"
            sections.append(name)
            continue
        sections.append(name)
        if kind == "list":
            content[name] = [*values, "${.0}"]
            known += [f"{name}.1", f"{name}.3"]
            continue
        content[name] = {"a": values[0], "b": {"c": values[1], "up": "${..a}"}, "same": "${.a}"}
        known += [f"{name}.a", f"{name}.b.c", f"{name}.b.up", f"{name}.same"]
        sections.append(f"{name}.b")
    return content


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(content=jobs())
def test_a_saved_train_config_resolves_to_what_the_job_resolves_to(
    content: dict[str, Any], tmp_path: Path
) -> None:
    whole = OmegaConf.create(content)
    try:
        expected = OmegaConf.to_container(whole, resolve=True)
    except InterpolationToMissingValueError:
        reject()  # "?" and what "??" was read from came together

    train = extract_train_config(whole)
    _, saved = save_configs(whole, train, tmp_path)

    loaded = OmegaConf.load(saved)
    assert OmegaConf.to_container(loaded) == OmegaConf.to_container(train)
    assert OmegaConf.to_container(loaded, resolve=True) == expected


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(content=jobs())
def test_a_train_config_needs_no_run_section_for_its_artifacts(content: dict[str, Any]) -> None:
    whole = OmegaConf.create({**content, "run": {**RUN, "env_ref": "d:v1"}})
    expected = OmegaConf.to_container(whole, resolve=True)
    train = extract_train_config(whole)

    train.run = {"data": "wrong:v1", "model": "wrong:v2"}

    resolved = OmegaConf.to_container(train, resolve=True)
    assert isinstance(resolved, dict)
    assert isinstance(expected, dict)
    del resolved["run"], expected["run"]
    assert resolved == expected


@given(TEXTS)
def test_an_escaped_text_loads_as_itself(text: str) -> None:
    assert OmegaConf.create({"x": escape(text)})["x"] == text


@given(TEXTS)
def test_a_quoted_text_arrives_as_itself(text: str) -> None:
    os.environ.pop("NOT_HERE", None)

    assert OmegaConf.create({"x": "${oc.env:NOT_HERE," + quote(text) + "}"})["x"] == text
