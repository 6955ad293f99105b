from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_runspec.errors import ConfigError, ExecutionError, UsageError
from nemo_runspec.execution.pipeline import (
    ChainRequest,
    PipeFile,
    PipeRecord,
    build_chain,
    offers,
)
from nemo_runspec.execution.pipeline.addressing import (
    find_stage,
    sort_overrides,
    split_address,
    without_secrets,
)
from nemo_runspec.execution.pipeline.ordering import following, needed_for
from nemo_runspec.execution.pipeline.record import StageRecord, find_pipe, read_pipe, utc_now
from nemo_runspec.runspec import discover_recipes

STAGES = ("data/prep/pretrain", "data/prep/sft", "pretrain", "sft")


def write(
    folder: Path, name: str, run: dict[str, str], *, file: str | None = None, writes: bool = True
) -> None:
    """Write a recipe that reads models, and its configuration ``default``."""
    stem = file or name.replace("/", "_")
    lines = [f'name = "{name}"', "[tool.runspec.config]", f'dir = "config/{stem}"']
    lines += ["[tool.runspec.artifacts]", *(['writes = "ModelArtifact"'] if writes else [])]
    lines += ["[tool.runspec.artifacts.reads]", *(f'{key} = "ModelArtifact"' for key in run)]
    header = "".join(f"# {line}\n" for line in lines)
    script = folder / f"{stem}.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f'# /// script\n# [tool.runspec]\n# schema = "1"\n{header}# ///\n')
    configs = script.parent / "config" / stem
    configs.mkdir(parents=True)
    references = "".join(f"  {key}: {text}\n" for key, text in run.items())
    (configs / "default.yaml").write_text(f"x: 1\nrun:\n  note: a\n{references}")


def request(folder: Path, *overrides: str) -> ChainRequest:
    recipes = discover_recipes([folder / "recipes"]).recipes
    return ChainRequest(family="f", recipes=recipes, overrides=overrides, cwd=folder)


def names(folder: Path, *overrides: str) -> list[str]:
    return [stage.name for stage in build_chain(request(folder, *overrides)).stages]


@pytest.fixture(autouse=True)
def _clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NEMOTRON_ARTIFACTS_ROOT", "NEMOTRON_ENV", "NEMOTRON_RUN_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("sft", "sft"),
        ("prep/sft", "data/prep/sft"),
        ("data prep sft", "data/prep/sft"),
        ("nano3/sft", "sft"),
        ("nano3/data/prep/sft", "data/prep/sft"),
    ],
)
def test_a_stage_has_several_spellings(text: str, name: str) -> None:
    assert find_stage(text, STAGES) == name


def test_an_ending_of_several_stages_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'sft' may be any of data/prep/sft, eval/sft"):
        find_stage("sft", ["data/prep/sft", "eval/sft"])
    with pytest.raises(UsageError, match=r"no stage ''"):
        find_stage("", STAGES)


@given(
    st.sampled_from(STAGES),
    st.sampled_from(["a.b=1", "+a=x:y", "~a", "++a.b={c: d}", "a='b:c'", "a=", "~a.b=${x:y}"]),
)
def test_what_follows_the_colon_is_the_override(stage: str, override: str) -> None:
    assert split_address(f"{stage}:{override}") == (stage, override)
    assert sort_overrides([override], STAGES) == [(None, override)]


def test_stages_come_after_what_they_read(tmp_path: Path) -> None:
    recipes = tmp_path / "recipes"
    write(recipes, "f/a", {"model": "f-b-model"})
    write(recipes, "f/b", {"model": "f-c-model:latest", "data": "art://f-d-model:latest/sub"})
    write(recipes, "f/c", {})
    write(recipes, "f/d", {})
    write(recipes, "other/e", {})
    assert names(tmp_path) == ["c", "d", "b", "a"]
    chain = build_chain(request(tmp_path)).stages
    assert needed_for(["b"], chain) == {"b", "c", "d"}
    assert following(["d"], chain) == {"d", "b", "a"}


def in_formats(folder: Path, name: str, written: str, reads: str, model: str) -> None:
    """Write a recipe that declares formats, and its configuration ``default``."""
    write(folder, name, {"model": model})
    script = folder / f"{name.replace('/', '_')}.py"
    text = script.read_text().replace('writes = "ModelArtifact"', f"writes = {{ {written} }}")
    script.write_text(text.replace('model = "ModelArtifact"', f"model = {{ {reads} }}"))


MEGATRON, HF = (
    'type = "ModelArtifact", format = "megatron"',
    'type = "ModelArtifact", format = "hf"',
)
CONVERTED = f'{HF}, name = "{{model}}-hf"'


