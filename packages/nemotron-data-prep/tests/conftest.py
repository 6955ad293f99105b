from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from nemotron_data_prep.chat.template_choice import template_source

# What an example takes says nothing on a busy machine; and each run tries the same ones.
settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("steady")

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MARKUP = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>"]
LEARNT = [
    "The quick brown fox jumps over the lazy dog, and what is the answer to the question?",
    "system user assistant function parameter name value tools",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
]


def build_tokenizer(vocabulary: int = 400) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(LEARNT, trainer)
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in MARKUP])
    return tokenizer


@pytest.fixture(scope="session")
def tokenizer_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    build_tokenizer().save(str(folder / "tokenizer.json"))
    document = {
        "eos_token": "<|im_end|>",
        "chat_template": template_source("nano3", {}, folder),
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def tokenizer(tokenizer_dir: Path) -> Tokenizer:
    return Tokenizer.from_file(str(tokenizer_dir / "tokenizer.json"))


def write_jsonl(path: Path, records: Iterable[Any]) -> Path:
    lines = [
        record if isinstance(record, str) else json.dumps(record, ensure_ascii=False)
        for record in records
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def blend(tmp_path: Path) -> Callable[..., Path]:
    """Write datasets and a blend file: ``blend(name=[records])`` or ``blend({...entry})``."""

    def write(*entries: Mapping[str, Any], **datasets: Iterable[Any]) -> Path:
        listed = [dict(entry) for entry in entries]
        for name, records in datasets.items():
            write_jsonl(tmp_path / "data" / f"{name}.jsonl", records)
            listed.append({"name": name, "path": f"data/{name}.jsonl"})
        path = tmp_path / "blend.json"
        path.write_text(json.dumps({"datasets": listed}), encoding="utf-8")
        return path

    return write


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def files_below() -> Callable[[Path], dict[str, bytes]]:
    return tree
