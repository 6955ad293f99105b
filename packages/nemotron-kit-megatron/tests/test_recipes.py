from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from nemo_runspec.artifacts import SFTDataArtifact, log_artifact, setup_artifact_tracking
from nemo_runspec.errors import ConfigError, ExecutionError
from nemotron_kit_megatron import load_recipe, require_model

RECIPES = "megatron.bridge.recipes.nemotronh"
PRETRAIN = {"recipe": {"_target_": f"{RECIPES}.nemotron_3_nano_pretrain_config"}}
SFT = {"recipe": {"_target_": f"{RECIPES}.nemotron_3_nano_sft_config"}}


WITHOUT = "without_the_framework"


@pytest.fixture(autouse=True)
def _framework(request):
    if WITHOUT not in request.node.name:
        request.getfixturevalue("wandb_utils")


@pytest.fixture
def blend(tmp_path):
    """Writes a blend, and the files of every prefix that it names."""

    def write(document):
        for parts in document.values() if isinstance(document, dict) else ():
            for part in parts or ():
                for suffix in (".bin", ".idx"):
                    if str(part).startswith("/"):
                        (tmp_path / f"{part[1:]}{suffix}").write_bytes(b"")
        text = json.dumps(document).replace('"/', f'"{tmp_path}/')
        file = tmp_path / "blend.json"
        file.write_text(text, "utf-8")
        return str(file)

    return write


def refused(config, message, *, where=None):
    with pytest.raises(ConfigError, match=message) as caught:
        load_recipe(config)
    if where is not None:
        assert caught.value.where == where
    return caught.value


def test_the_recipe_is_called_and_the_settings_are_merged_into_it():
    config = load_recipe(
        {
            "run": {"data": "x"},
            "artifacts": {"wandb": False},
            **PRETRAIN,
            "train": {"train_iters": 10, "global_batch_size": 8.0},
            "model": {"attention_backend": "flash", "hidden_dropout": 1},
            "checkpoint": {"save": "/nemo_run/pretrain", "save_interval": 5, "load": None},
            "env_vars": {"NCCL_DEBUG": "WARN"},
        }
    )
    assert (config.train.train_iters, config.train.global_batch_size) == (10, 8)
    assert isinstance(config.train.global_batch_size, int)
    assert config.model.attention_backend.name == "flash"
    assert config.model.seq_length == 8192
    assert (config.checkpoint.save_interval, config.checkpoint.ckpt_format) == (5, "torch_dist")
    assert config.env_vars == {"NCCL_DEBUG": "WARN"}


def test_interpolations_are_resolved_first():
    config = OmegaConf.create({**PRETRAIN, "train": {"train_iters": "${n}"}, "n": 3})
    del config["n"]
    config.run = {"n": 3}
    config.train.train_iters = "${run.n}"
    assert load_recipe(config).train.train_iters == 3


def test_an_interpolation_that_means_nothing_names_its_key():
    refused(
        OmegaConf.create({**PRETRAIN, "train": {"train_iters": "${nowhere}"}}),
        r"train\.train_iters: It cannot be resolved: Interpolation key 'nowhere' not found\.$",
    )


def test_a_section_where_nothing_stands_is_made_of_the_class_that_is_allowed():
    config = load_recipe({**PRETRAIN, "profiling": {"use_nsys": True, "profile_ranks": [0]}})
    assert (config.profiling.use_nsys, config.profiling.profile_ranks) == (True, [0])
    config = load_recipe({**PRETRAIN, "straggler": {"start": 1}})
    assert config.straggler.start == 1
    refused({**PRETRAIN, "straggler": {"undefined": None}}, "StragglerConfig needs 'start'")


def test_a_target_replaces_a_section():
    target = "megatron.bridge.training.config.GPTDatasetConfig"
    config = load_recipe({**PRETRAIN, "dataset": {"_target_": target, "num_workers": 0}})
    assert (config.dataset.num_workers, config.dataset.seq_length) == (0, 8192)
    nested = {"comm_overlap": {"_target_": f"{target[:-16]}ProfilingConfig", "use_nsys": True}}
    assert load_recipe({**PRETRAIN, **nested}).comm_overlap.use_nsys is True


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (f"{RECIPES}.nemotron_3_nano_pretrain", "Did you mean 'nemotron_3_nano_pretrain_config'?"),
        (f"{RECIPES}.unknown", "Known: nemotron_3_nano_pretrain_config, .*sft_config"),
        ("megatron.bridge.recipes.nemotron.x", r"no module megatron\.bridge\.recipes\.nemotron "),
        ("megatron.bridge.recipes.nemotron.x", "Did you mean 'nemotronh'?"),
        ("nemotron_3_nano_pretrain_config", "Write module.name"),
        (f"{RECIPES}.NOT_CALLABLE", "no function or class"),
    ],
)
def test_an_unknown_recipe_is_refused_with_the_nearest_one(target, message):
    refused({"recipe": {"_target_": target}}, message, where="recipe._target_")


