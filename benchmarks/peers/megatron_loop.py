"""A loop as in Megatron's own script, with megatron-core's builder: `INPUT TOKENIZER OUTPUT`."""

from __future__ import annotations

import json
import multiprocessing
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer

PROCESSES = 2
DOCUMENTS_PER_TASK = 25


class Encoder:
    """One worker's tokenizer."""

    tokenizer: Tokenizer
    end: int

    @classmethod
    def load(cls, path: str) -> None:
        """Load it when the worker starts."""
        cls.tokenizer = Tokenizer.from_file(path)
        cls.end = cls.tokenizer.token_to_id("<|endoftext|>")

    @classmethod
    def encode(cls, line: str) -> list[int]:
        """The ids of one document and its end."""
        text = json.loads(line)["text"]
        return [*cls.tokenizer.encode(text, add_special_tokens=False).ids, cls.end]


def main(data: str, tokenizer_folder: str, output: str) -> None:
    """Tokenize in two processes, build the dataset in this one, and print the number of tokens."""
    warnings.simplefilter("ignore")
    import numpy as np
    import torch
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

    builder = IndexedDatasetBuilder(f"{output}.bin", dtype=np.uint16)
    tokens = 0
    path = f"{tokenizer_folder}/tokenizer.json"
    with multiprocessing.Pool(PROCESSES, Encoder.load, (path,)) as pool:
        for ids in pool.imap(Encoder.encode, lines(Path(data)), DOCUMENTS_PER_TASK):
            builder.add_document(torch.IntTensor(ids), [len(ids)])
            tokens += len(ids)
    builder.finalize(f"{output}.idx")
    print(tokens)


def lines(folder: Path) -> Iterator[str]:
    """All lines of all files."""
    for path in sorted(folder.iterdir()):
        with path.open(encoding="utf-8") as stream:
            yield from stream


if __name__ == "__main__":
    main(*sys.argv[1:])
