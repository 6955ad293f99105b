"""The converter's stand-in: it writes down what it was given."""

# ruff: noqa: FBT002, PLR0917 - the signature is the framework's

from __future__ import annotations

import json
from pathlib import Path


def convert_dcp_to_hf(
    dcp_ckpt_path,
    hf_ckpt_path,
    model_name_or_path,
    tokenizer_name_or_path,
    overwrite=False,
    hf_overrides={},  # noqa: B006 - as in the source
):
    folder = Path(hf_ckpt_path)
    if folder.exists() and not overwrite:
        raise FileExistsError(hf_ckpt_path)
    folder.mkdir()
    (folder / "pytorch_model.bin").write_bytes(b"weights")
    (folder / "tokenizer.json").write_text(tokenizer_name_or_path)
    given = {"weights": dcp_ckpt_path, "model": model_name_or_path, **hf_overrides}
    (folder / "config.json").write_text(json.dumps(given))
    return hf_ckpt_path
