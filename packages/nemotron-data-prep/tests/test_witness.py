"""Translated templates are held against Jinja while the data is rendered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nemo_runspec.errors import DataError
from nemotron_data_prep import SftPrepConfig, SplitRatios, prepare_sft
from nemotron_data_prep.chat.compiled.program import Program, Written
from nemotron_data_prep.chat.messages import read_conversation
from nemotron_data_prep.chat.witness import ONE_IN
from nemotron_data_prep.sampling import content_key

Blend = Callable[..., Path]


def chat(number: int) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": f"Question {number}?"},
            {"role": "assistant", "content": f"Answer {number}."},
        ]
    }


def config(blend: Path, tokenizer: Path, output: Path, **options: Any) -> SftPrepConfig:
    everything = SplitRatios(train=1, valid=0, test=0)
    common: dict[str, Any] = {"split": everything, "pack_size": 256, "workers": 1}
    return SftPrepConfig(blend=blend, tokenizer=tokenizer, output_dir=output, **common, **options)


def spoil(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """Have translated templates write something else wherever a word comes up."""
    run = Program.run

    def wrong(self: Program, *arguments: Any) -> Written:
        written = run(self, *arguments)
        written.texts[:] = [text.replace(word, word.upper()) for text in written.texts]
        return written

    monkeypatch.setattr(Program, "run", wrong)


def test_a_wrong_translation_stops_the_run_and_jinja_goes_on(
    blend: Blend,
    tokenizer_dir: Path,
    tmp_path: Path,
    files_below: Callable[[Path], dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = blend(chat=[chat(number) for number in range(20)])
    right = prepare_sft(config(path, tokenizer_dir, tmp_path / "right"))
    spoil(monkeypatch, "Answer")
    message = (
        r"chat\.jsonl:1: The translated chat template does not do what Jinja does with this "
        r"conversation: 'NSWER 0.*' instead of 'nswer 0.*' at character \d+\. "
        r"Set chat_renderer=jinja"
    )
    with pytest.raises(DataError, match=message):
        prepare_sft(config(path, tokenizer_dir, tmp_path / "wrong"))
    again = prepare_sft(config(path, tokenizer_dir, tmp_path / "jinja", chat_renderer="jinja"))
    assert again.path.name == right.path.name
    assert files_below(again.path / "splits") == files_below(right.path / "splits")


def test_conversations_drawn_by_their_content_are_compared(
    blend: Blend, tokenizer_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [chat(number) for number in range(400)]
    drawn = [
        number
        for number, record in enumerate(records)
        if content_key(read_conversation(record, "messages", "tools").as_bytes()) % ONE_IN == 0
    ]
    spoil(monkeypatch, f"Question {drawn[0]}?")
    message = rf"chat\.jsonl:{drawn[0] + 1}: The translated chat template"
    with pytest.raises(DataError, match=message):
        prepare_sft(config(blend(chat=records), tokenizer_dir, tmp_path / "out"))


def test_what_the_translation_alone_rejects_is_told(
    blend: Blend, tokenizer_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, "<|im_end|>")
    message = r"chat\.jsonl:1: .*: no_end_of_turn \(.*\) instead of 1 sequence\."
    with pytest.raises(DataError, match=message):
        prepare_sft(config(blend(chat=[chat(0)]), tokenizer_dir, tmp_path / "out"))
