"""Find the PEP 723 block of a script without reading more of the file than needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nemo_runspec.errors import RunspecError

_OPENING = b"# /// script"
_CLOSING = "# ///"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Header:
    """The TOML text of a script's metadata block.

    Args:
        text: The TOML, with the comment prefix removed.
        first_line: The line of the script on which the text begins, 1-based.
    """

    text: str
    first_line: int


def read_header(path: Path) -> Header | None:
    """Read the ``# /// script`` block of a file.

    Args:
        path: A Python script.

    Returns:
        The block, or None where the file has none.

    Raises:
        RunspecError: The file cannot be read, or the block is not closed or not commented.
    """
    try:
        with path.open("rb") as stream:
            return _find_block(enumerate(stream, start=1), path)
    except OSError as error:
        raise RunspecError(
            f"The script cannot be read: {error.strerror}.", where=str(path)
        ) from error


def _find_block(lines: Iterator[tuple[int, bytes]], path: Path) -> Header | None:
    for number, line in lines:
        if line.rstrip().removeprefix(_BOM) == _OPENING:
            return _read_block(lines, path, opened_at=number)
    return None


def _read_block(lines: Iterable[tuple[int, bytes]], path: Path, *, opened_at: int) -> Header:
    content: list[str] = []
    for number, line in lines:
        text = _decode(line.rstrip(), f"{path}:{number}")
        if text == _CLOSING:
            return Header("\n".join(content) + "\n", opened_at + 1)
        if text != "#" and not text.startswith("# "):
            raise RunspecError(
                "The '# /// script' block is not closed before this line.",
                where=f"{path}:{number}",
                hint="Begin every line of the block with '# ' and end it with '# ///'.",
            )
        content.append(text[2:])
    raise RunspecError(
        "The '# /// script' block is never closed.",
        where=f"{path}:{opened_at}",
        hint="End it with a line '# ///'.",
    )


def _decode(line: bytes, where: str) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise RunspecError(
            "This line is not UTF-8 text.", where=where, hint="Save the script as UTF-8."
        ) from error
