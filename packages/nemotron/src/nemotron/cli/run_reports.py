"""The three ways to report on a job: panels, one JSON document, or next to nothing."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, Protocol

import yaml

from nemo_runspec.execution import (
    ChildStreams,
    PreparedRun,
    RecipePlan,
    RecipePreview,
    RunOutcome,
)
from nemotron.cli.app import App, OutputMode
from nemotron.cli.errors import error_screen
from nemotron.cli.job_end import end_of_run
from nemotron.cli.job_panels import (
    completion_panel,
    failure_panel,
    inputs_panel,
    submission_tree,
)
from nemotron.cli.panels import Panel, screen_of

NOT_WRITTEN = "not written (dry run)"
_TRAIN_FILE = Path("RUN_DIR", "train.yaml")


class Reporter(Protocol):
    """Tells the user about one job."""

    def planned(self, plan: RecipePlan, train: dict[str, Any]) -> None:
        """Report a dry run: the plan, and the train configuration resolved."""

    def previewed(self, preview: RecipePreview | None) -> None:
        """Report what the job would make, where its recipe can say; the dry run's last word."""

    def started(self, run: PreparedRun) -> None:
        """Report that a job is about to start."""

    def streams(self) -> AbstractContextManager[ChildStreams]:
        """Say where the job's own output goes."""
        ...

    def finished(self, outcome: RunOutcome) -> None:
        """Report how a job ended; called while its streams are open."""


def reporter_for(app: App, mode: OutputMode) -> Reporter:
    """Choose the reporter that ``--json`` and ``--quiet`` ask for."""
    if mode == "json":
        return JsonReporter(app)
    return QuietReporter(app) if mode == "quiet" else PanelReporter(app)


class PanelReporter:
    """Shows panels on a terminal, with the job's own output between them."""

    def __init__(self, app: App) -> None:
        self._app = app

    def planned(self, plan: RecipePlan, train: dict[str, Any]) -> None:
        """Show the plan, the inputs, the command and the configuration."""
        configs = {"job": NOT_WRITTEN, "train": NOT_WRITTEN}
        screen = self._app.screen
        self._app.tree("Job Submission", submission_tree(plan, configs, "dry run", screen))
        self._app.panel(inputs_panel(plan))
        self._app.write(f"\n# Command\n{shlex.join(plan.command(_TRAIN_FILE))}\n")
        self._app.write(f"\n# Train configuration, resolved\n{as_yaml(train)}")

    def previewed(self, preview: RecipePreview | None) -> None:
        """Show the preview's panels."""
        for title, rows in () if preview is None else preview.panels:
            self._app.panel(Panel(title, rows, gap=1, fill=False))

    def started(self, run: PreparedRun) -> None:
        """Show the submission."""
        configs = {"job": str(run.job_config), "train": str(run.train_config)}
        screen = self._app.screen
        self._app.tree("Job Submission", submission_tree(run.plan, configs, "local", screen))

    def streams(self) -> AbstractContextManager[ChildStreams]:
        """Let the job's output through."""
        return nullcontext(ChildStreams())

    def finished(self, outcome: RunOutcome) -> None:
        """Show the completion, or the failure."""
        end = end_of_run(outcome)
        self._app.panel(completion_panel(end) if end.succeeded else failure_panel(end))


class JsonReporter:
    """Prints one JSON document on standard output; the job's own output goes to the other."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._planned: dict[str, Any] = {}

    def planned(self, plan: RecipePlan, train: dict[str, Any]) -> None:
        """Keep the plan for the document."""
        self._planned = {
            "status": "planned",
            "recipe": plan.recipe.name,
            "output": plan.output,
            "manifest_root": plan.manifest_root,
            "wandb": plan.wandb,
            "inputs": [item.as_dict() for item in plan.inputs],
            "command": plan.command(_TRAIN_FILE),
            "train_config": train,
        }

    def previewed(self, preview: RecipePreview | None) -> None:
        """Print the plan, with what the job would make."""
        data = None if preview is None else preview.data
        self._app.document({**self._planned, "preview": data})

    def started(self, run: PreparedRun) -> None:
        """Print nothing: there is one document, at the end."""

    def streams(self) -> AbstractContextManager[ChildStreams]:
        """Keep standard output for the document."""
        return nullcontext(ChildStreams(stdout=self._app.err))

    def finished(self, outcome: RunOutcome) -> None:
        """Print the outcome."""
        run, end = outcome.run, end_of_run(outcome)
        document = {
            "status": end.state,
            "recipe": run.plan.recipe.name,
            "output": run.plan.output,
            "run_dir": str(run.run_dir),
            "configs": {"job": str(run.job_config), "train": str(run.train_config)},
            **end.as_dict(),
        }
        self._app.document(document)


class QuietReporter:
    """Prints the final references; what the job says is shown only where it fails."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._log: IO[bytes] | None = None

    def planned(self, plan: RecipePlan, train: dict[str, Any]) -> None:
        """Print nothing: the exit code says that the plan holds."""

    def previewed(self, preview: RecipePreview | None) -> None:
        """Print nothing: the exit code says that the data can be used."""

    def started(self, run: PreparedRun) -> None:
        """Print nothing."""

    @contextmanager
    def streams(self) -> Iterator[ChildStreams]:
        """Hold back what the job says."""
        with tempfile.TemporaryFile() as log:
            self._log = log
            yield ChildStreams(stdout=subprocess.DEVNULL, stderr=log)

    def finished(self, outcome: RunOutcome) -> None:
        """Print the references, or what the job said before it failed."""
        if outcome.succeeded:
            self._app.write("".join(f"{item['ref']}\n" for item in outcome.result.artifacts))
            return
        if self._log is not None:
            self._log.seek(0)
            self._app.err.write(self._log.read().decode(errors="replace"))
        self._app.err.write(
            error_screen(end_of_run(outcome).untold_error, screen_of(self._app.err))
        )


def as_yaml(train: dict[str, Any]) -> str:
    """Write a train configuration as YAML, for people to read."""
    text: str = yaml.safe_dump(train, sort_keys=False, allow_unicode=True, width=1000)
    return text
