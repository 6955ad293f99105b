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
nemotron_handed="$("$nemotron_python" -I -c '"""Print what makes Ray give the workers of this process its variables, exactly.

``job NAME...`` is for a driver inside the cluster, ``client NAME...`` for one that is outside.
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
RUNTIME_ENV = "RAY_RUNTIME_ENV"
DOLLAR = "0_DOLLAR"
LOST = re.compile(r"\$\{[A-Z0-9_]+\}")


class LostError(Exception):
    """A value would not arrive as it is."""


def job_config(values: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Spell the job configuration of a driver inside the cluster.

    Args:
        values: The variables of the workers.
        environ: The environment of the driver, which may have a configuration already.
    """
    config = json.loads(environ.get(CONFIG) or "{}")
    config["runtime_env"] = with_variables(config.get("runtime_env"), values)
    return json.dumps(config)


def runtime_env(values: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Spell the runtime environment of a driver outside the cluster; see ``job_config``."""
    return json.dumps(with_variables(json.loads(environ.get(RUNTIME_ENV) or "{}"), values))


def with_variables(given: dict[str, object] | None, values: Mapping[str, str]) -> dict[str, object]:
    """Add variables to a runtime environment."""
    known = (given or {}).get("env_vars")
    return {
        **(given or {}),
        "env_vars": {**(known if isinstance(known, dict) else {}), **exact(values)},
    }


def exact(values: Mapping[str, str]) -> dict[str, str]:
    """Write values so that Ray makes them what they are."""
    lost = sorted(name for name, value in values.items() if LOST.search(value))
    if lost:
        raise LostError(
            f"Ray takes ${{NAME}} out of every value, so that {lost[0]} cannot reach its workers; "
            "write it without the braces."
        )
    spelled = {name: value.replace("$", f"${{{DOLLAR}}}") for name, value in values.items()}
    return {**spelled, DOLLAR: "$"} if "$" in "".join(values.values()) else spelled


def main() -> int:
    """Print it for the variables that are named; those that are not set are left out."""
    how, *names = sys.argv[1:]
    values = {name: os.environ[name] for name in names if name in os.environ}
    spell = job_config if how == "job" else runtime_env
    try:
        sys.stdout.write(spell(values, os.environ))
    except LostError as error:
        sys.stderr.write(f"nemotron: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
' job HF_TOKEN NCCL_DEBUG WANDB_API_KEY lower)" || exit 1
export RAY_JOB_CONFIG_JSON_ENV_VAR="$nemotron_handed"
export RAY_OVERRIDE_JOB_RUNTIME_ENV=1
exec "$nemotron_python" main.py --config config.yaml
