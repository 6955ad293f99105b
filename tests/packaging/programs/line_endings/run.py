"""Source with the line endings of Windows, with tabs, form feeds, and without an end of line."""

import inspect
import traceback

from printer import old_mac, unfinished, windows
from printer.windows import TEXT, fail

print(repr(TEXT), unfinished.VALUE, old_mac.VALUE, repr(inspect.getsource(windows.short)))
try:
    fail()
except ValueError as error:
    print([(item.lineno, item.line) for item in traceback.extract_tb(error.__traceback__)])
unfinished.fail()