def test_a_chain_converts_what_a_stage_reads_in_another_format(tmp_path: Path) -> None:
    recipes = tmp_path / "recipes"
    in_formats(recipes, "f/sft", MEGATRON, MEGATRON, "base:v1")
    in_formats(recipes, "f/one", MEGATRON, HF, "f-sft-model-hf")
    in_formats(recipes, "f/two", MEGATRON, HF, "f-one-model-hf:latest")
    in_formats(recipes, "f/old", MEGATRON, HF, "f-two-model-hf:v3")
    in_formats(recipes, "f/model/convert", CONVERTED, 'type = "ModelArtifact"', "f-sft-model")
    order = ["old", "sft", "sft/convert", "one", "one/convert", "two"]
    assert names(tmp_path) == order

    chain = build_chain(request(tmp_path)).stages
    handed = {stage.name: (stage.inputs[0].source, stage.output) for stage in chain}
    assert handed["sft/convert"] == ("sft", "f-sft-model-hf")
    assert handed["one"] == ("sft/convert", "f-one-model")
    assert handed["two"] == ("one/convert", "f-two-model")
    assert handed["old"][0] is None

    # What is written under another name is converted under that name.
    renamed = build_chain(request(tmp_path, "sft:run.output=mine", "one:run.model=mine-hf")).stages
    assert [stage.output for stage in renamed if stage.name == "sft/convert"] == ["mine-hf"]
    # An override of every stage is for training; one of this stage is for it.
    (given,) = (
        stage.overrides
        for stage in build_chain(request(tmp_path, "x=2", "run.note=b", "sft/convert:x=3")).stages
        if stage.name == "sft/convert"
    )
    assert given == ("run.model=f-sft-model:latest", "run.note=b", "x=3")
    with pytest.raises(UsageError, match="'two/convert' takes no part: no stage reads"):
        names(tmp_path, "two/convert:x=3")

    cut = replace(request(tmp_path), start="sft/convert", ends=("one/convert",))
    assert [stage.name for stage in build_chain(cut).stages] == order[2:5]
    resumed = replace(request(tmp_path), only=("one", "sft/convert"))
    assert [stage.name for stage in build_chain(resumed).stages] == ["sft/convert", "one"]


def test_a_family_that_cannot_convert_is_refused(tmp_path: Path) -> None:
    recipes = tmp_path / "recipes"
    in_formats(recipes, "f/sft", MEGATRON, MEGATRON, "base:v1")
    in_formats(recipes, "f/rl", MEGATRON, HF, "f-sft-model-hf:latest")
    with pytest.raises(
        UsageError,
        match=r"reads f-sft-model-hf:latest, what sft makes in the format hf\..*"
        r"no recipe that converts to hf; add f/model/convert",
    ):
        names(tmp_path)
    as_written = "rl:run.model=f-sft-model:latest"
    with pytest.raises(UsageError, match=r"format hf, and sft writes megatron\..*add f/model/conv"):
        names(tmp_path, as_written)
    in_formats(recipes, "f/model/convert", CONVERTED, 'type = "ModelArtifact"', "f-sft-model")
    with pytest.raises(UsageError, match=r"converts: rl:run\.model=f-sft-model-hf:latest"):
        names(tmp_path, as_written)


def test_what_a_stage_leaves_open_is_offered_where_the_chain_makes_it(tmp_path: Path) -> None:
    recipes = tmp_path / "recipes"
    in_formats(recipes, "f/a", MEGATRON, MEGATRON, "null")
    in_formats(recipes, "f/b", MEGATRON, MEGATRON, "null")
    in_formats(recipes, "f/c", MEGATRON, HF, "null")

    def found() -> list[tuple[str, str]]:
        asked = request(tmp_path)
        return [(each.writer, each.override) for each in offers(build_chain(asked), asked)]

    # Nothing is before the first, and nothing converts what the last needs.
    assert found() == [("a", "b:run.model=f-a-model:latest")]
    in_formats(recipes, "f/model/convert", CONVERTED, 'type = "ModelArtifact"', "f-a-model")
    assert found()[1:] == [("b", "c:run.model=f-b-model-hf:latest")]
    script = recipes / "f_c.py"
    script.write_text(script.read_text().replace(f"model = {{ {HF} }}", 'model = "OtherArtifact"'))
    assert len(found()) == 1


def test_a_version_an_alias_or_a_path_is_no_edge(tmp_path: Path) -> None:
    recipes = tmp_path / "recipes"
    write(recipes, "f/a", {"x": "f-b-model:v3", "y": "f-b-model:best", "z": "e/p/f-b-model:latest"})
    write(recipes, "f/b", {})
    first = build_chain(request(tmp_path)).stages[0]
    assert (first.name, first.sources) == ("a", frozenset())


