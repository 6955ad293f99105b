"""Convert small models with the frameworks' own exporters, and compare every weight.

    python tools/try_conversion.py megatron
    python tools/try_conversion.py nemo-rl CHECKOUT [--revision REV]

The first needs megatron-bridge, megatron-core, torch, transformers and what those import, but no
GPU and no Transformer Engine: what is missing of such libraries is stood in for, and Megatron's own
layers take their place. The second needs torch, transformers and a checkout of NeMo-RL. A model is
saved as the framework saves it, and converted with another one as the reference, which must not
show in the result.
"""

# ruff: noqa: INP001 - a script

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from check_contracts import Source, say

from nemo_runspec.artifacts import (
    ModelArtifact,
    log_artifact,
    log_artifact_once,
    setup_artifact_tracking,
)
from nemo_runspec.conversion import Exporter, convert_model, find_model
from nemo_runspec.model_formats import ModelFormat
from nemotron_kit_megatron import MegatronExporter
from nemotron_kit_nemorl import DcpExporter

ROOT = Path(__file__).parents[1]
TOKENIZER = ROOT / "recipes" / "sample" / "tokenizer" / "tokenizer.json"
CONVERTER = "nemo_rl/utils/native_checkpoint.py"
STEP = 5
# fmt: off
WITHOUT_GPU = (
    "PIL", "accelerate", "apex", "av", "causal_conv1d", "datasets", "diffusers", "fla",
    "flash_attn", "flash_linear_attention", "google", "mamba_ssm", "megatron.energon",
    "modelopt", "multistorageclient", "nvdlfw_inspect", "nvidia_resiliency_ext", "open_clip",
    "qwen_vl_utils", "sentencepiece", "tensorboard", "timm", "torchvision", "transformer_engine",
    "transformer_engine_torch", "triton", "wandb",
)
# fmt: on
FUSIONS = (
    "apply_rope_fusion",
    "bias_activation_fusion",
    "bias_dropout_fusion",
    "gradient_accumulation_fusion",
    "masked_softmax_fusion",
    "persist_layer_norm",
)


def main() -> int:
    """Convert, and compare; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("framework", choices=("megatron", "nemo-rl"))
    parser.add_argument("checkout", type=Path, nargs="?")
    parser.add_argument("--revision", help="what to read of a git repository")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reference, trained = small_model(folder / "reference", 0), small_model(folder / "own", 1)
        if given.framework == "megatron":
            checkpoint = save_megatron(folder, trained)
            exporter: Exporter = MegatronExporter(str(reference))
            results = [converted(folder, checkpoint, "megatron", exporter)]
        else:
            place_converter(Source(given.checkout, given.revision), folder)
            saved = [save_dcp(folder, trained, reference, below) for below in ("", "model")]
            results = [converted(folder, each, "dcp", DcpExporter()) for each in saved]
        failed = [each for each in results if not equal(each, trained, reference)]
        return 1 if failed else 0


def small_model(folder: Path, seed: int) -> Path:
    """Save a model of two layers, with a tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(seed)
    size = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": False}
    config = LlamaConfig(vocab_size=1024, **size, **heads)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_file=str(TOKENIZER)).save_pretrained(folder)
    return folder


