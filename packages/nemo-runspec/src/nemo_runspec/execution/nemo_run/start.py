"""Let NeMo-Run start a job on an engine of its own: run as a module, in a process of its own.

The names of the job's secrets are told, their values come in this process's environment.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nemo_runspec.execution.nemo_run.complaints import told
from nemo_runspec.execution.nemo_run.executors import build_executor
from nemo_runspec.execution.nemo_run.library import nemo_run
from nemo_runspec.execution.nemo_run.render import open_experiment
from nemo_runspec.execution.nemo_run.request import RenderRequest, read_request
from nemo_runspec.exports import require

WORD = "nemotron-started: "
_WANTED = "submitting a job"


def start(
    request: RenderRequest, home: Path, secrets: Mapping[str, str]
) -> tuple[str, contextlib.AbstractContextManager[Any]]:
    """Start a job, and do not wait for it.

    Args:
        request: The experiment.
        home: NeMo-Run's own folder; the job's code lies in its experiment's folder already.
        secrets: Variables that the engine is given and that NeMo-Run must not write down before.

    Returns:
        What NeMo-Run calls the job, and what started it: where that is given up, so are its
        containers.
    """
    executor = build_executor(request.profile, env_vars={}, mode=request.mode)
    if request.profile.executor == "kuberay":
        handle = _start_ray_job(request, home, executor, secrets)
        return handle, contextlib.nullcontext()
    run = nemo_run(wanted=_WANTED)
    with open_experiment(run, request, home) as experiment:
        script = run.Script(path=request.launch, entrypoint="bash")
        experiment.add(script, executor=executor, name=request.task)
        experiment.dryrun(log=False, exist_ok=True, delete_exp_dir=False)
        job = experiment.jobs[0]
        # Only now: what was prepared has been saved by now.
        give_secrets(request.profile.executor, job.executor, secrets)
        runners = require("nemo_run.run.torchx_backend.runner", wanted=_WANTED)
        runner = runners.get_runner(component_defaults=None, experiment=experiment)
        job.launch(wait=False, runner=runner)
    return str(job.handle), runner


def give_secrets(kind: str, executor: Any, secrets: Mapping[str, str]) -> None:
    """Put secrets where they reach the engine's interface, and no script.

    Args:
        kind: The executor's name in a profile.
        executor: NeMo-Run's executor.
        secrets: The variables.
    """
    listed = [{"name": name, "value": value} for name, value in secrets.items()]
    if kind == "kubeflow":
        # Kubernetes expands $(NAME) in a value; two dollar signs are one.
        doubled = [{**item, "value": item["value"].replace("$", "$$")} for item in listed]
        executor.env_list = [*executor.env_list, *doubled]
    elif kind == "dgxcloud":
        spec = executor.custom_spec
        spec["environmentVariables"] = [*spec.get("environmentVariables", ()), *listed]
    elif kind == "kuberay":
        doubled_values = {name: value.replace("$", "$$") for name, value in secrets.items()}
        executor.env_vars = {**executor.env_vars, **doubled_values}
    else:
        executor.env_vars = {**executor.env_vars, **secrets}


def _start_ray_job(
    request: RenderRequest, home: Path, executor: Any, secrets: Mapping[str, str]
) -> str:
    give_secrets("kuberay", executor, secrets)
    jobs = require("nemo_run.run.ray.job", wanted=_WANTED)
    job = jobs.RayJob(name=request.id.lower().replace("_", "-"), executor=executor)
    workdir = home / "experiments" / request.title / request.id
    job.start(command=f"bash {request.launch}", workdir=str(workdir))
    return f"kuberay://{executor.namespace}/{job.name}"


if __name__ == "__main__":
    asked = read_request(Path(sys.argv[1]).read_text(encoding="utf-8"))
    values = {name: os.environ[name] for name in asked.secret_names}
    with told():
        handle, _runner = start(asked, Path(sys.argv[2]), values)
    sys.stdout.write(f"\n{WORD}{handle}\n")
    sys.stdout.flush()
    # A scheduler of Docker that is collected ends its containers.
    os._exit(0)
