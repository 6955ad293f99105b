"""Start a job on this machine that outlives the command, and the terminal, that started it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.jobs.record import JobRecord, job_id, write_record
from nemo_runspec.execution.local import PreparedRun
from nemo_runspec.execution.marks import ProcessMark
from nemo_runspec.run_result import RUN_DIR_VARIABLE

LOG_FILE = "log.txt"
EXIT_FILE = "exit_code"
PROCESS_FILE = "process.json"

# The first shell ends at once, so that nobody has to wait for the job. The second one outlives a
# signal to the group, so that it can tell how the job ended.
_START = """
log=$1 exit=$2
shift 2
(
    trap : TERM HUP
    "$@" >"$log" 2>&1 </dev/null
    code=$?
    printf '%s\\n' "$code" >"$exit.new" && mv "$exit.new" "$exit"
) >/dev/null 2>&1 </dev/null &
echo $!
"""
_PREPARED = """{commands}
exec "$@"
"""


def start_detached(
    run: PreparedRun,
    *,
    profile: str,
    mode: str,
    environment: Mapping[str, str],
    startup_commands: Sequence[str] = (),
) -> JobRecord:
    """Start a prepared job in a session of its own, and record it.

    Its output goes to ``log.txt`` in the run directory, its exit code to ``exit_code`` there.

    Args:
        run: The job.
        profile: The profile that it runs with.
        mode: ``run`` or ``batch``, for the record.
        environment: Its whole environment but for the run directory.
        startup_commands: Lines of bash that run before it; the first that fails is its end.

    Raises:
        ExecutionError: It cannot be started, or not be recorded.
    """
    run_dir = run.run_dir
    command = [str(run_dir / LOG_FILE), str(run_dir / EXIT_FILE), *_command(run, startup_commands)]
    variables = {**environment, RUN_DIR_VARIABLE: str(run_dir)}
    pid = _start(command, variables, run.plan.cwd)
    mark = ProcessMark.of(pid)
    mark.write(run_dir / PROCESS_FILE)
    record = JobRecord(
        id=job_id(run_dir),
        recipe=run.plan.recipe.name,
        output=run.plan.output,
        run_dir=run_dir,
        profile=profile,
        executor="local",
        mode=mode,
        submitted_at=datetime.now(tz=UTC).isoformat(timespec="milliseconds"),
        job_dir=str(run_dir),
        log_pattern=str(run_dir / LOG_FILE),
        scheduler_id=str(pid),
        manifest_root=run.plan.manifest_root,
        wandb=run.plan.wandb,
    )
    write_record(record)
    return record


def _command(run: PreparedRun, startup_commands: Sequence[str]) -> list[str]:
    if not startup_commands:
        return list(run.command)
    script = _PREPARED.format(commands="\n".join(startup_commands))
    return ["bash", "-e", "-c", script, "bash", *run.command]


def _start(command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> int:
    try:
        done = subprocess.run(  # noqa: S603 - the words of the job are arguments, not script
            ["/bin/sh", "-c", _START, "sh", *command],
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
            start_new_session=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise ExecutionError(f"The job could not be started: {error}.", where=command[2]) from error
    return int(done.stdout)
