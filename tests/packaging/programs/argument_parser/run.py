"""The command line is that of a package's parser: the name of what was started, and errors."""

import contextlib
import io
import sys
from pathlib import Path

from options.parser import build, parse

name = build().prog
print(name == Path(sys.argv[0]).name, build().description)
print(parse(["--size", "3", "x=1"]))
said = io.StringIO()
try:
    with contextlib.redirect_stderr(said):
        parse(["--size", "three"])
finally:
    print(said.getvalue().replace(name, "PROGRAM"))
