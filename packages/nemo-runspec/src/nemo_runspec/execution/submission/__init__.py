"""Submit a planned recipe: everything that is sent, the script, the scheduler, the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.execution.jobs.slurm_asking import EXIT_FILE as EXIT_FILE
    from nemo_runspec.execution.submission.experiments import Experiment as Experiment
    from nemo_runspec.execution.submission.experiments import Task as Task
    from nemo_runspec.execution.submission.interactive import StagedJob as StagedJob
    from nemo_runspec.execution.submission.interactive import stage as stage
    from nemo_runspec.execution.submission.model import Mode as Mode
    from nemo_runspec.execution.submission.model import PreparedSubmission as PreparedSubmission
    from nemo_runspec.execution.submission.preparing import (
        prepare_experiment as prepare_experiment,
    )
    from nemo_runspec.execution.submission.preparing import (
        prepare_submission as prepare_submission,
    )
    from nemo_runspec.execution.submission.sending import send_experiment as send_experiment
    from nemo_runspec.execution.submission.submitting import give_up as give_up
    from nemo_runspec.execution.submission.submitting import submit as submit
    from nemo_runspec.execution.submission.submitting import submit_sent as submit_sent

EXPORTS = {
    "Experiment": "nemo_runspec.execution.submission.experiments:Experiment",
    "EXIT_FILE": "nemo_runspec.execution.jobs.slurm_asking:EXIT_FILE",
    "Mode": "nemo_runspec.execution.submission.model:Mode",
    "PreparedSubmission": "nemo_runspec.execution.submission.model:PreparedSubmission",
    "StagedJob": "nemo_runspec.execution.submission.interactive:StagedJob",
    "Task": "nemo_runspec.execution.submission.experiments:Task",
    "give_up": "nemo_runspec.execution.submission.submitting:give_up",
    "prepare_experiment": "nemo_runspec.execution.submission.preparing:prepare_experiment",
    "prepare_submission": "nemo_runspec.execution.submission.preparing:prepare_submission",
    "send_experiment": "nemo_runspec.execution.submission.sending:send_experiment",
    "stage": "nemo_runspec.execution.submission.interactive:stage",
    "submit": "nemo_runspec.execution.submission.submitting:submit",
    "submit_sent": "nemo_runspec.execution.submission.submitting:submit_sent",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