def test_the_installed_release_is_named_in_the_refusal(monkeypatch):
    monkeypatch.setattr("nemotron_kit_megatron.versions.version", lambda _name: "0.4.2")
    target = f"{RECIPES}.nemotron_3_ultra_pretrain_config"
    refused(
        {"recipe": {"_target_": target}}, r"has no nemotron_3_ultra.* in Megatron-Bridge 0\.4\.2"
    )


@pytest.mark.parametrize("recipe", [None, {}, {"name": "x"}, "text"])
def test_a_configuration_without_a_recipe_is_refused(recipe):
    refused({"recipe": recipe}, r"no recipe\._target_")


def test_an_argument_that_the_recipe_does_not_take_is_refused():
    recipe = {**PRETRAIN["recipe"], "global_batch_siz": 8}
    refused({"recipe": recipe}, "takes no argument 'global_batch_siz'")


@pytest.mark.parametrize(
    ("settings", "where", "message"),
    [
        ({"train": {"train_iter": 1}}, "train.train_iter", "Did you mean 'train_iters'?"),
        ({"trian": {}}, "trian", "Did you mean 'train'?"),
        ({"profiling": {"nsys": True}}, "profiling.nsys", "Did you mean 'use_nsys'?"),
        ({"train": {"train_iters": "ten"}}, "train.train_iters", "'ten' is no int"),
        ({"train": {"train_iters": 2.5}}, "train.train_iters", "2.5 is no int"),
        ({"train": {"train_iters": True}}, "train.train_iters", "True is no int"),
        ({"train": {"train_iters": None}}, "train.train_iters", "null is no int"),
        ({"train": {"train_iters": [1]}}, "train.train_iters", r"\[1\] is no int"),
        ({"train": {"manual_gc": 1}}, "train.manual_gc", "1 is no bool"),
        ({"train": {"global_batch_size": "x"}}, "train.global_batch_size", "'x' is no int or null"),
        ({"checkpoint": {"save": 3}}, "checkpoint.save", "3 is no str or null"),
        (
            {"checkpoint": {"ckpt_format": "torch_dst"}},
            "checkpoint.ckpt_format",
            "not one of 'torch_dist', .* Did you mean 'torch_dist'?",
        ),
        ({"model": {"attention_backend": "flsh"}}, "model.attention_backend", "mean 'flash'?"),
    ],
)
def test_a_setting_that_does_not_fit_names_its_full_key(settings, where, message):
    refused({**PRETRAIN, **settings}, message, where=where)


SPLITS = {"train": [30, "/a", "70", "/b"], "valid": ["/a"], "test": None}


def test_a_blend_becomes_the_blend_of_every_split(blend, tmp_path):
    config = load_recipe({**PRETRAIN, "data": {"per_split_data_args_path": blend(SPLITS)}})
    assert config.dataset.blend_per_split == [
        ([f"{tmp_path}/a", f"{tmp_path}/b"], [30.0, 70.0]),
        ([f"{tmp_path}/a"], None),
        None,
    ]
    assert (config.dataset.blend, config.dataset.split) == (None, None)


def test_a_blend_among_the_recipes_arguments_works_where_the_recipe_takes_none(blend):
    recipe = {**PRETRAIN["recipe"], "per_split_data_args_path": blend(SPLITS)}
    assert load_recipe({"recipe": recipe}).dataset.blend_per_split[2] is None


