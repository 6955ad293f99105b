"""Chains of recipes: each stage reads what the one before it made.

:func:`start_pipe` plans, :func:`run_pipe` runs stage by stage, and what happens is in
``pipe.json``, from which :func:`continue_pipe` goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.execution.pipeline.alone import only_driver as only_driver
    from nemo_runspec.execution.pipeline.chain import build_chain as build_chain
    from nemo_runspec.execution.pipeline.driver import PipeEnd as PipeEnd
    from nemo_runspec.execution.pipeline.driver import StageEnd as StageEnd
    from nemo_runspec.execution.pipeline.driver import run_pipe as run_pipe
    from nemo_runspec.execution.pipeline.experiment import require_queue as require_queue
    from nemo_runspec.execution.pipeline.local import LocalRunner as LocalRunner
    from nemo_runspec.execution.pipeline.local import require_all_here as require_all_here
    from nemo_runspec.execution.pipeline.model import Chain as Chain
    from nemo_runspec.execution.pipeline.model import ChainRequest as ChainRequest
    from nemo_runspec.execution.pipeline.model import Stage as Stage
    from nemo_runspec.execution.pipeline.planning import PlannedPipe as PlannedPipe
    from nemo_runspec.execution.pipeline.planning import PlannedStage as PlannedStage
    from nemo_runspec.execution.pipeline.record import PipeFile as PipeFile
    from nemo_runspec.execution.pipeline.record import PipeRecord as PipeRecord
    from nemo_runspec.execution.pipeline.record import find_pipe as find_pipe
    from nemo_runspec.execution.pipeline.refreshing import cancel_jobs as cancel_jobs
    from nemo_runspec.execution.pipeline.starting import ContinuedPipe as ContinuedPipe
    from nemo_runspec.execution.pipeline.starting import continue_pipe as continue_pipe
    from nemo_runspec.execution.pipeline.starting import start_pipe as start_pipe
    from nemo_runspec.execution.pipeline.submitting import SubmittedStage as SubmittedStage
    from nemo_runspec.execution.pipeline.submitting import scripts_of as scripts_of
    from nemo_runspec.execution.pipeline.submitting import submit_pipe as submit_pipe
    from nemo_runspec.execution.pipeline.submitting import submit_stage as submit_stage
    from nemo_runspec.execution.pipeline.unset import offers as offers

EXPORTS = {
    "Chain": "nemo_runspec.execution.pipeline.model:Chain",
    "ChainRequest": "nemo_runspec.execution.pipeline.model:ChainRequest",
    "ContinuedPipe": "nemo_runspec.execution.pipeline.starting:ContinuedPipe",
    "LocalRunner": "nemo_runspec.execution.pipeline.local:LocalRunner",
    "PipeEnd": "nemo_runspec.execution.pipeline.driver:PipeEnd",
    "PipeFile": "nemo_runspec.execution.pipeline.record:PipeFile",
    "PipeRecord": "nemo_runspec.execution.pipeline.record:PipeRecord",
    "PlannedPipe": "nemo_runspec.execution.pipeline.planning:PlannedPipe",
    "PlannedStage": "nemo_runspec.execution.pipeline.planning:PlannedStage",
    "Stage": "nemo_runspec.execution.pipeline.model:Stage",
    "StageEnd": "nemo_runspec.execution.pipeline.driver:StageEnd",
    "SubmittedStage": "nemo_runspec.execution.pipeline.submitting:SubmittedStage",
    "build_chain": "nemo_runspec.execution.pipeline.chain:build_chain",
    "cancel_jobs": "nemo_runspec.execution.pipeline.refreshing:cancel_jobs",
    "continue_pipe": "nemo_runspec.execution.pipeline.starting:continue_pipe",
    "find_pipe": "nemo_runspec.execution.pipeline.record:find_pipe",
    "offers": "nemo_runspec.execution.pipeline.unset:offers",
    "only_driver": "nemo_runspec.execution.pipeline.alone:only_driver",
    "require_all_here": "nemo_runspec.execution.pipeline.local:require_all_here",
    "require_queue": "nemo_runspec.execution.pipeline.experiment:require_queue",
    "run_pipe": "nemo_runspec.execution.pipeline.driver:run_pipe",
    "scripts_of": "nemo_runspec.execution.pipeline.submitting:scripts_of",
    "start_pipe": "nemo_runspec.execution.pipeline.starting:start_pipe",
    "submit_pipe": "nemo_runspec.execution.pipeline.submitting:submit_pipe",
    "submit_stage": "nemo_runspec.execution.pipeline.submitting:submit_stage",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
