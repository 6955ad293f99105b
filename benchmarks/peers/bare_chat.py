"""The least that conversations cost: read, render once, encode, see where each token ends.

`INPUT TOKENIZER`. Nothing is checked and nothing is written.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gigatoken
import numpy as np

from benchmarks.peers.floor import blocks
from nemotron_data_prep.chat.template import ChatTemplate
from nemotron_data_prep.chat.template_choice import template_source


def main(data: str, tokenizer_folder: str) -> None:
    """Encode on all cores, and print the number of tokens."""
    tokenizer = gigatoken.Tokenizer(f"{tokenizer_folder}/tokenizer.json")
    sizes = np.zeros(tokenizer.vocab_size, dtype=np.int64)
    for token, content in tokenizer.vocab.items():
        sizes[token] = len(content)
    render = renderer()
    tokens = 0
    for records in blocks(Path(data)):
        texts = [render(record["messages"]) for record in records]
        ids = np.asarray(tokenizer.encode_batch(texts).layout.content.data)
        ends = np.cumsum(sizes[ids])
        if ends[-1] != sum(len(text.encode()) for text in texts):
            raise SystemExit("the tokens are not the bytes of the texts")
        tokens += len(ids)
    print(tokens)


def renderer() -> Callable[[list[dict[str, Any]]], str]:
    """Render with the translated template: Jinja alone takes longer than all the rest."""
    template = ChatTemplate(template_source("nano3", {}, Path()), {}, None)
    return lambda messages: template.beginnings(messages, None).text(len(messages))


if __name__ == "__main__":
    main(*sys.argv[1:])
