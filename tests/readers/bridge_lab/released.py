"""Import Megatron-Bridge's recipes and configuration classes as they are.

Its packages' ``__init__`` import every model family, and with them libraries that only a GPU
machine has: an empty package with the right path stands for each. What the modules themselves
import and do not run holds anything. The one part of theirs that is replaced asks the Hub for a
model's configuration; here it answers with the release's own class of that model.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from bridge_lab.anything import Module, StandIns

_LIBRARIES = (
    "PIL",
    "datasets",
    "einops",
    "modelopt",
    "nvidia_resiliency_ext",
    "regex",
    "rich",
    "safetensors",
    "six",
    "tensorboard",
    "torch",
    "transformer_engine",
    "transformers",
)
_UNTOUCHED = (
    "megatron.energon",
    "megatron.core.inference",
    "megatron.core.ssm.ops",
    "megatron.core.transformer.custom_layers.batch_invariant_kernels",
    "megatron.core.transformer.moe.ops",
    "megatron.core.transformer.moe.paged_stash",
    "megatron.bridge.models.hf_pretrained",
    "megatron.bridge.models.conversion",
)
_BRIDGE, _MODELS = "megatron.bridge", "megatron.bridge.models"
_PACKAGES = {
    _BRIDGE: {},
    "megatron.bridge.recipes": {},
    _MODELS: {
        "GPTModelProvider": f"{_MODELS}.gpt_provider",
        "T5ModelProvider": f"{_MODELS}.t5_provider",
    },
}
# What the framework's conversion sets for the family, whatever the model's size.
_OF_EVERY_MODEL = {
    "position_embedding_type": "none",
    "apply_query_key_layer_scaling": False,
    "attention_softmax_in_fp32": False,
    "moe_router_score_function": "sigmoid",
    "moe_router_enable_expert_bias": True,
    "moe_router_load_balancing_type": "seq_aux_loss",
    "moe_router_dtype": "fp32",
    "moe_grouped_gemm": True,
    "moe_permute_fusion": True,
}


class AutoBridge:
    """Answers with a model of the family's class, without the sizes that the Hub knows."""

    @classmethod
    def from_hf_pretrained(cls, _name: str, **_others: Any) -> AutoBridge:
        return cls()

    def to_megatron_provider(self, **_others: Any) -> Any:
        model = _class_of_the_family()()
        for name, value in _OF_EVERY_MODEL.items():
            assert hasattr(model, name), name
            setattr(model, name, value)
        return model


def _class_of_the_family() -> Any:
    """It was renamed in 0.6."""
    for module, name in (("hybrid.hybrid", "HybridModel"), ("mamba.mamba", "MambaModel")):
        with suppress(ModuleNotFoundError):
            return getattr(
                importlib.import_module(f"{_MODELS}.{module}_provider"), f"{name}Provider"
            )
    raise AssertionError("the release has no such model")


@contextmanager
def released_bridge() -> Iterator[None]:
    """Make ``megatron.bridge`` importable; afterwards nothing of it is left."""
    missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    stand_ins = StandIns((*missing, *_UNTOUCHED))
    before = _taken_out()
    sys.meta_path.insert(0, stand_ins)
    try:
        for name, exports in _PACKAGES.items():
            sys.modules[name] = _Package(name, exports)
        sys.modules[_BRIDGE].AutoBridge = AutoBridge  # type: ignore[attr-defined]
        _answer_validation()
        yield
    finally:
        sys.meta_path.remove(stand_ins)
        stand_ins.forget()
        _taken_out()
        sys.modules.update(before)


def _answer_validation() -> None:
    """Let libraries say what the framework's own validation asks them."""
    distributed = importlib.import_module("torch.distributed")
    if isinstance(distributed, Module):
        distributed.is_initialized = distributed.is_available = lambda: False
    optimizers = importlib.import_module("transformer_engine.pytorch.optimizers")
    optimizers.FusedAdam = FusedAdam


class FusedAdam:
    """Takes what Transformer Engine's own takes since 2.1, by which it is recognized."""

    def __init__(
        self,
        *,
        master_weight_dtype: Any,
        exp_avg_dtype: Any,
        exp_avg_sq_dtype: Any,
        use_decoupled_grad: bool,
    ) -> None: ...


def _taken_out() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name.partition(".")[0] == "megatron"]
    return {name: sys.modules.pop(name) for name in names}


class _Package(ModuleType):
    """A package whose modules are found, and whose ``__init__`` is not run.

    Args:
        name: Its name.
        exports: Names that others import from it, and the modules that have them.
    """

    def __init__(self, name: str, exports: dict[str, str]) -> None:
        super().__init__(name)
        top, *below = name.split(".")
        found = PathFinder.find_spec(top, sys.path)
        folders = [
            Path(folder, *below) for folder in (found and found.submodule_search_locations) or ()
        ]
        self.__path__ = [str(folder) for folder in folders if folder.is_dir()]
        self.__spec__ = ModuleSpec(name, None, is_package=True)
        self._exports = exports

    def __getattr__(self, name: str) -> Any:
        exports = self.__dict__.get("_exports", {})
        if name not in exports:
            raise AttributeError(name)
        return getattr(importlib.import_module(exports[name]), name)