def test_a_recipe_that_takes_the_blend_gets_it(blend):
    file = blend(SPLITS)
    target = f"{RECIPES}.nemotron_earlier_pretrain_config"
    recipe = {"_target_": target, "per_split_data_args_path": file, "anything": 1}
    assert load_recipe({"recipe": recipe}).dataset.blend == (file, {"anything": 1})


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_a_blend_with_a_missing_split_is_refused_with_its_name(blend, split):
    left = {key: value for key, value in SPLITS.items() if key != split}
    refused(
        {**PRETRAIN, "data": {"per_split_data_args_path": blend(left)}},
        f"no split '{split}'.* needs all of train, valid, test; null",
    )


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_an_empty_split_is_refused_with_its_name(blend, split):
    refused(
        {**PRETRAIN, "data": {"per_split_data_args_path": blend({**SPLITS, split: []})}},
        rf"blend\.json: {split}: The list of this split is empty.* null",
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({**SPLITS, "validation": None}, "no split 'validation'. Did you mean 'valid'?"),
        ({**SPLITS, "train": None}, "no data to train on"),
        ({**SPLITS, "train": [1, "/a", 2]}, "A weight has no prefix"),
        ({**SPLITS, "train": [1, "/a", "x", "/b"]}, "'x' stands where a weight belongs"),
        ({**SPLITS, "train": [-1, "/a"]}, "positive numbers"),
        ({**SPLITS, "train": {"a": 1}}, "a list of weights and prefixes"),
        ([], "a mapping of splits"),
    ],
)
def test_a_blend_of_another_form_is_refused(blend, document, message):
    refused({**PRETRAIN, "data": {"per_split_data_args_path": blend(document)}}, message)


def test_a_blend_whose_data_is_gone_names_the_file(blend, tmp_path):
    file = blend(SPLITS)
    (tmp_path / "b.idx").unlink()
    gone = re.escape(f"{tmp_path}/b.idx is not there")
    refused({**PRETRAIN, "data": {"per_split_data_args_path": file}}, gone)


def test_a_blend_that_is_no_json_or_not_there_is_refused(tmp_path):
    file = tmp_path / "blend.json"
    refused({**PRETRAIN, "data": {"per_split_data_args_path": str(file)}}, "no such blend")
    file.write_text("{", "utf-8")
    refused({**PRETRAIN, "data": {"per_split_data_args_path": str(file)}}, "no JSON")
    refused({**PRETRAIN, "data": {"per_split_data_args_path": str(tmp_path)}}, "cannot be read")


def test_a_blend_for_a_recipe_of_fine_tuning_is_refused(blend):
    refused({**SFT, "data": {"per_split_data_args_path": blend(SPLITS)}}, "takes no blend")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"per_split_data_arg_path": "x"}, "Did you mean 'per_split_data_args_path'?"),
        ({"packed": {"root": "x"}, "per_split_data_args_path": "y"}, "not both"),
        ({"packed": "x"}, "no section"),
        ("x", "no section"),
        ({"packed": {"root": "x", "train": "y", "pack_sze": 1}}, "pack_sze"),
    ],
)
def test_other_data_settings_are_refused(data, message):
    refused({**SFT, "data": data}, message)


@pytest.fixture
def packs(tmp_path):
    """Packs of 4096 tokens, as data preparation leaves them."""

    def write(name, size=4096):
        root = tmp_path / "sft"
        root.mkdir()
        (root / "metadata.json").write_text(json.dumps({"pack_size": size}), "utf-8")
        train = root / name
        train.parent.mkdir(exist_ok=True)
        train.write_bytes(b"packs")
        return {"root": str(root), "train": str(train), "pack_size": 4096}

    return write


def test_packs_replace_the_data_of_the_recipe(packs):
    data = packs("train/0.parquet")
    config = load_recipe({**SFT, "data": {"packed": data}})
    dataset = config.dataset
    assert (type(dataset).__name__, dataset.dataset_root) == ("GPTSFTDatasetConfig", data["root"])
    assert (dataset.hf_dataset, dataset.num_workers) == (None, 7)
    assert (dataset.enable_offline_packing, dataset.do_validation) == (True, False)
    assert dataset.offline_packing_specs.packed_train_data_path == data["train"]
    assert dataset.seq_length == config.model.seq_length == 4096


@pytest.mark.parametrize("form", ["the folder", "a pattern"])
def test_packs_may_be_a_folder_or_a_pattern(packs, form):
    data = packs("train/0.parquet")
    folder = data["train"].rpartition("/")[0]
    data["train"] = folder if form == "the folder" else f"{folder}/*.parquet"
    data["validation"] = folder
    assert load_recipe({**SFT, "data": {"packed": data}}).dataset.do_validation is True


@pytest.fixture
def earlier(monkeypatch, wandb_utils):
    """As up to 0.5: the classes of the dataset and of its packing have other names."""
    importlib.import_module(RECIPES)
    for module in ("builders", "packing", "packing.parquet"):
        monkeypatch.setitem(sys.modules, f"megatron.bridge.data.{module}", None)
    return {"recipe": {"_target_": f"{RECIPES}.nemotron_earlier_sft_config"}}


