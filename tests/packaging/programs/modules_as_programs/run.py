"""A module is run as a program by its name, and a package by its `__main__`."""

import runpy
import sys

from utility import tool
from utility import __main__ as entry

print(tool.__name__, entry.__name__)
sys.argv = ["tool", "a"]
print(sorted(runpy.run_module("utility.other", run_name="__main__")["RESULT"]))
print(runpy.run_module("utility", run_name="<run>", alter_sys=True)["RESULT"])
