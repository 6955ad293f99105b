"""Open a source for reading: a local path, or a URL that fsspec knows."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, cast

from nemo_runspec.errors import DataError

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


def is_remote(uri: str) -> bool:
    """Tell a URL from a local path."""
    return "://" in uri


def as_uri(uri: str) -> str:
    """The URI of a source as lineage records it: local paths become ``file://``."""
    return uri if is_remote(uri) else Path(uri).as_uri()


def open_raw(uri: str) -> IO[bytes]:
    """Open the stored bytes of a source; the caller closes the stream.

    Raises:
        DataError: The source cannot be opened.
    """
    try:
        if not is_remote(uri):
            return Path(uri).open("rb")
        import fsspec

        filesystem, path = fsspec.core.url_to_fs(uri)
        return cast("IO[bytes]", filesystem.open(path, "rb"))
    except (OSError, ImportError, ValueError) as error:
        raise unreadable(uri, error) from error


@contextmanager
def open_content(uri: str, compression: str | None) -> Iterator[IO[bytes]]:
    """Open the decompressed bytes of a source.

    Args:
        uri: A local path or URL.
        compression: ``gzip``, ``zstd`` or None.

    Raises:
        DataError: The source cannot be opened, or ends in the middle of its compressed data.
    """
    with ExitStack() as stack:
        stream: Any = stack.enter_context(open_raw(uri))
        if compression == "gzip":
            stream = stack.enter_context(gzip.open(stream, "rb"))
        elif compression == "zstd":
            import pyarrow as pa

            stream = stack.enter_context(pa.CompressedInputStream(stream, "zstd"))
            stream = stack.enter_context(io.BufferedReader(stream))
        try:
            yield stream
        except (OSError, EOFError) as error:
            raise unreadable(uri, error) from error


def unreadable(uri: str, error: BaseException) -> DataError:
    """The error for a source that cannot be read."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return DataError(
        f"The source cannot be read: {reason}.",
        where=uri,
        hint="Check the path in the blend file and that you may read it.",
    )
