"""An exception that nobody catches shows its causes, each with its file, line and source."""

import sys
import traceback
from pathlib import Path

from expedition import camp, summit

try:
    camp.rest()
except ValueError as error:
    for frame in traceback.extract_tb(error.__traceback__):
        print(Path(frame.filename).name, frame.lineno, frame.name, frame.line)
    error.add_note("in the valley")
    traceback.print_exc()

print("higher", flush=True)
sys.stdout.flush()


def climb():
    try:
        summit.reach(2)
    except summit.StormError as error:
        raise RuntimeError("gave up") from error


climb()
