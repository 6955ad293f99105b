"""The doubles of the package tests, and the hooks themselves, held against the frameworks' source.

The snapshots are written by ``tools/check_contracts.py`` from the revisions that they name.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SNAPSHOTS = Path(__file__).parent
TOOL = ROOT / "tools" / "check_contracts.py"
MEGATRON = ROOT / "packages" / "nemotron-kit-megatron" / "tests" / "double"
NEMO_RL = ROOT / "packages" / "nemotron-kit-nemorl" / "tests" / "double"


@pytest.fixture(scope="session")
def tool():
    spec = importlib.util.spec_from_file_location("check_contracts", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def snapshot(framework, release):
    return json.loads((SNAPSHOTS / framework / f"{release}.json").read_text("utf-8"))["contract"]


def releases(framework):
    return sorted(file.stem for file in (SNAPSHOTS / framework).glob("*.json"))


def saved_in_order(contract):
    """What every release does when a save is whole; what only some do is left out."""
    common = ("train_state", "_post_save", "wandb", "fire_callback")
    return [each for each in contract["saving"]["finalizing"] if each["name"].startswith(common)]


@pytest.mark.parametrize("release", releases("nemo-rl"))
def test_every_release_of_nemo_rl_has_what_the_hooks_need(release):
    manager = snapshot("nemo-rl", release)["CheckpointManager"]
    finishing = next(
        name for name in ("_rename_checkpoint", "finalize_checkpoint") if name in manager
    )
    assert manager[finishing]["parameters"] == ["self", "checkpoint_path"]
    assert manager["remove_old_checkpoints"]["parameters"] == ["self", "exclude_latest="]
    ways = [name for name in ("finalize_checkpoint", "begin_finalization") if name in manager]
    for name in ways:
        # Renamed first, deleted after: a version is recorded before it can be withdrawn.
        steps = manager[name]["steps"]
        if finishing == "_rename_checkpoint":
            assert steps.index("_rename_checkpoint") < steps.index("remove_old_checkpoints")
        else:
            assert steps == ["remove_old_checkpoints"]
    assert set(snapshot("nemo-rl", release)["training_calls"]) <= set(ways)


@pytest.mark.parametrize(
    ("double", "release"),
    [("CheckpointManager", "main"), ("EarlierCheckpointManager", "v0.7.0")],
)
def test_the_double_of_nemo_rl_is_like_the_source(tool, double, release):
    module = ast.parse((NEMO_RL / "nemo_rl" / "utils" / "checkpoint.py").read_text("utf-8"))
    methods = tool.functions(tool.classes(module)[double])
    real = snapshot("nemo-rl", release)["CheckpointManager"]
    checked = tool.manager_contract(methods)
    if double == "EarlierCheckpointManager":
        # These are assigned from the other double; shutdown is its own.
        assert "shutdown" not in real
        del checked["shutdown"]
    assert checked == {name: real[name] for name in checked}
    assert {"__init__", "finalize_checkpoint"} <= checked.keys()
    assert double != "CheckpointManager" or checked.keys() == real.keys()


@pytest.mark.parametrize("release", releases("megatron-bridge"))
def test_every_release_of_megatron_bridge_has_what_the_hooks_need(release):
    contract = snapshot("megatron-bridge", release)
    assert {"on_train_start", "on_train_end"} <= set(contract["events"])
    assert contract["pretrain"][-1] == "callbacks="
    hook = ["checkpoint_path", "save_dir", "iteration", "wandb_writer"]
    assert contract["on_save_checkpoint_success"] == hook
    assert contract["saving"]["hook_gets"][:2] == ["checkpoint_name", "save_dir"]
    assert contract["names"] == ["latest_checkpointed_iteration.txt", "iter_{:07d}"]
    order = saved_in_order(contract)
    assert order[:3] == [
        {"name": "train_state_finalize_fn", "only": ["first rank"]},
        {"name": "_post_save_global_barrier", "only": []},
        {"name": "wandb_finalize_fn", "only": ["kind", "last rank"]},
    ]
    fires = order[3:] == [{"name": "fire_callback", "only": []}]
    assert fires == ("on_checkpoint_save" in contract["events"])
    packed = contract["packed_data"]
    dataset = packed.get("GPTSFTDatasetConfig") or packed["FinetuningDatasetConfig"]
    assert {"dataset_root", "seq_length", "do_validation", "do_test"} <= set(dataset["fields"])
    assert {"offline_packing_specs", "packed_sequence_specs"} & set(dataset["fields"])
    names = {"packed_sequence_size", "packed_train_data_path", "packed_val_data_path"}
    assert names <= set(packed["PackedSequenceSpecs"]["fields"])


def test_the_double_of_megatron_bridge_is_like_the_source(tool):
    training = MEGATRON / "megatron" / "bridge" / "training"

    def tree(name):
        return ast.parse((training / f"{name}.py").read_text("utf-8"))

    real = snapshot("megatron-bridge", "main")
    assert tool.assigned_texts(tree("callbacks"), "VALID_EVENTS") == real["events"]
    assert tool.callback_contract(tree("callbacks")) == real["callbacks"]
    for name in ("pretrain", "finetune"):
        assert tool.parameters(tool.functions(tree(name))[name]) == real[name]
    hook = tool.functions(tree("utils/wandb_utils"))["on_save_checkpoint_success"]
    assert tool.parameters(hook) == real["on_save_checkpoint_success"]
    save = tool.functions(tree("checkpointing"))["save_checkpoint"]
    assert list(tool.finalizing(save)) == saved_in_order(real)
    earlier = snapshot("megatron-bridge", "v0.3.1")
    older = tool.functions(tree("finetune"))["finetune_of_0_3"]
    assert tool.parameters(older) == earlier["finetune"]
    assert "on_checkpoint_save" not in earlier["events"]


def run(*words):
    command = [sys.executable, str(TOOL), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def checkout(tmp_path):
    """A folder that has NeMo-RL's module, as the double has it."""
    file = tmp_path / "nemo_rl" / "utils" / "checkpoint.py"
    file.parent.mkdir(parents=True)
    file.write_bytes((NEMO_RL / "nemo_rl" / "utils" / "checkpoint.py").read_bytes())
    return tmp_path


