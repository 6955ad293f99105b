"""NeMo Evaluator adapter for Nemotron recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemotron_kit_evaluator.config import EndpointConfig as EndpointConfig
    from nemotron_kit_evaluator.config import EvalConfig as EvalConfig
    from nemotron_kit_evaluator.config import EvaluatorConfig as EvaluatorConfig
    from nemotron_kit_evaluator.config import ServerConfig as ServerConfig
    from nemotron_kit_evaluator.config import TaskConfig as TaskConfig
    from nemotron_kit_evaluator.evaluation import Evaluation as Evaluation
    from nemotron_kit_evaluator.evaluation import evaluate as evaluate
    from nemotron_kit_evaluator.installation import require_framework as require_framework
    from nemotron_kit_evaluator.recording import record_results as record_results
    from nemotron_kit_evaluator.results import TaskScores as TaskScores
    from nemotron_kit_evaluator.results import read_results as read_results

EXPORTS = {
    "EndpointConfig": "nemotron_kit_evaluator.config:EndpointConfig",
    "EvalConfig": "nemotron_kit_evaluator.config:EvalConfig",
    "EvaluatorConfig": "nemotron_kit_evaluator.config:EvaluatorConfig",
    "ServerConfig": "nemotron_kit_evaluator.config:ServerConfig",
    "TaskConfig": "nemotron_kit_evaluator.config:TaskConfig",
    "Evaluation": "nemotron_kit_evaluator.evaluation:Evaluation",
    "evaluate": "nemotron_kit_evaluator.evaluation:evaluate",
    "require_framework": "nemotron_kit_evaluator.installation:require_framework",
    "record_results": "nemotron_kit_evaluator.recording:record_results",
    "TaskScores": "nemotron_kit_evaluator.results:TaskScores",
    "read_results": "nemotron_kit_evaluator.results:read_results",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
