"""Our configurations against the recipes and configuration classes that Megatron-Bridge ships."""

from __future__ import annotations

import functools
import importlib
import inspect
import math
import runpy
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from nemo_runspec.artifacts import ModelArtifact, log_artifact, setup_artifact_tracking
from nemo_runspec.config import load_omegaconf_yaml
from nemo_runspec.errors import ConfigError
from nemo_runspec.runspec import parse
from nemotron_data_prep import (
    PretrainPrepConfig,
    SftPrepConfig,
    SplitRatios,
    prepare_pretrain,
    prepare_sft,
)
from nemotron_kit_megatron import load_recipe
from nemotron_kit_megatron.loading.blends import read_blend
from nemotron_kit_megatron.saves import TRACKER_FILE

# Under importlib mode a test folder is on no path.
sys.path.insert(0, str(Path(__file__).parent))

from bridge_lab.released import released_bridge

# What the framework imports warns: its own modules, of what they deprecate among themselves.
pytestmark = pytest.mark.filterwarnings("ignore")

RECIPES = Path(__file__).parents[2] / "recipes"
SAMPLE = RECIPES / "sample"
RELEASE = tuple(map(int, version("megatron-bridge").split(".")[:2]))
STAGES = {"pretrain": "stage0_pretrain", "sft": "stage1_sft"}
PACKS = "npy" if RELEASE < (0, 4) else "parquet"
SPECS = ("offline_packing_specs", "packed_sequence_specs")
NEMOTRONH = "megatron.bridge.recipes.nemotronh"


@pytest.fixture(scope="module", autouse=True)
def _bridge():
    with released_bridge():
        yield


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The sample data as artifacts, and a folder like that of a training run."""
    folder = tmp_path_factory.mktemp("prepared")
    ratios = SplitRatios(train=0.8, valid=0.1, test=0.1)
    common = {"tokenizer": SAMPLE / "tokenizer", "split": ratios}
    text = PretrainPrepConfig(
        blend=SAMPLE / "blends" / "pretrain.json",
        output_dir=folder / "text",
        eod_token="<|endoftext|>",  # noqa: S106 - no password
        **common,
    )
    chat = SftPrepConfig(
        blend=SAMPLE / "blends" / "sft.json",
        output_dir=folder / "chat",
        pack_size=1024,
        format=PACKS,
        **common,
    )
    model = folder / "model"
    step = model / "iter_0000010"
    step.mkdir(parents=True)
    (step / "run_config.yaml").write_text("{}", "utf-8")
    (model / TRACKER_FILE).write_text("20", "utf-8")
    # 0.3 loads what a save directory names as its last, and nothing else.
    own = {"absolute_path": str(step)} if WRITTEN_FOR_IT else {}
    return {
        "pretrain": prepare_pretrain(text).artifact,
        "sft": prepare_sft(chat).artifact,
        "model": ModelArtifact(path=model, step=10, format="megatron", metadata=own),
    }


@pytest.fixture
def recorded(prepared, tmp_path):
    """Reads a recipe's configuration, and records what it refers to under the names it uses."""

    def read(family, stage, name, **more):
        file = RECIPES / family / STAGES[stage] / "config" / f"{name}.yaml"
        ours = {
            "run": {"wandb": {"project": "p", "entity": None}, "output": "model"},
            "artifacts": {"manifest": {"root": str(tmp_path / "store")}},
        }
        config = OmegaConf.merge(load_omegaconf_yaml(file), ours, more)
        with setup_artifact_tracking({"artifacts": config.artifacts}) as tracking:
            for key, artifact in (("data", prepared[stage]), ("model", prepared["model"])):
                if config.run.get(key):
                    log_artifact(artifact, tracking, name=config.run[key].partition(":")[0])
        return config

    return read


@pytest.fixture
def loaded(recorded):
    """Loads a recipe's configuration as its script does."""

    def load(*which, **more):
        config = recorded(*which, **more)
        with setup_artifact_tracking(config):
            return load_recipe(config)

    return load


WRITTEN_FOR_IT = RELEASE >= (0, 4)
FAMILIES = ("nano3", "super3") if WRITTEN_FOR_IT else ("nano3",)
NAMES = ("default", "tiny", "sample") if WRITTEN_FOR_IT else ("default",)
PRETRAIN = [(family, name) for family in FAMILIES for name in NAMES]


@pytest.mark.parametrize(("family", "name"), PRETRAIN)
def test_pretraining_gets_the_splits_of_the_blend(loaded, prepared, family, name):
    container = loaded(family, "pretrain", name)
    dataset = container.dataset
    assert type(dataset) is config_module().GPTDatasetConfig
    assert (dataset.blend, dataset.split) == (None, None)
    assert dataset.blend_per_split == read_blend(Path(prepared["pretrain"].path) / "blend.json")
    assert len(list(filter(None, dataset.blend_per_split))) == 3
    assert container.model.seq_length == dataset.seq_length
    assert fits_its_machines(container, family, "pretrain", name)


