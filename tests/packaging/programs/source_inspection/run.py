"""The source of modules, classes and functions can be read."""

import inspect
import sys
from pathlib import Path

from museum import exhibit
from museum.exhibit import Painting, restore


def of_the_script():
    """Has source too."""


class OfTheScript:
    """Has source of its own."""

    def method(self):
        return self


print(inspect.getsource(OfTheScript), inspect.getsource(OfTheScript.method))
print(inspect.getsource(sys.modules["__main__"]).count("\n"), inspect.getdoc(OfTheScript))
print(inspect.getsource(restore))
print(inspect.getsource(Painting.hang), inspect.getsourcelines(Painting)[1])
print(inspect.getcomments(restore), inspect.getdoc(Painting))
print(Path(inspect.getsourcefile(Painting)).name, Path(inspect.getfile(restore)).name)
print(inspect.getmodule(restore) is exhibit, inspect.getmodule(Painting()).__name__)
print(inspect.signature(restore), inspect.getsource(of_the_script))
print(inspect.getsource(exhibit) == exhibit.__loader__.get_source("museum.exhibit"))
print(inspect.getsource(exhibit.wrapped), inspect.unwrap(exhibit.wrapped).__name__)
