#!/bin/bash
# Starts this job on one of its machines. Secrets come in the environment.
export NCCL_DEBUG=INFO
export lower='a '"'"'quoted'"'"' $value'
for nemotron_name in HF_TOKEN WANDB_API_KEY; do
  [ -n "${!nemotron_name+set}" ] ||
    echo "nemotron: $nemotron_name did not reach this job." >&2
done
set -e
trap 'echo "nemotron: a startup command ended with exit code $?." >&2' ERR
eval 'source /opt/venv/bin/activate'
trap - ERR
set +e
export NEMOTRON_RUN_DIR=/nemo_run
cd /nemo_run/code || exit
nemotron_python=python; command -v python >/dev/null || nemotron_python=python3
nemotron_handed="$("$nemotron_python" -I -c '"""Print the job configuration of Ray that gives workers this process its variables, exactly.

Ray fills in references to variables in their values; a dollar sign is therefore itself written
as a reference, to a variable that no shell can have. It comes first: Ray sorts them by name.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping

CONFIG = "RAY_JOB_CONFIG_JSON_ENV_VAR"
DOLLAR = "0_DOLLAR"
LOST = re.compile(r"\$\{[A-Z0-9_]+\}")


class LostError(Exception):
    """A value would not arrive as it is."""


def job_config(values: Mapping[str, str], existing: str | None) -> str:
    """Spell the configuration.

    Args:
        values: The variables of the workers.
        existing: The configuration that the process has already.
    """
    lost = sorted(name for name, value in values.items() if LOST.search(value))
    if lost:
        raise LostError(
            f"Ray takes ${{NAME}} out of every value, so that {lost[0]} cannot reach its workers; "
            "write it without the braces."
        )
    exact = {name: value.replace("$", f"${{{DOLLAR}}}") for name, value in values.items()}
    if any("$" in value for value in exact.values()):
        exact[DOLLAR] = "$"
    config = json.loads(existing or "{}")
    runtime_env = config.setdefault("runtime_env", {})
    runtime_env["env_vars"] = {**(runtime_env.get("env_vars") or {}), **exact}
    return json.dumps(config)


def main() -> int:
    """Print it for the variables that are named as arguments; those that are not set are left."""
    values = {name: os.environ[name] for name in sys.argv[1:] if name in os.environ}
    try:
        sys.stdout.write(job_config(values, os.environ.get(CONFIG)))
    except LostError as error:
        sys.stderr.write(f"nemotron: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
' HF_TOKEN NCCL_DEBUG WANDB_API_KEY lower)" || exit 1
export RAY_JOB_CONFIG_JSON_ENV_VAR="$nemotron_handed" RAY_OVERRIDE_JOB_RUNTIME_ENV=1
exec "$nemotron_python" main.py --config config.yaml
