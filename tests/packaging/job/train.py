"""A job that shows, in the way that its first argument names, what became of its modules.

It stands for a recipe: a guarded ``main``, a package of its own, a module beside it.
"""

import json
import sys

import ports
from voyage import crew


def weigh(crate):
    return f"{crate.weight} in {__name__}"


def main():
    mode, *rest = sys.argv[1:]
    found = getattr(crew, mode)(rest, weigh)
    print(json.dumps([ports.NAMES, found], ensure_ascii=False))


if __name__ == "__main__":
    main()