def test_a_stage_may_go_on_from_its_own_earlier_output(tmp_path: Path) -> None:
    write(tmp_path / "recipes", "f/a", {"model": "f-a-model:latest"})
    write(tmp_path / "recipes", "f/b", {"model": "f-a-model:latest"})
    assert names(tmp_path) == ["a", "b"]


def test_a_recipe_that_writes_nothing_is_read_by_nobody(tmp_path: Path) -> None:
    write(tmp_path / "recipes", "f/a", {}, writes=False)
    write(tmp_path / "recipes", "f/b", {"model": "f-a-model:latest"})
    assert build_chain(request(tmp_path)).stages[1].sources == frozenset()


def test_a_circle_names_its_edges(tmp_path: Path) -> None:
    write(tmp_path / "recipes", "f/a", {"model": "f-b-model:latest"})
    write(tmp_path / "recipes", "f/b", {"model": "f-c-model:latest"})
    write(tmp_path / "recipes", "f/c", {"model": "f-a-model:latest"})
    match = r"circle: a reads f-b-model:latest \(run.model\) of b, b reads .* of c, c reads .* of a"
    with pytest.raises(UsageError, match=match):
        names(tmp_path)
    assert names(tmp_path, "c:run.model=f-a-model:v1") == ["c", "b", "a"]


def test_ties_go_by_the_paths_of_the_scripts(tmp_path: Path) -> None:
    write(tmp_path / "recipes", "f/z", {}, file="stage0/train")
    write(tmp_path / "recipes", "f/a", {}, file="stage1/train")
    assert names(tmp_path) == ["z", "a"]


def test_an_override_of_all_that_fits_some_is_explained(tmp_path: Path) -> None:
    write(tmp_path / "recipes", "f/a", {})
    with pytest.raises(ConfigError, match=r"Stage a: .* no key 'y'") as caught:
        names(tmp_path, "y=1")
    assert str(caught.value.hint).endswith("For one stage only, write STAGE:y=1")


def record(pipe_id: str) -> PipeRecord:
    stage = StageRecord(name="a", recipe="f/a", config="default", output="f-a-model")
    return PipeRecord(
        id=pipe_id,
        family="f",
        created_at=utc_now(),
        argv=("nemotron", "f", "pipe"),
        config=None,
        stage_configs={},
        overrides=("x=1",),
        root=None,
        mode="local",
        profile=None,
        stages=(stage,),
    )


def test_a_record_is_read_back_as_it_was(tmp_path: Path) -> None:
    file = PipeFile(tmp_path / ".nemotron/pipes/f/one", record("one"))
    file.create()
    file.update("a", state="running", run_dir="/x")
    assert read_pipe(file.folder).record == file.record
    assert read_pipe(file.folder).record.stage("a").state == "running"


def test_a_chain_is_found_by_a_part_of_its_id(tmp_path: Path) -> None:
    for name in ("20261121T100000Z-aaaaaa", "20261121T110000Z-bbbbbb"):
        PipeFile(tmp_path / ".nemotron/pipes/f" / name, record(name)).create()
    assert find_pipe(tmp_path, "f").record.id.endswith("bbbbbb")
    assert find_pipe(tmp_path, "f", "aaaaaa").record.id.endswith("aaaaaa")
    assert find_pipe(tmp_path, "f", "pipe-20261121T10").record.id.endswith("aaaaaa")
    with pytest.raises(UsageError, match="may be any of 20261121T100000Z-aaaaaa, 2026"):
        find_pipe(tmp_path, "f", "2026")
    with pytest.raises(UsageError, match="There is no chain 'cccccc'"):
        find_pipe(tmp_path, "f", "cccccc")


def test_a_record_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / ".nemotron").write_text("no folder")
    with pytest.raises(ExecutionError, match="The chain's record cannot be written: Not a dir"):
        PipeFile(tmp_path / ".nemotron/pipes/f/one", record("one")).create()


@pytest.mark.parametrize("stage", ["", "sft:", "data/prep/sft:"])
def test_a_record_refers_to_variables_that_may_be_secrets(stage: str) -> None:
    typed = f"{stage}run.env.env_vars.B_TOKEN=abcdef"
    assert without_secrets(typed) == f"{stage}run.env.env_vars.B_TOKEN='${{oc.env:B_TOKEN}}'"
    assert without_secrets(f"{stage}a.b=c:d") == f"{stage}a.b=c:d"
