"""What only type checkers import is not there when the program runs, nor is it looked for."""

import sys

from optics.lens import LOADED, focus

print(focus(2), LOADED, "optics.heavy" in sys.modules, "optics.light" in sys.modules)
