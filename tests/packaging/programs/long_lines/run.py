"""Lines of tens of thousands of characters, and deep nesting, are run and shown as they are."""

import inspect
import traceback

from scroll import parchment
from scroll.parchment import TABLE, total

print(len(TABLE), sum(TABLE), parchment.NESTED, max(map(len, inspect.getsource(parchment).split("\n"))))
try:
    total(TABLE)
except NameError as error:
    (_, frame) = traceback.extract_tb(error.__traceback__)
    print(frame.lineno, frame.colno, frame.end_colno, len(frame.line), frame.name)
total([])
