"""The environment of a job: which variables it gets, with which values, and who said so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.execution.environment.building import build_env_vars as build_env_vars
    from nemo_runspec.execution.environment.collecting import (
        collect_environment as collect_environment,
    )
    from nemo_runspec.execution.environment.model import JobEnvironment as JobEnvironment
    from nemo_runspec.execution.environment.model import JobVariable as JobVariable
    from nemo_runspec.execution.environment.model import Overruled as Overruled
    from nemo_runspec.execution.environment.model import VariableRow as VariableRow

EXPORTS = {
    "JobEnvironment": "nemo_runspec.execution.environment.model:JobEnvironment",
    "JobVariable": "nemo_runspec.execution.environment.model:JobVariable",
    "Overruled": "nemo_runspec.execution.environment.model:Overruled",
    "VariableRow": "nemo_runspec.execution.environment.model:VariableRow",
    "build_env_vars": "nemo_runspec.execution.environment.building:build_env_vars",
    "collect_environment": "nemo_runspec.execution.environment.collecting:collect_environment",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
