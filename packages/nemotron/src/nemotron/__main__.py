"""``python -m nemotron`` is the ``nemotron`` command."""

from __future__ import annotations

import sys

from nemotron.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
