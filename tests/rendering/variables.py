"""Variables that something on the way could change, and how a script leaves them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# What a shell, a template or Kubernetes could change on the way.
AWKWARD = {
    "PLAIN": "a-b_c.d/e:f",
    "SPACED": "a  b\tc ",
    "QUOTED": 'it\'s "quoted" \\n \\',
    "DOLLARS": "$HOME $$ $$$ ${num_nodes_var} $app_id $(id) $(PLAIN) `id`",
    "LINES": "one\n two\n\n",
    "SHELL_WORDS": "a;b && c | d > e # f ! * ? [x] {y} ~",
    "UNICODE": "größe ✓ 日本",
    "EMPTY": "",
    "lower_case": "x y $z",
    "Mixed_Case": "1",
}

STAND_IN = """#!{python}
import json, os, pathlib, sys
if "hostname" not in sys.argv:
    pathlib.Path({out!r}).write_text(json.dumps(dict(os.environ)))
"""


def environment_of(script: str, folder: Path, before: Mapping[str, str]) -> dict[str, str]:
    """Run a batch or launch script with stand-ins for what it starts; what that would see."""
    out = folder / "environment.json"
    tools = folder / "tools"
    tools.mkdir()
    for name in ("srun", "train"):
        (tools / name).write_text(STAND_IN.format(python=sys.executable, out=str(out)))
        (tools / name).chmod(0o755)
    (tools / "scontrol").write_text("#!/bin/sh\necho n1\n")
    (tools / "scontrol").chmod(0o755)
    file = folder / "job.sh"
    file.write_text(script)
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", **before}
    subprocess.run(
        [shutil.which("bash") or "bash", str(file)],
        check=True,
        env=environment,
        capture_output=True,
        timeout=200,
    )
    found: dict[str, str] = json.loads(out.read_text())
    return found
