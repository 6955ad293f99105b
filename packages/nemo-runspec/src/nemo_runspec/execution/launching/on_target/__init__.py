"""Programs that travel inside the launch script, and run where nothing of ours is installed.

They use the standard library alone, run on every Python that Ray does, and hold no apostrophe.
"""

from __future__ import annotations

import shlex
from importlib import resources


def program(name: str) -> str:
    """The text of one of these programs, as one word of bash.

    Args:
        name: The module's name.
    """
    text = resources.files(__name__).joinpath(f"{name}.py").read_text(encoding="utf-8")
    return shlex.quote(text)
