"""The three ways to report on a submitted job: panels, one JSON document, or next to nothing."""

from __future__ import annotations

import codecs
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Protocol

from nemo_runspec.config.saving import JOB_FILE, TRAIN_FILE
from nemo_runspec.execution import RecipePlan, RecipePreview
from nemo_runspec.execution.environment import JobEnvironment
from nemo_runspec.execution.jobs import JobRecord
from nemo_runspec.execution.jobs.following import Listener
from nemo_runspec.execution.outputs import OUTPUT_KEY
from nemo_runspec.execution.profiles import Profile
from nemotron.cli.app import App, OutputMode
from nemotron.cli.errors import error_screen
from nemotron.cli.job_end import JobEnd
from nemotron.cli.job_panels import (
    completion_panel,
    failure_panel,
    inputs_panel,
    submission_tree,
)
from nemotron.cli.jobs.launch import Launch
from nemotron.cli.jobs.panels import environment_panel, follow_command, job_rows
from nemotron.cli.panels import Panel, screen_of
from nemotron.cli.run_reports import NOT_WRITTEN, as_yaml

_MODES = {"run": "attached", "batch": "detached", "stage": "staged"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a dry run with a profile found.

    Attributes:
        plan: The job.
        launch: How it would be run.
        profile: Where.
        environment: The variables that it would get.
        scripts: What would run, to the byte: ``script``, and ``launch_script`` where it starts one.
        train: The train configuration, resolved.
    """

    plan: RecipePlan
    launch: Launch
    profile: Profile
    environment: JobEnvironment
    scripts: Mapping[str, str]
    train: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A job that was submitted, or staged.

    Attributes:
        plan: The job.
        launch: How it runs.
        profile: Where.
        record: Its record; None where it was only staged.
        run_dir: Its run directory on this machine.
        script: How to start what was staged; None where it was submitted.
    """

    plan: RecipePlan
    launch: Launch
    profile: Profile
    record: JobRecord | None
    run_dir: Path
    script: str | None

    @property
    def configs(self) -> dict[str, str]:
        """Label to path of its two configurations."""
        return {"job": str(self.run_dir / JOB_FILE), "train": str(self.run_dir / TRAIN_FILE)}


class JobReporter(Protocol):
    """Tells the user about one submitted job."""

    def planned(self, planned: Planned) -> None:
        """Report a dry run."""

    def previewed(self, preview: RecipePreview | None) -> None:
        """Report what the job would make, where its recipe can say; the dry run's last word."""

    def submitted(self, submission: Submission) -> None:
        """Report that a job was submitted."""

    def listener(self) -> Listener:
        """Say where its output and what is told of it go."""
        ...

    def detached(self, record: JobRecord) -> None:
        """Report that nobody waits for the job any more."""

    def ended(self, end: JobEnd) -> None:
        """Report how the job ended."""


def reporter_for(app: App, mode: OutputMode) -> JobReporter:
    """Choose the reporter that ``--json`` and ``--quiet`` ask for."""
    if mode == "json":
        return JsonJobReporter(app)
    return QuietJobReporter(app) if mode == "quiet" else PanelJobReporter(app)


class PanelJobReporter:
    """Shows panels on a terminal, with the job's own output between them."""

    def __init__(self, app: App) -> None:
        self._app = app

    def planned(self, planned: Planned) -> None:
        """Show the plan, the inputs, the environment, the script and the configuration."""
        configs = {"job": NOT_WRITTEN, "train": NOT_WRITTEN}
        rows = _place_rows(planned.plan, planned.profile)
        mode = f"dry run of --{planned.launch.mode}"
        screen = self._app.screen
        tree = submission_tree(planned.plan, configs, mode, screen, rows)
        self._app.tree("Job Submission", tree)
        self._app.panel(inputs_panel(planned.plan))
        self._app.panel(environment_panel(planned.environment))
        for name, script in planned.scripts.items():
            title = name.replace("_", " ").capitalize()
            self._app.write(f"\n# {title}\n{script.rstrip()}\n")
        self._app.write(f"\n# Train configuration, resolved\n{as_yaml(planned.train)}")

    def previewed(self, preview: RecipePreview | None) -> None:
        """Show the preview's panels."""
        for title, rows in () if preview is None else preview.panels:
            self._app.panel(Panel(title, rows, gap=1, fill=False))

    def submitted(self, submission: Submission) -> None:
        """Show the submission, and how to follow it."""
        record = submission.record
        rows = _place_rows(submission.plan, submission.profile)
        rows |= {} if record is None else job_rows(record)
        mode = _MODES[submission.launch.mode]
        screen = self._app.screen
        tree = submission_tree(submission.plan, submission.configs, mode, screen, rows)
        self._app.tree("Job Submission", tree)
        if submission.script is not None:
            self._app.write(f"\n# Start it there with\n{submission.script}")

    def listener(self) -> Listener:
        """Let the job's output through; what is told goes beside it."""
        return Listener(_Passage(self._app.write), _teller(self._app))

    def detached(self, record: JobRecord) -> None:
        """Say how to find the job again."""
        self._app.err.write(_how_to_find(record))
        self._app.err.flush()

    def ended(self, end: JobEnd) -> None:
        """Show the completion, or the failure."""
        self._app.panel(completion_panel(end) if end.succeeded else failure_panel(end))


class JsonJobReporter:
    """Prints one JSON document on standard output; everything else goes to the other."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._planned: dict[str, Any] = {}
        self._submitted: dict[str, Any] = {}

    def planned(self, planned: Planned) -> None:
        """Keep the plan for the document."""
        plan = planned.plan
        self._planned = {
            "status": "planned",
            "recipe": plan.recipe.name,
            "output": plan.output,
            "mode": planned.launch.mode,
            "profile": planned.profile.name,
            "executor": planned.profile.executor,
            "manifest_root": plan.manifest_root,
            "wandb": plan.wandb,
            "inputs": [item.as_dict() for item in plan.inputs],
            "environment": [row.as_dict() for row in planned.environment.rows()],
            **planned.scripts,
            "train_config": planned.train,
        }

    def previewed(self, preview: RecipePreview | None) -> None:
        """Print the plan, with what the job would make."""
        data = None if preview is None else preview.data
        self._app.document({**self._planned, "preview": data})

    def submitted(self, submission: Submission) -> None:
        """Print the submission, or keep it for the document at the job's end."""
        record = submission.record
        self._submitted = {
            "recipe": submission.plan.recipe.name,
            "output": submission.plan.output,
            "profile": submission.profile.name,
            "mode": submission.launch.mode,
            "run_dir": str(submission.run_dir),
            "configs": submission.configs,
            "job": None if record is None else record.as_dict(),
        }
        if record is None:
            self._app.document({"status": "staged", **self._submitted, "script": submission.script})
        elif submission.launch.mode == "batch":
            self._document("submitted", record)

    def listener(self) -> Listener:
        """Keep standard output for the document."""
        return Listener(_Passage(self._app.err.write), _teller(self._app))

    def detached(self, record: JobRecord) -> None:
        """Print the job, and how to find it again."""
        self._document("detached", record)

    def ended(self, end: JobEnd) -> None:
        """Print how the job ended."""
        status = {"status": end.state.replace(" ", "_")}
        self._app.document({**status, **self._submitted, **end.as_dict()})

    def _document(self, status: str, record: JobRecord) -> None:
        found = {"job": record.as_dict(), "follow": follow_command(record)}
        self._app.document({"status": status, **self._submitted, **found})


class QuietJobReporter:
    """Prints the job's id, or the final references; what it says only where it fails."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._held = ExitStack()
        self._log: IO[bytes] = BytesIO()

    def planned(self, planned: Planned) -> None:
        """Print nothing: the exit code says that the plan holds."""

    def previewed(self, preview: RecipePreview | None) -> None:
        """Print nothing: the exit code says that the data can be used."""

    def submitted(self, submission: Submission) -> None:
        """Print the id of a job that nobody waits for."""
        if submission.record is not None and submission.launch.mode == "batch":
            self._app.write(f"{submission.record.id}\n")
        if submission.script is not None:
            self._app.write(submission.script)

    def listener(self) -> Listener:
        """Hold back what the job says."""
        self._log = self._held.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed with the stack
        return Listener(self._hold, _ignore)

    def detached(self, record: JobRecord) -> None:
        """Print the job's id."""
        self._held.close()
        self._app.write(f"{record.id}\n")

    def ended(self, end: JobEnd) -> None:
        """Print the references, or what the job said before it failed."""
        if end.succeeded:
            self._app.write("".join(f"{item['ref']}\n" for item in end.result.artifacts))
        else:
            self._log.seek(0)
            self._app.err.write(self._log.read().decode(errors="replace"))
            self._app.err.write(error_screen(end.error, screen_of(self._app.err)))
        self._held.close()

    def _hold(self, data: bytes) -> None:
        self._log.write(data)


class _Passage:
    """Passes bytes on as text; a character may come in two parts."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def __call__(self, data: bytes) -> None:
        self._write(self._decoder.decode(data))


def _teller(app: App) -> Callable[[str], None]:
    def tell(sentence: str) -> None:
        now = datetime.now().astimezone().strftime("%H:%M:%S")
        app.err.write(f"[{now}] {sentence}\n")
        app.err.flush()

    return tell


def _ignore(_sentence: str) -> None:
    """Tell nobody."""


def _how_to_find(record: JobRecord) -> str:
    return (
        "Detached; the job goes on.\n"
        f"Follow it with: {follow_command(record)}\n"
        f"Cancel it with: nemotron jobs cancel {record.id}\n"
    )


def _place_rows(plan: RecipePlan, profile: Profile) -> dict[str, str]:
    """Where a job runs, and where it writes."""
    rows = {"profile": f"{profile.name} ({profile.executor})"}
    if profile.executor == "local" or OUTPUT_KEY not in plan.train:
        return rows
    return {**rows, OUTPUT_KEY: str(plan.train[OUTPUT_KEY])}
