"""Tell of a submitted job with one JSON document."""

from __future__ import annotations

from typing import Any

from nemo_runspec.execution import RecipePreview
from nemo_runspec.execution.jobs import JobRecord
from nemo_runspec.execution.jobs.following import Listener
from nemotron.cli.app import App
from nemotron.cli.job_end import JobEnd
from nemotron.cli.jobs.panels import follow_command
from nemotron.cli.jobs.passing import Passage, teller
from nemotron.cli.jobs.reporting import Planned, Submission


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
        return Listener(Passage(self._app.err.write), teller(self._app))

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