def test_earlier_releases_get_their_own_classes(earlier, packs):
    data = packs("train/0.parquet")
    dataset = load_recipe({**earlier, "data": {"packed": data}}).dataset
    assert (type(dataset).__name__, dataset.num_workers) == ("FinetuningDatasetConfig", 7)
    assert dataset.packed_sequence_specs.packed_sequence_size == 4096


def test_a_release_without_parquet_says_so_and_takes_npy(earlier, packs, monkeypatch):
    reader = "megatron.bridge.data.datasets.packed_parquet"
    monkeypatch.setitem(sys.modules, reader, None)
    data = packs("train/0.parquet")
    message = r"reads packs from \.npy files, not from Parquet.* format=npy, or use 0\.4"
    refused({**earlier, "data": {"packed": data}}, message)
    npy = data["train"].replace("0.parquet", "training_4096.npy")
    Path(npy).touch()
    dataset = load_recipe({**earlier, "data": {"packed": {**data, "train": npy}}}).dataset
    assert dataset.packed_sequence_specs.packed_train_data_path == npy


def test_packs_that_are_gone_are_refused(packs, tmp_path):
    data = packs("train/0.parquet")
    gone = f"{tmp_path}/elsewhere"
    message = f"no packs at {gone}"
    refused({**SFT, "data": {"packed": {**data, "train": gone}}}, message)
    refused({**SFT, "data": {"packed": {**data, "validation": gone}}}, message)


def test_a_pack_size_other_than_the_datas_is_refused(packs):
    data = packs("train/0.parquet", size=8192)
    message = r"8192 tokens by .*metadata\.json, and dataset\..*packed_sequence_size is 4096"
    refused({**SFT, "data": {"packed": data}}, message)


@pytest.mark.parametrize("section", ["model", "dataset"])
def test_a_sequence_length_other_than_the_packs_is_refused(packs, section):
    settings = {section: {"seq_length": 2048}}
    refused(
        {**SFT, "data": {"packed": packs("train/0.parquet")}, **settings},
        rf"4096 tokens .*, and {section}\.seq_length is 2048",
        where=f"{section}.seq_length",
    )


def test_the_size_in_the_name_of_an_npy_file_counts(packs):
    data = packs("train/training_8192.npy", size=None)
    refused({**SFT, "data": {"packed": data}}, r"8192 tokens by training_8192\.npy")


def test_packs_that_a_dataset_of_the_configuration_names_are_checked_too(packs):
    data = packs("train/0.parquet", size=8192)
    dataset = {
        "_target_": "megatron.bridge.data.builders.GPTSFTDatasetConfig",
        "seq_length": 8192,
        "offline_packing_specs": {
            "_target_": "megatron.bridge.data.packing.PackedSequenceSpecs",
            "packed_sequence_size": 8192,
            "packed_train_data_path": data["train"],
        },
    }
    refused({**SFT, "dataset": dataset}, r"8192 tokens by .*, and model\.seq_length is 2048")
    config = load_recipe({**SFT, "dataset": dataset, "model": {"seq_length": 8192}})
    assert config.dataset.offline_packing_specs.packed_sequence_size == 8192


def test_references_of_an_artifact_become_packs(packs, tmp_path):
    data = packs("train/0.parquet")
    config = OmegaConf.create(
        {
            "run": {"data": "sft-data:latest"},
            "artifacts": {"manifest": {"root": str(tmp_path / "store")}},
            **SFT,
            "data": {
                "packed": {
                    "root": "${art:data,path}",
                    "train": "${art:data,training_path}",
                    "pack_size": "${art:data,pack_size}",
                }
            },
        }
    )
    artifact = SFTDataArtifact(
        path=data["root"], pack_size=4096, total_tokens=1, training_path=data["train"]
    )
    with setup_artifact_tracking({"artifacts": config.artifacts}) as tracking:
        log_artifact(artifact, tracking, name="sft-data")
    with setup_artifact_tracking(config):
        assert load_recipe(config).dataset.seq_length == 4096


@pytest.fixture
def model(tmp_path):
    """A save directory with two iterations."""
    place = tmp_path / "pretrain"
    for iteration in (10, 20):
        (place / f"iter_{iteration:07d}").mkdir(parents=True)
    (place / "latest_checkpointed_iteration.txt").write_text("20", "utf-8")
    return place


def starting_from(place, **checkpoint):
    return {**SFT, "checkpoint": {"pretrained_checkpoint": str(place), **checkpoint}}


