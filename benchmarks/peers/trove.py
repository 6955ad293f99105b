"""datatrove with two workers: `INPUT TOKENIZER OUTPUT`."""

from __future__ import annotations

import sys
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.tokens import DocumentTokenizer

WORKERS = 2


def main(data: str, tokenizer_folder: str, output: str) -> None:
    """Tokenize without shuffling, as the others do, and print the number of tokens."""
    tokenize = DocumentTokenizer(
        output_folder=output,
        tokenizer_name_or_path=f"{tokenizer_folder}/tokenizer.json",
        eos_token="<|endoftext|>",  # noqa: S106 - no password
        shuffle_documents=False,
    )
    LocalPipelineExecutor(
        pipeline=[JsonlReader(data), tokenize],
        tasks=WORKERS,
        workers=WORKERS,
        logging_dir=f"{output}-logs",
        skip_completed=False,
    ).run()
    print(sum(path.stat().st_size for path in Path(output).glob("*.ds")) // 2)


if __name__ == "__main__":
    main(*sys.argv[1:])
