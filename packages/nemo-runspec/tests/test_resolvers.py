from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from nemo_runspec.artifacts import ModelArtifact, SFTDataArtifact, setup_artifact_tracking
from nemo_runspec.artifacts.tracker import Lineage
from nemo_runspec.config import extract_train_config
from nemo_runspec.errors import ArtifactNotFoundError, ConfigError, StoreError
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.resolvers import (
    clear_artifact_cache,
    parse_auto_mount,
    pin_references,
    register_resolvers,
    register_resolvers_from_config,
    resolve_run_references,
)


def store(root: Path, data: str = "/data/sft") -> Path:
    tracker = ManifestTracker(root)
    packed = SFTDataArtifact(
        path=Path(data),
        pack_size=4096,
        training_path=f"{data}/training_4096.npy",
        metadata={"weights": {"a": 0.5}, "folders": ["x", "y"]},
    )
    tracker.log(packed, name="nano3-sft-data", lineage=Lineage())
    model = ModelArtifact(path=Path("/checkpoints/pretrain"), step=10_000)
    tracker.log(model, name="nano3-pretrain-model", lineage=Lineage())
    return root


def config_for(root: Path, **sections: Any) -> DictConfig:
    run = {"data": "nano3-sft-data:latest", "model": "nano3-pretrain-model:v1"}
    document = {"artifacts": {"manifest": {"root": str(root)}}, "run": run, **sections}
    return OmegaConf.create(document)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return store(tmp_path / "artifacts")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("${art:data}", "/data/sft"),
        ("${art:data,path}/blend.json", "/data/sft/blend.json"),
        ("${art:data,version}", "v1"),
        ("${art:data,name}", "nano3-sft-data"),
        ("${art:data,type}", "dataset"),
        ("${art:model,type}", "model"),
        ("${art:model,iteration}", 10_000),
        ("${art:model,step}", 10_000),
        ("${art:data,pack_size}", 4096),
        ("${art:data,training_path}", "/data/sft/training_4096.npy"),
        ("${art:data,weights}", {"a": 0.5}),
        ("${art:data,folders}", ["x", "y"]),
        ("${art:'nano3-sft-data:v1',pack_size}", 4096),
        ("${art:nano3-pretrain-model:1,path}", "/checkpoints/pretrain"),
        ("${mul:${art:data,pack_size},2}", 8192),
        ("${mul:${art:data,pack_size}, ${batch}}", 16_384),
        ("${art:data,version,none}", "v1"),
        ("${art:reward,path,'/released, as it is'}", "/released, as it is"),
        ("${art:reward,path,null}", None),
        ("${art:reward,path,${batch}}", 4),
        ("\\${art:data}", "${art:data}"),
    ],
)
def test_what_an_expression_gives(root: Path, expression: str, value: Any) -> None:
    config = config_for(root, x=expression, batch=4)
    setup_artifact_tracking(config)
    assert OmegaConf.to_container(config, resolve=True)["x"] == value  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("${art:data,pack_sise}", "has no field 'pack_sise'.*It has: .*pack_size"),
        ("${art:dta}", r"needs run\.dta, which names no artifact.*references there: data, model"),
        ("${art:3}", r"needs run\.3, which names no artifact"),
        ("${art:env}", r"needs run\.env, which names no artifact"),
        ("${art:reward,path,/a,/b}", "has 2 defaults.*quote a default that holds a comma"),
        ("${mul:2,x}", "mul multiplies numbers, and 'x' is none"),
        ("${mul:2}", "mul needs at least two numbers"),
        ("${auto_mount:https://host/x,/y}", "is no git source"),
        ("${auto_mount:git+https://host/x}", "takes a source and a target"),
    ],
)
def test_what_an_expression_cannot_give(root: Path, expression: str, message: str) -> None:
    config = config_for(root, x=expression)
    setup_artifact_tracking(config)
    with pytest.raises(InterpolationResolutionError, match=message):
        _ = config.x


@pytest.mark.parametrize(("model", "value"), [(None, "/a"), ("nano3-pretrain-model:v1", None)])
def test_a_default_reaches_the_job(root: Path, model: str | None, value: str | None) -> None:
    config = config_for(root, x="${art:model,path,/a}")
    config.run.model = model
    train = extract_train_config(config)
    setup_artifact_tracking(train)
    assert train.x == (value or "/checkpoints/pretrain")


def test_a_default_hides_no_artifact_that_is_gone(root: Path) -> None:
    config = config_for(root, x="${art:model,path,/a}")
    config.run.model = "no-such-model:v1"
    with pytest.raises(ArtifactNotFoundError, match="no-such-model"):
        setup_artifact_tracking(config)


def test_a_reference_that_reads_itself_is_refused(root: Path) -> None:
    config = config_for(root)
    config.run.data = "${art:data}"
    with pytest.raises(ConfigError, match=r"run\.data: An artifact reference cannot itself read"):
        setup_artifact_tracking(config)


def test_a_reference_may_be_composed(root: Path) -> None:
    config = config_for(root, stage="sft", x="${art:data,version}")
    config.run.data = "nano3-${stage}-data:latest"
    setup_artifact_tracking(config)
    assert config.x == "v1"


