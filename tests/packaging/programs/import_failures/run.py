"""A module that fails at import is gone, is run again when asked again, and shows its line."""

import sys
import traceback
from pathlib import Path

import fuse

for _ in range(2):
    try:
        import fuse.box
    except ZeroDivisionError as error:
        frames = traceback.extract_tb(error.__traceback__)
        print([(Path(frame.filename).name, frame.lineno, frame.name) for frame in frames])
        print("fuse.box" in sys.modules, "fuse.wire" in sys.modules, hasattr(fuse, "wire"))
try:
    from fuse.limits import LIMIT
except ImportError as error:
    print(error.msg.partition(" (")[0], Path(error.path).name)
print("now for good", flush=True)
import fuse.box  # noqa: E402
