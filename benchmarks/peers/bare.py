"""The least that orjson and gigatoken cost: read, encode, write. `INPUT TOKENIZER OUTPUT`."""

from __future__ import annotations

import sys
from pathlib import Path

import gigatoken
import numpy as np

from benchmarks.peers.floor import blocks

END_OF_DOCUMENT = 0


def main(data: str, tokenizer_folder: str, output: str) -> None:
    """Encode on all cores, end each text, write uint16, and print the number of tokens."""
    tokenizer = gigatoken.Tokenizer(f"{tokenizer_folder}/tokenizer.json")
    tokens = 0
    with Path(output).open("wb") as stream:
        for records in blocks(Path(data)):
            rows = tokenizer.encode_batch([record["text"] for record in records]).layout
            ids = np.asarray(rows.content.data)
            lengths = np.diff(np.asarray(rows.offsets.data))
            ended = np.full(len(ids) + len(lengths), END_OF_DOCUMENT, dtype=np.uint16)
            inside = np.ones(len(ended), dtype=bool)
            inside[np.cumsum(lengths + 1) - 1] = False
            ended[inside] = ids
            stream.write(ended.tobytes())
            tokens += len(ended)
    print(tokens)


if __name__ == "__main__":
    main(*sys.argv[1:])
