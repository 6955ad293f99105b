"""Let NeMo-Run write what it would submit: run as a module, in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nemo_runspec.execution.nemo_run.executors import build_executor
from nemo_runspec.execution.nemo_run.library import nemo_run
from nemo_runspec.execution.nemo_run.relayed_errors import told
from nemo_runspec.execution.nemo_run.request import RenderRequest, read_requests


def render(requests: Sequence[RenderRequest], home: Path) -> None:
    """Write an experiment's folder, with the scripts for the scheduler; nobody is contacted.

    Args:
        requests: The experiment's jobs, each behind those that it waits for.
        home: NeMo-Run's own folder, where ``experiments/TITLE/ID`` is written.
    """
    run = nemo_run(wanted="submitting a job")
    with open_experiment(run, requests[0], home) as experiment:
        for request in requests:
            _add(run, experiment, request)
        experiment.dryrun(log=False, exist_ok=True, delete_exp_dir=False)


def _add(run: Any, experiment: Any, request: RenderRequest) -> None:
    executor = build_executor(request.profile, env_vars={}, mode=request.mode)
    executor.tunnel.job_dir = request.tunnel_dir
    executor.setup_lines = request.setup or None
    script = run.Script(path=request.launch, entrypoint="bash")
    after = list(request.after)
    experiment.add(script, executor=executor, name=request.task, dependencies=after)


def open_experiment(run: Any, request: RenderRequest, home: Path) -> Any:
    """Make the experiment, which writes nothing of what this process runs."""
    return run.Experiment(
        request.title,
        id=request.id,
        base_dir=str(home),
        clean_mode=True,
        enable_goodbye_message=False,
        skip_status_at_exit=True,
        serialize_metadata_for_scripts=False,
    )


if __name__ == "__main__":
    asked = read_requests(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with told():
        render(asked, Path(sys.argv[2]))
