"""Run a recipe: plan it, start its script, read what it left behind. This lives once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.execution.environment import build_env_vars as build_env_vars
    from nemo_runspec.execution.inputs import ArtifactInput as ArtifactInput
    from nemo_runspec.execution.local import PreparedRun as PreparedRun
    from nemo_runspec.execution.local import RunOutcome as RunOutcome
    from nemo_runspec.execution.local import run_recipe as run_recipe
    from nemo_runspec.execution.nemo_run.executors import build_executor as build_executor
    from nemo_runspec.execution.plan import RecipePlan as RecipePlan
    from nemo_runspec.execution.plan import RecipeRequest as RecipeRequest
    from nemo_runspec.execution.plan import plan_recipe as plan_recipe
    from nemo_runspec.execution.preview import preview_config as preview_config
    from nemo_runspec.execution.process import ChildStreams as ChildStreams
    from nemo_runspec.execution.profiles import Profile as Profile
    from nemo_runspec.execution.profiles import load_profile as load_profile
    from nemo_runspec.execution.profiles import read_profile as read_profile
    from nemo_runspec.execution.script_preview import RecipePreview as RecipePreview
    from nemo_runspec.execution.script_preview import preview_recipe as preview_recipe

EXPORTS = {
    "ArtifactInput": "nemo_runspec.execution.inputs:ArtifactInput",
    "ChildStreams": "nemo_runspec.execution.process:ChildStreams",
    "PreparedRun": "nemo_runspec.execution.local:PreparedRun",
    "Profile": "nemo_runspec.execution.profiles.model:Profile",
    "RecipePlan": "nemo_runspec.execution.plan:RecipePlan",
    "RecipePreview": "nemo_runspec.execution.script_preview:RecipePreview",
    "RecipeRequest": "nemo_runspec.execution.plan:RecipeRequest",
    "RunOutcome": "nemo_runspec.execution.local:RunOutcome",
    "build_env_vars": "nemo_runspec.execution.environment.building:build_env_vars",
    "build_executor": "nemo_runspec.execution.nemo_run.executors:build_executor",
    "load_profile": "nemo_runspec.execution.profiles.reading:load_profile",
    "plan_recipe": "nemo_runspec.execution.plan:plan_recipe",
    "preview_config": "nemo_runspec.execution.preview:preview_config",
    "preview_recipe": "nemo_runspec.execution.script_preview:preview_recipe",
    "read_profile": "nemo_runspec.execution.profiles.reading:read_profile",
    "run_recipe": "nemo_runspec.execution.local:run_recipe",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
