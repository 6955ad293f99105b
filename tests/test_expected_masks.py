"""Masks written by hand, against what the fast library writes and ``data inspect`` shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, pre_tokenizers

from nemotron_data_prep import SftPrepConfig, SplitRatios, prepare_sft
from nemotron_data_prep.inspection import Request, inspect_data

ROOT = Path(__file__).parents[1]
CONVERSATIONS = ROOT / "packages" / "nemotron-data-prep" / "tests" / "conversations"
EXPECTED = sorted(CONVERSATIONS.glob("*/*.txt"))


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's tokenizer with a pre-tokenizer that the fast library knows."""
    folder = tmp_path_factory.mktemp("tokenizer")
    known = Tokenizer.from_file(str(ROOT / "recipes" / "sample" / "tokenizer" / "tokenizer.json"))
    known.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    known.save(str(folder / "tokenizer.json"))
    return folder


@pytest.mark.parametrize("path", EXPECTED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_fast_library_trains_what_is_expected(
    path: Path, tokenizer: Path, tmp_path: Path
) -> None:
    record = json.loads((CONVERSATIONS / f"{path.stem}.json").read_text(encoding="utf-8"))
    (tmp_path / "chat.jsonl").write_text(json.dumps(record) + "\n")
    (tmp_path / "blend.json").write_text('{"datasets": [{"name": "chat", "path": "chat.jsonl"}]}')
    template = path.parent / "template.jinja"
    result = prepare_sft(
        SftPrepConfig(
            blend=tmp_path / "blend.json",
            tokenizer=tokenizer,
            tokenizer_backend="fast",
            chat_template=str(template) if template.exists() else path.parent.name,
            on_template_mismatch="keep",
            output_dir=tmp_path / "out",
            split=SplitRatios(train=1.0, valid=0.0, test=0.0),
            workers=1,
        )
    )
    found = inspect_data(Request(path=result.path, tokenizer=tokenizer, records=10, limit=10_000))
    texts = [
        "".join(f"⟦{piece.text}⟧" if piece.trained else piece.text for piece in each.pieces)
        for each in found.records
    ]
    expected = path.read_text(encoding="utf-8").split("--- next sequence ---\n")
    assert sorted(texts, key=len) == expected