def test_the_tool_names_each_difference(checkout):
    file = checkout / "nemo_rl" / "utils" / "checkpoint.py"
    text = file.read_text("utf-8").replace("def _rename_checkpoint(", "def _publish_checkpoint(")
    file.write_text(text, "utf-8")
    done = run(checkout)
    assert done.returncode == 1
    assert "CheckpointManager._rename_checkpoint: the snapshot has" in done.stdout
    assert "the source None" in done.stdout
    assert "nemo-rl: " in done.stdout
    assert "differences from main.json" in done.stdout


def test_the_tool_finds_none_in_what_the_snapshot_was_made_of(
    checkout, tool, monkeypatch, tmp_path
):
    monkeypatch.setattr(tool, "SNAPSHOTS", tmp_path / "snapshots")
    assert tool.main([str(checkout), "--write", "main"]) == 0
    assert tool.main([str(checkout)]) == 0


def test_the_tool_reads_a_revision_of_a_repository(checkout, tool, monkeypatch, tmp_path):
    def git(*words):
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        command = ["git", "-C", str(checkout), *identity, *words]
        subprocess.run(command, check=True, capture_output=True)

    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    git("tag", "v9")
    (checkout / "nemo_rl" / "utils" / "checkpoint.py").write_text("", "utf-8")
    monkeypatch.setattr(tool, "SNAPSHOTS", tmp_path / "snapshots")
    assert tool.main([str(checkout), "--revision", "v9", "--write", "v9"]) == 0
    written = json.loads((tmp_path / "snapshots" / "nemo-rl" / "v9.json").read_text("utf-8"))
    assert len(written["commit"]) == 40
    assert tool.main([str(checkout), "--revision", "v9"]) == 0
    assert tool.main([str(checkout), "--against", "v9"]) == 1


def test_the_tool_says_where_there_is_no_framework(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 1
    assert "neither nemo_rl/utils/checkpoint.py nor megatron/bridge" in done.stderr


@pytest.mark.parametrize("release", releases("megatron-bridge"))
def test_every_release_of_megatron_bridge_exports_as_the_adapter_asks(release):
    bridge = snapshot("megatron-bridge", release)["AutoBridge"]
    assert bridge["from_hf_pretrained"] == ["cls", "path", "**kwargs"]
    asked = ["megatron_path", "hf_path", "show_progress=", "strict="]
    assert bridge["export_ckpt"][1:5] == asked
    # Where it lacks, a model of its own shape is refused with the releases that have it.
    given = ["cls", "megatron_path", "hf_model_id", "trust_remote_code="]
    assert bridge.get("from_auto_config", given) == given


@pytest.mark.parametrize("release", releases("nemo-rl"))
def test_every_release_of_nemo_rl_converts_as_the_adapter_asks(release):
    (given,) = snapshot("nemo-rl", release)["convert_dcp_to_hf"]
    assert given[:4] == [
        "dcp_ckpt_path",
        "hf_ckpt_path",
        "model_name_or_path",
        "tokenizer_name_or_path",
    ]


def test_the_doubles_of_the_exporters_are_like_the_source(tool):
    module = MEGATRON / "megatron" / "bridge" / "models" / "conversion" / "auto_bridge.py"
    tree = ast.parse(module.read_text("utf-8"))
    assert tool.exporter_contract(tree) == snapshot("megatron-bridge", "main")["AutoBridge"]
    module = NEMO_RL / "nemo_rl" / "utils" / "native_checkpoint.py"
    double = tool.functions(ast.parse(module.read_text("utf-8")))["convert_dcp_to_hf"]
    assert [tool.parameters(double)] == snapshot("nemo-rl", "main")["convert_dcp_to_hf"]