def test_a_save_directory_is_taken_and_a_step_of_it(model):
    assert load_recipe(starting_from(model)).checkpoint.pretrained_checkpoint == str(model)
    assert load_recipe(starting_from(model, ckpt_step=10)).checkpoint.ckpt_step == 10


def test_a_model_and_its_step_may_stand_among_the_recipes_arguments(model):
    recipe = {**SFT["recipe"], "pretrained_checkpoint": str(model), "ckpt_step": 10}
    checkpoint = load_recipe({"recipe": recipe}).checkpoint
    assert (checkpoint.pretrained_checkpoint, checkpoint.ckpt_step) == (str(model), 10)


def test_a_model_artifact_whose_path_is_gone_is_named(tmp_path):
    gone = tmp_path / "gone"
    config = {"run": {"model": "nano3-pretrain-model:v3"}, **starting_from(gone)}
    message = (
        rf"The model nano3-pretrain-model:v3 is not at {re.escape(str(gone))} any more.* --art"
    )
    refused(config, message, where="checkpoint.pretrained_checkpoint")
    refused(starting_from(gone), "There is no model at")


def test_a_directory_without_iterations_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    refused(starting_from(tmp_path / "empty"), r"it has no iterations \(iter_NNNNNNN\)")


def test_iterations_that_no_file_names_are_refused(model):
    (model / "latest_checkpointed_iteration.txt").unlink()
    refused(starting_from(model), "has iter_0000010, iter_0000020 and no latest_checkpointed")
    (model / "latest_train_state.pt").write_bytes(b"state")
    load_recipe(starting_from(model))


def test_a_tracker_file_that_holds_something_else_is_refused(model):
    (model / "latest_checkpointed_iteration.txt").write_text("last", "utf-8")
    refused(starting_from(model), "'last', which is no iteration")
    (model / "latest_checkpointed_iteration.txt").write_text("release", "utf-8")
    load_recipe(starting_from(model))


def test_fine_tuning_starts_from_a_model_or_goes_on(model, tmp_path):
    def required(**checkpoint):
        require_model(load_recipe({**SFT, "checkpoint": checkpoint}))

    required(pretrained_checkpoint=str(model), load=None)
    required(load=str(model))
    required(load="s3://bucket/saved")
    with pytest.raises(ConfigError, match=r"to start from, and /nowhere has no .*--art\.model"):
        required(load="/nowhere")
    with pytest.raises(ConfigError, match=r"No model is named to start from\. Name one"):
        required(load=None)


def test_a_step_that_the_model_lacks_is_refused(model):
    refused(
        starting_from(model, ckpt_step=30),
        "no iteration 30; it has iter_0000010, iter_0000020",
        where="checkpoint.ckpt_step",
    )
    refused(
        starting_from(model / "iter_0000010", ckpt_step=20),
        rf"is one iteration alone, so there is no 20.* or give {re.escape(str(model))} as",
        where="checkpoint.ckpt_step",
    )


def test_a_tokenizer_that_the_data_does_not_name_is_asked_for():
    settings = {"tokenizer": {"tokenizer_model": None}}
    refused({**PRETRAIN, **settings}, "No tokenizer is named.* Imported data may not say")
    settings["tokenizer"]["tokenizer_type"] = "NullTokenizer"
    assert load_recipe({**PRETRAIN, **settings}).tokenizer.tokenizer_model is None


def test_other_forms_are_taken_where_the_release_loads_them(model, tmp_path, wandb_utils):
    hf = tmp_path / "hf"
    hf.mkdir()
    (hf / "config.json").write_text("{}", "utf-8")
    (model / "release").mkdir()
    for form in (model / "iter_0000010", model / "release", hf):
        load_recipe(starting_from(form))
    helpers = sys.modules["megatron.bridge.training.utils.checkpoint_utils"]
    del helpers.is_checkpoint_iteration_directory, helpers.is_hf_checkpoint_dir
    message = (
        f"does not load one iteration's directory.* Give {re.escape(str(model))}, and the step"
    )
    refused(starting_from(model / "iter_0000010"), message)
    refused(starting_from(hf), "does not load Hugging Face models.* Convert")


def test_without_the_framework_the_container_is_named():
    config = {"run": {"env": {"container": "nvcr.io/nvidia/nemo:26.08"}}, **PRETRAIN}
    message = r"not installed here; this recipe runs in the container nvcr\.io/nvidia/nemo:26\.08"
    with pytest.raises(ExecutionError, match=message):
        load_recipe(config)
    with pytest.raises(ExecutionError, match="a container that brings it"):
        load_recipe(PRETRAIN)
