from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys

import pytest

TYPES = [
    *("Artifact", "DataBlendsArtifact", "EvalResultsArtifact", "InputDatasetInfo", "ModelArtifact"),
    *("PretrainBlendsArtifact", "SFTDataArtifact", "SplitJsonlDataArtifact"),
]
WANDB = [
    *("WandbConfig", "add_run_tags", "add_wandb_tags", "finish_run", "finish_wandb"),
    *("init_wandb_from_env", "init_wandb_if_configured", "load_wandb_config"),
    *("log_wandb_config", "patch_checkpoint_logging_both", "patch_manifest_checkpoint_logging"),
    *("patch_manifest_nemo_rl_checkpoint_logging", "patch_nemo_rl_checkpoint_logging"),
    *("patch_nemo_rl_checkpoint_logging_both", "patch_wandb_checkpoint_logging"),
    *("patch_wandb_init_for_lineage", "patch_wandb_reference_digests"),
    *("patch_wandb_runid_for_seeded_random", "wandb_env"),
]
FACADES = {
    "nemotron.kit": [
        *TYPES,
        *("add_wandb_tags", "apply_hydra_overrides", "build_executor", "cli", "finish_wandb"),
        *("init_wandb_if_configured", "load_env_profile", "load_omegaconf_yaml"),
        *("log_artifact", "setup_artifact_tracking", "wandb_kit"),
    ],
    "nemotron.kit.artifacts": TYPES,
    "nemotron.kit.artifacts.base": TYPES,
    "nemotron.kit.config": [
        *("apply_hydra_overrides", "build_job_config", "cli", "extract_train_config"),
        *("load_config_file", "load_env_profile", "load_omegaconf_yaml"),
        *("omegaconf_to_dataclass", "parse_config_and_overrides", "save_configs"),
    ],
    "nemotron.kit.resolvers": ["clear_artifact_cache", "register_resolvers_from_config"],
    "nemotron.kit.run": [
        "build_env_vars",
        "build_executor",
        "load_env_profile",
        "load_wandb_config",
    ],
    "nemotron.kit.trackers": ["ManifestTracker", "Tracker", "WandbTracker"],
    "nemotron.kit.train_script": [
        "init_wandb_from_env",
        *("load_omegaconf_yaml", "omegaconf_to_dataclass", "parse_config_and_overrides"),
        "read_config",
    ],
    "nemotron.kit.wandb": WANDB,
    "nemotron.kit.wandb_kit": WANDB,
}


@pytest.mark.parametrize("facade", FACADES)
def test_the_public_names_are_frozen(facade: str) -> None:
    assert dir(importlib.import_module(facade)) == sorted(FACADES[facade])


@pytest.mark.parametrize("facade", FACADES)
def test_every_name_leads_to_its_owner(facade: str) -> None:
    module = importlib.import_module(facade)
    for name, target in module.EXPORTS.items():
        owner, _, attribute = target.partition(":")
        if importlib.util.find_spec(owner.partition(".")[0]) is not None:
            owned = importlib.import_module(owner)
            assert getattr(module, name) is (getattr(owned, attribute) if attribute else owned)


def test_a_name_whose_package_is_absent_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    facade = importlib.import_module("nemotron.kit.wandb")
    monkeypatch.delitem(facade.__dict__, "WandbConfig", raising=False)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name, *rest: None if name == "nemotron_kit_wandb" else found(name, *rest),
    )
    with pytest.raises(ImportError, match="pip install nemotron-kit-wandb"):
        _ = facade.WandbConfig
    assert importlib.import_module("nemotron.kit").Artifact is not None


def test_cli_is_the_function_whatever_was_imported_before() -> None:
    code = (
        "import nemotron.cli.main, nemotron.kit.config, nemotron.kit.artifacts.base;"
        "import nemo_runspec.config.script_cli; from nemotron.kit import cli;"
        "import nemotron.kit; print(callable(cli), nemotron.kit.cli is cli)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n"


def test_importing_the_facade_loads_nothing_else() -> None:
    code = (
        "import sys, nemotron.kit, nemotron.kit.artifacts, nemotron.kit.trackers;"
        "print(sorted({'omegaconf', 'pydantic', 'fsspec', 'wandb', 'click'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(ImportError, match="cannot import name 'build_trainer'"):
        from nemotron.kit import build_trainer  # noqa: F401
