"""Arrays of objects, read without running what a file could name.

An ``.npy`` of packs is a pickle. Unpickling calls whatever the pickle names, so only the few
names that such an array needs are allowed.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from nemo_runspec.errors import DataError

_ALLOWED = {
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy.core.numeric", "_frombuffer"),
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return super().find_class(module, name)


def read_objects(file: Path) -> list[Any]:
    """Read an array of objects, such as packs for Megatron-Bridge before 0.4.

    Args:
        file: An ``.npy`` file whose header was checked.

    Raises:
        DataError: The array holds more than numbers, texts, lists and dictionaries, or is
            damaged.
    """
    try:
        with file.open("rb") as stream:
            version = np.lib.format.read_magic(stream)
            if version == (1, 0):
                np.lib.format.read_array_header_1_0(stream)
            else:
                np.lib.format.read_array_header_2_0(stream)
            return list(_ArrayUnpickler(stream).load())
    except (OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise DataError(
            f"The array is not safe to read or damaged: {error}.", where=str(file)
        ) from error
