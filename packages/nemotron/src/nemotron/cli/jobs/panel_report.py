"""Tell of a submitted job with panels, and its own output between them."""

from __future__ import annotations

from nemo_runspec.execution import RecipePlan, RecipePreview
from nemo_runspec.execution.jobs import JobRecord
from nemo_runspec.execution.jobs.following import Listener
from nemo_runspec.execution.outputs import OUTPUT_KEY
from nemo_runspec.execution.profiles import Profile
from nemotron.cli.app import App
from nemotron.cli.job_end import JobEnd
from nemotron.cli.job_panels import (
    completion_panel,
    failure_panel,
    inputs_panel,
    submission_tree,
)
from nemotron.cli.jobs.panels import environment_panel, follow_command, job_rows
from nemotron.cli.jobs.passing import Passage, teller
from nemotron.cli.jobs.reporting import Planned, Submission
from nemotron.cli.panels import Panel
from nemotron.cli.run_reports import NOT_WRITTEN, as_yaml

_MODES = {"run": "attached", "batch": "detached", "stage": "staged"}


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
        return Listener(Passage(self._app.write), teller(self._app))

    def detached(self, record: JobRecord) -> None:
        """Say how to find the job again."""
        self._app.err.write(_how_to_find(record))
        self._app.err.flush()

    def ended(self, end: JobEnd) -> None:
        """Show the completion, or the failure."""
        self._app.panel(completion_panel(end) if end.succeeded else failure_panel(end))


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
