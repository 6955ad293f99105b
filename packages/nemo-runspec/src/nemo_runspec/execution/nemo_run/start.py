"""Let NeMo-Run start a job on an engine of its own: run as a module, in a process of its own.

The names of the job's secrets are told, their values come in this process's environment.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from nemo_runspec.atomic import write_atomically
from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.marks import claim
from nemo_runspec.execution.nemo_run.executors import build_executor
from nemo_runspec.execution.nemo_run.handles import HANDLE_FILE, KUBEFLOW, KUBERAY, LEPTON
from nemo_runspec.execution.nemo_run.late_prints import late_prints
from nemo_runspec.execution.nemo_run.library import nemo_run
from nemo_runspec.execution.nemo_run.relayed_errors import told
from nemo_runspec.execution.nemo_run.render import open_experiment
from nemo_runspec.execution.nemo_run.request import RenderRequest, read_request
from nemo_runspec.execution.nemo_run.runtime_patches import KEY, runtime_patches
from nemo_runspec.execution.nemo_run.scrubbing import scrub
from nemo_runspec.exports import require

# In this process's environment: what no file may have of the login, not even for a moment.
LOGIN_VARIABLE = "NEMOTRON_ENGINE_LOGIN"

_WANTED = "submitting a job"

Started: TypeAlias = tuple[str, contextlib.AbstractContextManager[Any]]


def start(
    request: RenderRequest, home: Path, secrets: Mapping[str, str], login: str = ""
) -> Started:
    """Start a job, and do not wait for it.

    Args:
        request: The experiment.
        home: NeMo-Run's own folder; the job's code lies in its experiment's folder already.
        secrets: Variables that the engine is given and that NeMo-Run must not write down before.
        login: What the engine's interface wants to know of who asks, likewise.

    Returns:
        What the job is called from now on, and what started it: where that is given up, so are
        its containers.

    Raises:
        ExecutionError: A program is missing that NeMo-Run sends the job's files with.
    """
    kind = request.profile.executor
    if kind in {KUBEFLOW, KUBERAY}:
        _require_kubectl(kind)
    executor = build_executor(request.profile, env_vars={}, mode=request.mode)
    if kind == KUBERAY:
        return _start_ray_job(request, home, executor, secrets), contextlib.nullcontext()
    run = nemo_run(wanted=_WANTED)
    with open_experiment(run, request, home) as experiment:
        script = run.Script(path=request.launch, entrypoint="bash")
        experiment.add(script, executor=executor, name=request.task)
        experiment.dryrun(log=False, exist_ok=True, delete_exp_dir=False)
        job = experiment.jobs[0]
        # Only now: what was prepared has been saved by now.
        give_secrets(kind, job.executor, secrets)
        launch = _LAUNCHES.get(kind)
        if launch is not None:
            return launch(job, login), contextlib.nullcontext()
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


def _launch_kubeflow(job: Any, _login: str) -> str:
    executor = job.executor
    _package(executor)
    body = executor.get_job_body("", [])
    executor.spec_kwargs = {KEY: runtime_patches(body), **executor.spec_kwargs}
    name = _launch(job, _prepared(job).cmd)
    return f"{KUBEFLOW}://{executor.namespace}/{name}"


def _launch_lepton(job: Any, _login: str) -> str:
    _package(job.executor)
    return f"{LEPTON}://{_launch(job, _prepared(job).cmd)}"


def _launch_dgxcloud(job: Any, login: str) -> str:
    executor = job.executor
    executor.client_secret = login
    # Its script pipes the job's output on, and would end well whatever became of the job.
    command = f"/bin/bash -o pipefail {executor.pvc_job_dir}/launch_script.sh"
    executor.custom_spec = {"command": command, **executor.custom_spec}
    script = Path(executor.experiment_dir, "torchrun_job.sh")
    with contextlib.ExitStack() as undone:
        if executor.launched_from_cluster:
            undone.callback(shutil.rmtree, executor.pvc_job_dir, ignore_errors=True)
            _move_to_volume(executor)
        _package(executor)
        name = _launch(job, ["bash", str(script)])
        undone.pop_all()
    kind = "distributed" if executor.nodes > 1 else "trainings"
    return f"{executor.base_url}/workloads/{kind}/{name}"


def _package(executor: Any) -> None:
    """Send the job's files, where NeMo-Run sends them by themselves."""
    executor.package(executor.packager, job_name=executor.job_name)


