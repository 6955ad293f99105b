"""Submit a planned recipe: everything that is sent, the script, the scheduler, the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.execution.submission.interactive import StagedJob as StagedJob
    from nemo_runspec.execution.submission.interactive import stage as stage
    from nemo_runspec.execution.submission.model import EXIT_FILE as EXIT_FILE
    from nemo_runspec.execution.submission.model import Mode as Mode
    from nemo_runspec.execution.submission.model import PreparedSubmission as PreparedSubmission
    from nemo_runspec.execution.submission.preparing import (
        prepare_submission as prepare_submission,
    )
    from nemo_runspec.execution.submission.submitting import submit as submit

EXPORTS = {
    "EXIT_FILE": "nemo_runspec.execution.submission.model:EXIT_FILE",
    "Mode": "nemo_runspec.execution.submission.model:Mode",
    "PreparedSubmission": "nemo_runspec.execution.submission.model:PreparedSubmission",
    "StagedJob": "nemo_runspec.execution.submission.interactive:StagedJob",
    "prepare_submission": "nemo_runspec.execution.submission.preparing:prepare_submission",
    "stage": "nemo_runspec.execution.submission.interactive:stage",
    "submit": "nemo_runspec.execution.submission.submitting:submit",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