@pytest.mark.parametrize(("family", "name"), PRETRAIN)
def test_fine_tuning_gets_the_packs_and_the_model(loaded, prepared, family, name):
    container = loaded(family, "sft", name)
    dataset, data = container.dataset, prepared["sft"]
    specs = next(filter(None, (getattr(dataset, name, None) for name in SPECS)))
    assert str(specs.packed_train_data_path) == data.training_path
    assert str(specs.packed_val_data_path) == data.validation_path
    sizes = {specs.packed_sequence_size, dataset.seq_length, container.model.seq_length}
    assert sizes == {data.pack_size}
    model = prepared["model"]
    own = None if name == "sample" else model.metadata.get("absolute_path", str(model.path))
    assert container.checkpoint.pretrained_checkpoint == own
    helpers = importlib.import_module("megatron.bridge.training.utils.checkpoint_utils")
    assert own is None or helpers.checkpoint_exists(own)
    assert fits_its_machines(container, family, "sft", name)


def config_module():
    return importlib.import_module("megatron.bridge.training.config")


def fits_its_machines(container, family, stage, name):
    """What each process holds of the model must divide the GPUs that the recipe asks for."""
    resources = parse(RECIPES / family / STAGES[stage] / "train.py").resources
    model = container.model
    dense = (model.tensor_model_parallel_size, model.context_parallel_size)
    experts = (model.expert_tensor_parallel_size or 1, model.expert_model_parallel_size)
    gpus = resources.nodes * resources.gpus_per_node if name == "default" else 1
    groups = [math.prod((model.pipeline_model_parallel_size, *each)) for each in (dense, experts)]
    return [gpus % group for group in groups] == [0, 0]


@pytest.mark.skipif(not WRITTEN_FOR_IT, reason="these are written for 0.4")
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_small_model_passes_the_frameworks_own_validation_on_one_gpu(loaded, family, stage):
    container = loaded(family, stage, "sample")
    # What `pretrain` and `finetune` do before anything else.
    config_module().runtime_config_update(container)
    assert container.data_parallel_size == 1
    assert container.scheduler.lr_warmup_steps == 2 * container.train.global_batch_size


@pytest.mark.parametrize("stage", STAGES)
def test_the_script_calls_the_real_function_with_hooks_that_it_takes(
    recorded, stage, tmp_path, monkeypatch
):
    """The script as it is, up to the call of what needs a GPU."""
    script = RECIPES / "nano3" / STAGES[stage] / "train.py"
    function = "pretrain" if stage == "pretrain" else "finetune"
    module = importlib.import_module(f"megatron.bridge.training.{function}")
    train, calls = getattr(module, function), []

    @functools.wraps(train)
    def called(*arguments, **keywords):
        calls.append(inspect.signature(train).bind(*arguments, **keywords).arguments)

    monkeypatch.setattr(module, function, called)
    config = tmp_path / "config.yaml"
    config.write_text(OmegaConf.to_yaml(recorded("nano3", stage, "default")), "utf-8")
    monkeypatch.setattr(sys, "argv", [str(script), "--config", str(config)])
    runpy.run_path(str(script))["main"]()
    (given,) = calls
    assert type(given["config"]) is config_module().ConfigContainer
    assert given["forward_step_func"].__module__ == "megatron.bridge.training.gpt_step"
    hooks = importlib.import_module("megatron.bridge.training.callbacks")
    manager = hooks.normalize_callbacks(given.get("callbacks"))
    patched = importlib.import_module("megatron.bridge.training.utils.wandb_utils")
    by_callback = manager is not None and "on_checkpoint_save" in manager.events
    assert by_callback is (RELEASE >= (0, 5))
    assert hasattr(patched.on_save_checkpoint_success, "__wrapped__") is not by_callback


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_recipe_leaves_out_stays_as_the_framework_has_it(loaded, stage):
    container = loaded("nano3", stage, "default")
    recipes = importlib.import_module("megatron.bridge.recipes.nemotronh")
    own = getattr(recipes, f"nemotron_3_nano_{stage}_config")()
    for section in ("train", "optimizer", "scheduler", "ddp", "rng", "tokenizer"):
        assert getattr(container, section) == getattr(own, section)


@pytest.mark.parametrize(
    ("stage", "settings", "message"),
    [
        (
            "pretrain",
            {"train": {"train_itres": 3}},
            r"no setting 'train\.train_itres'.* 'train_iters'",
        ),
        ("pretrain", {"train": {"train_iters": "ten"}}, r"train\.train_iters: 'ten' is no int"),
        (
            "pretrain",
            {"model": {"hidden_sizes": 8}},
            r"no setting 'model\.hidden_sizes'.* 'hidden_size'",
        ),
        (
            "pretrain",
            {"checkpoint": {"ckpt_format": "torch_dits"}},
            r"'torch_dits' is not one of .*torch_dist",
        ),
        (
            "pretrain",
            {"recipe": {"_target_": f"{NEMOTRONH}.nemotron_3_nano_config"}},
            "Did you mean",
        ),
        ("sft", {"model": {"seq_length": 512}}, r"model\.seq_length is 512"),
    ],
)
def test_what_does_not_fit_the_real_classes_is_refused_by_its_key(loaded, stage, settings, message):
    with pytest.raises(ConfigError, match=message):
        loaded("nano3", stage, "default", **settings)


@pytest.mark.skipif(WRITTEN_FOR_IT, reason="of earlier releases")
@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("nano3", r"0\.3\.1 has no setting 'model\.hybrid_layer_pattern'"),
        ("super3", r"no nemotron_3_super_pretrain_config in Megatron-Bridge 0\.3\.1.*nemo:"),
    ],
)
def test_an_earlier_release_is_named_where_it_lacks_something(loaded, family, message):
    with pytest.raises(ConfigError, match=message):
        loaded(family, "pretrain", "sample")