def _launch(job: Any, command: list[str]) -> str:
    """Start a job as NeMo-Run's schedulers do, which then write down all that was given to them."""
    name, _state = job.executor.launch(name=_prepared(job).name, cmd=command)
    return str(name)


def _prepared(job: Any) -> Any:
    """What NeMo-Run's scheduler made of the job."""
    return job._dryrun_info.request  # noqa: SLF001 - nothing else of NeMo-Run has it


def _move_to_volume(executor: Any) -> None:
    """Put the job's files on the volume, which this machine sees; NeMo-Run takes them to be there.

    What NeMo-Run adds to them goes there by the link.
    """
    here, there = Path(executor.job_dir), Path(executor.pvc_job_dir)
    there.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(here, there)
    here.symlink_to(there, target_is_directory=True)


def _start_ray_job(
    request: RenderRequest, home: Path, executor: Any, secrets: Mapping[str, str]
) -> str:
    give_secrets(KUBERAY, executor, secrets)
    jobs = require("nemo_run.run.ray.job", wanted=_WANTED)
    job = jobs.RayJob(name=request.id.lower().replace("_", "-"), executor=executor)
    workdir = home / "experiments" / request.title / request.id
    try:
        job.start(command=f"bash {request.launch}", workdir=str(workdir))
    finally:
        _end_mover(job.backend)
    return f"{KUBERAY}://{executor.namespace}/{job.backend.job_name}"


def _end_mover(job: Any) -> None:
    """End the pod that the files were sent through, which NeMo-Run leaves behind."""
    kubernetes = require("kubernetes", wanted=_WANTED)
    mover = f"{job.job_name}-data-mover"
    try:
        job.core_v1_api.delete_namespaced_pod(name=mover, namespace=job.executor.namespace)
    except kubernetes.client.ApiException as error:
        # The job runs; a pod that sleeps is no reason to lose it.
        sys.stderr.write(f"The pod {mover} is left behind: {error.reason}\n")


def _require_kubectl(kind: str) -> None:
    if shutil.which("kubectl") is None:
        raise ExecutionError(
            "kubectl is not installed; NeMo-Run sends the job's files to the cluster with it.",
            where=f"executor {kind}",
            hint="Install kubectl, and check with: nemotron profiles check NAME",
        )


_LAUNCHES: Mapping[str, Callable[[Any, str], str]] = {
    "dgxcloud": _launch_dgxcloud,
    "kubeflow": _launch_kubeflow,
    "lepton": _launch_lepton,
}


def _start_and_write_down(file: Path, home: Path) -> contextlib.AbstractContextManager[Any]:
    """Start the job that a file asks for, and leave what it is called beside the file.

    The command that waits for this process may be killed meanwhile; another one finds it there.
    """
    claim(file.parent)
    asked = read_request(file.read_text(encoding="utf-8"))
    values = {name: os.environ[name] for name in asked.secret_names}
    handle, started_by = start(asked, home, values, os.environ.get(LOGIN_VARIABLE, ""))
    scrub(home, values.values())
    write_atomically(file.with_name(HANDLE_FILE), handle.encode())
    return started_by


if __name__ == "__main__":
    with late_prints(), told():
        _runner = _start_and_write_down(Path(sys.argv[1]), Path(sys.argv[2]))
    # A scheduler of Docker that is collected ends its containers.
    os._exit(0)