def test_two_configurations_in_one_process_never_see_each_other(tmp_path: Path) -> None:
    one = config_for(store(tmp_path / "one", "/one"), x="${art:data}")
    two = config_for(store(tmp_path / "two", "/two"), x="${art:data}")
    first, second = setup_artifact_tracking(one), setup_artifact_tracking(two)
    assert [one.x, two.x, one.x] == ["/one", "/two", "/one"]
    del one.run["model"]
    assert copy.deepcopy(one).x == "/one"
    assert first.resolve("nano3-sft-data:latest").path == "/one"
    assert second.resolve("nano3-sft-data:latest").path == "/two"


def test_two_configurations_on_one_store_keep_their_inputs_apart(root: Path) -> None:
    one = config_for(root, x="${art:data}")
    del one.run["model"]
    two = config_for(root, x="${art:model}")
    del two.run["data"]
    first, second = setup_artifact_tracking(one), setup_artifact_tracking(two)
    assert (one.x, two.x) == ("/data/sft", "/checkpoints/pretrain")
    assert first.inputs == ["nano3-sft-data:v1"]
    assert second.inputs == ["nano3-pretrain-model:v1"]


def test_a_pinned_section_resolves_to_its_own_wherever_it_is_merged(tmp_path: Path) -> None:
    one = config_for(store(tmp_path / "one", "/one"), recipe={"x": "${art:'nano3-sft-data:v1'}"})
    setup_artifact_tracking(one)
    two = config_for(tmp_path / "two")
    two.run = {}
    setup_artifact_tracking(two)
    merged = OmegaConf.merge(two, one.recipe)
    assert merged.x == "/one"
    assert OmegaConf.create(OmegaConf.to_container(one.recipe)).x == "/one"


def test_a_configuration_that_was_pickled_resolves_in_its_own_store(tmp_path: Path) -> None:
    one = config_for(store(tmp_path / "one", "/one"), x="${art:data}")
    setup_artifact_tracking(config_for(store(tmp_path / "two", "/two")))
    register_resolvers()
    assert pickle.loads(pickle.dumps(one)).x == "/one"  # noqa: S301 - our own bytes


def test_another_section_can_hold_the_references(root: Path) -> None:
    config = config_for(root, inputs={"data": "nano3-sft-data:v1"}, x="${art:data,version}")
    del config["run"]
    names = register_resolvers_from_config(config, artifacts_key="inputs")
    assert (config.x, names) == ("v1", ["nano3-sft-data:v1"])


def test_clearing_the_cache_looks_latest_up_again(root: Path) -> None:
    config = config_for(root, x="${art:data}")
    setup_artifact_tracking(config)
    store(root, "/newer")
    assert config.x == "/data/sft"
    clear_artifact_cache()
    assert config.x == "/newer"


@pytest.mark.parametrize("mode", ["active_run", "pre_init", None])
def test_the_modes_of_the_documents_work_with_manifests(root: Path, mode: Any) -> None:
    config = config_for(root, x="${art:data}")
    names = register_resolvers_from_config(config, artifacts_key="run", mode=mode)
    assert names == ["nano3-pretrain-model:v1", "nano3-sft-data:v1"]
    assert config.x == "/data/sft"