def save_megatron(folder: Path, model: Path) -> Path:
    """Save a model as training with Megatron-Bridge saves it."""
    import torch

    # Core decides what it builds by what is there, so it comes before the stand-ins.
    importlib.import_module("megatron.core.models.gpt.gpt_layer_specs")
    sys.path.insert(0, str(ROOT / "tests" / "readers"))
    stand_ins = importlib.import_module("bridge_lab.anything").StandIns
    sys.meta_path.append(stand_ins([name for name in WITHOUT_GPU if not is_there(name)]))
    # Only saving the state of random numbers asks for a device.
    torch.cuda.get_rng_state = lambda *_: torch.get_rng_state()
    torch.cuda.synchronize = lambda *_: None
    torch.cuda.current_device = lambda: "cpu"
    providers: Any = importlib.import_module("megatron.bridge.models.gpt_provider")
    providers.transformer_engine_layer_spec = providers.local_layer_spec
    bridge = importlib.import_module("megatron.bridge").AutoBridge.from_hf_pretrained(str(model))
    loading = importlib.import_module("megatron.bridge.training.model_load_save")
    with loading.temporary_distributed_context(backend="gloo"):
        provider = bridge.to_megatron_provider(load_weights=True)
        settings = dict.fromkeys(FUSIONS, False) | {"bf16": True, "params_dtype": torch.bfloat16}
        for key, value in settings.items():
            setattr(provider, key, value)
        provider.finalize()
        layers = provider.provide_distributed_model(
            wrap_with_ddp=False, use_cpu_initialization=True
        )
        bridge.save_megatron_model(layers, folder / "megatron", hf_tokenizer_path=str(model))
    return folder / "megatron" / "iter_0000000"


def save_dcp(folder: Path, model: Path, reference: Path, below: str) -> Path:
    """Save a model as NeMo-RL's DTensor backends do: the first, or the one that nests it."""
    from torch.distributed import checkpoint

    step = folder / f"dtensor{below}" / f"step_{STEP}"
    weights = step / "policy" / "weights" / below
    weights.mkdir(parents=True)
    state = weights_of(model)
    content = dict(state) if below else {"model": dict(state)}
    checkpoint.save(content, checkpoint_id=str(weights), no_dist=True)
    named = f"{{model_name: {reference}, tokenizer: {{name: {reference}}}}}"
    (step / "config.yaml").write_text(f"policy: {named}\n", "utf-8")
    return step


def place_converter(source: Source, folder: Path) -> None:
    """Put NeMo-RL's converter where it is imported from."""
    text = source.read(CONVERTER)
    if text is None:
        raise SystemExit(f"{source.place}: {CONVERTER} is not there.")
    file = folder / "packages" / CONVERTER
    file.parent.mkdir(parents=True)
    for package in (file.parent, file.parent.parent):
        (package / "__init__.py").touch()
    file.write_text(text, "utf-8")
    sys.path.insert(0, str(folder / "packages"))


def converted(folder: Path, checkpoint: Path, kind: ModelFormat, exporter: Exporter) -> Path:
    """Record a checkpoint, and convert it as the recipe does."""
    step = 0 if kind == "megatron" else STEP
    own = {"absolute_path": str(checkpoint)}
    saved = ModelArtifact(path=checkpoint.parent, step=step, format=kind, metadata=own)
    with setup_artifact_tracking(
        {"artifacts": {"manifest": {"root": str(folder / "store")}}}
    ) as tracking:
        ref = log_artifact(saved, tracking, name=checkpoint.parent.name).ref
        made = convert_model(find_model(tracking, ref), folder / "hf", exporter)
        log_artifact_once(made.artifact, tracking, name=f"{checkpoint.parent.name}-hf")
    say(f"{ref} ({kind}) by {made.made_by}: {sorted(file.name for file in made.folder.iterdir())}")
    return made.folder


def equal(folder: Path, model: Path, reference: Path) -> bool:
    """Whether a folder loads as one model to the bit, and not as another."""
    found, own, other = weights_of(folder), weights_of(model), weights_of(reference)
    same = found.keys() == own.keys() and all((found[key] == own[key]).all() for key in own)
    mixed = any((found[key] == other[key]).all() for key in found if "norm" not in key)
    say(f"{len(found)} weights; equal: {same}; of the reference: {mixed}")
    return same and not mixed


def weights_of(folder: Path) -> Mapping[str, Any]:
    """The weights of a model, loaded as users load it."""
    import torch
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.bfloat16)
    state: Mapping[str, Any] = loaded.state_dict()
    return state


def is_there(name: str) -> bool:
    """Whether a library is installed."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main())
