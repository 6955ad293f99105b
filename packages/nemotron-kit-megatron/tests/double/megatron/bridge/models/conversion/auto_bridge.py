"""The exporter's stand-in: the numbers in a checkpoint's ``weights.json`` are its weights.

As in the source, a bridge from a reference writes the files that the reference has, and refuses
(``strict``) or leaves out what it does not; one from the checkpoint writes what is there.
"""

# ruff: noqa: ARG002, ARG003, FBT002 - the signatures are the framework's

from __future__ import annotations

import json
from pathlib import Path

USUAL = {"embedding": 1, "layer": 2}


class AutoBridge:
    def __init__(self, reference, own_shape):
        self.reference = Path(reference)
        self.own_shape = own_shape

    @classmethod
    def from_hf_pretrained(cls, path, **kwargs):
        assert kwargs.keys() == {"trust_remote_code"}
        return cls(path, own_shape=False)

    @classmethod
    def from_auto_config(cls, megatron_path, hf_model_id, trust_remote_code=False):
        if not (Path(megatron_path) / "run_config.yaml").is_file():
            raise FileNotFoundError(megatron_path)
        return cls(hf_model_id, own_shape=True)

    def load_megatron_model(self, path, *, mp_overrides=None, **kwargs):
        folders = sorted(Path(path).glob("iter_*"))
        weights = (folders or [Path(path)])[-1] / "weights.json"
        return json.loads(weights.read_text("utf-8")) if weights.is_file() else USUAL

    def export_ckpt(
        self, megatron_path, hf_path, show_progress=True, strict=False, source_path=None
    ):
        weights = self.load_megatron_model(megatron_path)
        folder = Path(hf_path)
        folder.mkdir(parents=True)
        config = json.loads((self.reference / "config.json").read_text("utf-8"))
        (folder / "config.json").write_text(json.dumps(config | {"layers": len(weights)}))
        (folder / "tokenizer.json").write_text((self.reference / "tokenizer.json").read_text())
        expected = config["weights"]
        if not self.own_shape:
            if strict and set(expected) != weights.keys():
                raise RuntimeError("tensors from the original checkpoint were not written")
            weights = {name: weights[name] for name in expected if name in weights}
        header = json.dumps(
            {
                name: {"dtype": "U8", "shape": [1], "data_offsets": [at, at + 1]}
                for at, name in enumerate(weights)
            }
        ).encode()
        content = len(header).to_bytes(8, "little") + header + bytes(weights.values())
        (folder / "model.safetensors").write_bytes(content)
