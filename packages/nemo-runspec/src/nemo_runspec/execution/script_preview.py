"""Run a recipe's preview: what a job would make, before anything is written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nemo_runspec.config import save_configs
from nemo_runspec.config.secrets import hidden_variables
from nemo_runspec.errors import ExecutionError, NemotronError
from nemo_runspec.execution.command import build_preview_command
from nemo_runspec.execution.plan import RecipePlan
from nemo_runspec.execution.process import ChildStreams, run_child
from nemo_runspec.execution.requirements import require_dependencies
from nemo_runspec.redaction import redact_text
from nemo_runspec.run_result import RUN_DIR_VARIABLE, read_result
from nemo_runspec.scratch import scratch_folder


@dataclass(frozen=True, slots=True)
class RecipePreview:
    """What a recipe's preview says.

    Attributes:
        panels: A title and labelled rows each, for people.
        data: The same as JSON values.
    """

    panels: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    data: Mapping[str, Any]


def preview_recipe(
    plan: RecipePlan, *, environment: Mapping[str, str] | None = None
) -> RecipePreview | None:
    """Run the preview command of a recipe that has one.

    Its configuration lies in a temporary folder that is gone when this returns. What the script
    prints is kept for the case that it fails without telling why.

    Args:
        plan: The job.
        environment: The script's environment; by default this process's own.

    Returns:
        What the script told; None where the recipe has no preview.

    Raises:
        NemotronError: The preview failed; the error is the script's own where it told one.
        MissingDependencyError: A package that the recipe's header names is not installed.
    """
    if plan.recipe.run.preview is None:
        return None
    require_dependencies(plan.recipe)
    with (
        scratch_folder("preview") as folder,
        tempfile.TemporaryFile() as log,
    ):
        _, config = save_configs(plan.job, plan.train, folder)
        command = build_preview_command(plan.recipe, config) or []
        variables = os.environ if environment is None else environment
        code = run_child(
            command,
            environment={
                **variables,
                **hidden_variables(plan.job),
                **plan.checked.environment,
                RUN_DIR_VARIABLE: str(folder),
            },
            cwd=plan.cwd,
            streams=ChildStreams(log, log),
        )
        result = read_result(folder)
        if code != 0:
            log.seek(0)
            raise _failure(plan, code, result.error, log.read().decode(errors="replace"))
    if result.preview is None:
        raise ExecutionError(
            "The preview ended well and told nothing.",
            where=str(plan.recipe.path),
            hint="Call record_preview in the script, or leave tool.runspec.run.preview out.",
        )
    panels = tuple(
        (str(panel["title"]), tuple((str(label), str(text)) for label, text in panel["rows"]))
        for panel in result.preview["panels"]
    )
    return RecipePreview(panels, result.preview["data"])


def _failure(
    plan: RecipePlan, code: int, told: Mapping[str, str | None] | None, printed: str
) -> NemotronError:
    if told is None:
        last = printed.strip().rpartition("\n")[2]
        error = ExecutionError(
            f"The preview ended with exit code {code}" + (f": {last}" if last else "."),
            where=str(plan.recipe.path),
            hint="Add --debug to see all that it printed.",
        )
        error.add_note(redact_text(printed))
        return error
    return ExecutionError(str(told["what"]), where=told["where"], hint=told["hint"])