def test_the_local_mode_reads_paths_only(root: Path, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    SFTDataArtifact(path=tmp_path / "d", pack_size=7).write_metadata()
    config = config_for(root, x="${art:data,pack_size}")
    config.run = {"data": str(tmp_path / "d")}
    register_resolvers_from_config(config, mode="local")
    assert config.x == 7


def test_an_unknown_mode(root: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"no resolution mode 'eager'.*active_run, pre_init, local"
    ):
        register_resolvers_from_config(config_for(root), mode="eager")  # type: ignore[arg-type]


def test_pinning(root: Path) -> None:
    store(root, "/second")
    job = config_for(root, x="${art:data}")
    pinned = pin_references(job)
    assert pinned.run.data == "nano3-sft-data:v2"
    assert job.run.data == "nano3-sft-data:latest"
    found = {one.key: (one.requested, one.pinned) for one in resolve_run_references(job)}
    assert found["data"] == ("nano3-sft-data:latest", "nano3-sft-data:v2")


def test_pinning_leaves_paths_alone(root: Path, tmp_path: Path) -> None:
    job = config_for(root, x="${art:data}")
    job.run.data = str(tmp_path)
    assert pin_references(job).run.data == str(tmp_path)


def test_pinning_keeps_the_path_inside(root: Path) -> None:
    job = config_for(root, x="${art:data}")
    job.run.data = "art://nano3-sft-data/splits/blend.json"
    job.run.corpus = "art://nano3-sft-data:latest"
    pinned = pin_references(job)
    assert pinned.run.data == "art://nano3-sft-data:v1/splits/blend.json"
    assert pinned.run.corpus == "nano3-sft-data:v1"
    train = extract_train_config(pinned)
    raw: Any = OmegaConf.to_container(train)
    assert raw["x"] == "${art:'art://nano3-sft-data:v1/splits/blend.json'}"
    tracking = setup_artifact_tracking(train)
    assert (train.x, train.run.data) == ("/data/sft/splits/blend.json", pinned.run.data)
    assert tracking.inputs == ["nano3-pretrain-model:v1", "nano3-sft-data:v1"]


def test_the_own_directory_of_a_checkpoint_follows_what_is_named(tmp_path: Path) -> None:
    save = tmp_path / "sft"
    for step in (5, 10):
        (save / f"iter_{step:07d}").mkdir(parents=True)
    latest = save / "iter_0000010"
    model = ModelArtifact(path=save, step=10, metadata={"absolute_path": str(latest)})
    root = tmp_path / "artifacts"
    ManifestTracker(root).log(model, name="nano3-sft-model", lineage=Lineage())
    model.write_metadata()

    def own_directory(reference: str) -> str:
        config = config_for(root, x="${art:model,absolute_path}")
        config.run = {"model": reference}
        setup_artifact_tracking(config)
        return str(config.x)

    assert own_directory("nano3-sft-model:v1") == str(latest)
    earlier = own_directory("art://nano3-sft-model:v1/iter_0000005")
    assert earlier == str(save / "iter_0000005")
    # A folder says where it was recorded; it may have been moved, or be mounted elsewhere.
    moved = save.rename(tmp_path / "moved")
    assert own_directory(str(moved)) == str(moved / "iter_0000010")
    assert own_directory(str(moved / "iter_0000005")) == str(moved / "iter_0000005")


def test_a_declared_key_holds_a_reference_whatever_its_form(root: Path) -> None:
    job = config_for(root)
    job.run.base = "nano3-pretrain-model"
    found = {one.key: one.pinned for one in resolve_run_references(job, declared=["base"])}
    assert found["base"] == "nano3-pretrain-model:v1"
    assert "base" not in {one.key for one in resolve_run_references(job)}


def test_pinning_names_what_is_missing(root: Path) -> None:
    job = config_for(root)
    job.run.data = "nano3-sft-data:v9"
    with pytest.raises(ArtifactNotFoundError, match=r"has no version v9\. It has v1\."):
        pin_references(job)


def test_a_store_out_of_reach_leaves_the_pinning_to_the_job(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unreachable(*_arguments: object) -> None:
        raise StoreError("the store is out of reach")

    job = config_for(root)
    monkeypatch.setattr(ManifestTracker, "resolve", unreachable)
    assert pin_references(job).run.data == "nano3-sft-data:latest"
    assert "run.data stays unpinned until the job starts" in caplog.text


def test_a_mul_that_a_framework_registered_is_kept() -> None:
    OmegaConf.clear_resolver("mul")
    try:
        register_resolvers()
        assert OmegaConf.create({"x": "${mul:2,3}"}).x == 6
        register_resolvers()
        assert OmegaConf.create({"x": "${mul:2.5,2}"}).x == 5.0
    finally:
        register_resolvers()


def test_auto_mount_stands_for_its_canonical_form() -> None:
    register_resolvers()
    config = OmegaConf.create(
        {"mounts": ["${auto_mount:git+https://host.example/owner/name@v1.2,/opt/name/}"]}
    )
    assert config.mounts[0] == "git+https://host.example/owner/name@v1.2:/opt/name"


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("git+https://u:secret@h/o/n@main", "/x", "h: The git URL of an auto_mount holds cred"),
        ("git+ftp://h/o/n@main", "/x", "is no URL of a git repository"),
        ("git+https://h/o/n", "/x", "names no usable branch"),
        ("git+https://h/o/n@--upload-pack=x", "/x", "names no usable branch|is no git source"),
        ("git+https://h/o/n@main", "x", "is no absolute path"),
        ("git+https://h/o/n@main", "/x/../y", "is no absolute path"),
        ("git+https://h/o/n@main", "/x:/y", "is no absolute path"),
    ],
)
def test_a_mount_that_is_refused(source: str, target: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_auto_mount(source, target)
    assert "secret" not in str(caught.value)


def test_a_mount_over_ssh() -> None:
    mount = parse_auto_mount("git+ssh://git@host.example/o/n.git@abc123", "/opt/n")
    assert (mount.url, mount.ref) == ("ssh://git@host.example/o/n.git", "abc123")


def test_a_pinned_reference_resolves_in_a_list_of_its_own(tmp_path: Path) -> None:
    config = config_for(store(tmp_path / "artifacts"), run={"data": "nano3-sft-data:v1"})
    setup_artifact_tracking(config)
    detached = OmegaConf.create(["${art:'nano3-sft-data:v1',pack_size}", "${art:data}"])
    assert detached[0] == 4096
    with pytest.raises(InterpolationResolutionError, match=r"needs run\.data, which"):
        detached[1]


def test_the_current_tracking_forgets_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = store(tmp_path / "artifacts")
    monkeypatch.setenv("NEMOTRON_ARTIFACTS_ROOT", str(root))
    assert ModelArtifact.from_uri("art://nano3-pretrain-model:latest").version == 1
    store(root)
    clear_artifact_cache()
    assert ModelArtifact.from_uri("art://nano3-pretrain-model:latest").version == 2
