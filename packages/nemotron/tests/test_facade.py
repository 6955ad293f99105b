from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.util import find_spec

import pytest

TYPES = [
    *("Artifact", "DataBlendsArtifact", "InputDatasetInfo", "ModelArtifact"),
    *("PretrainBlendsArtifact", "SFTDataArtifact", "SplitJsonlDataArtifact"),
]
FACADES = {
    "nemotron.kit": [
        *TYPES,
        *("apply_hydra_overrides", "cli", "load_env_profile", "load_omegaconf_yaml"),
        *("log_artifact", "setup_artifact_tracking"),
    ],
    "nemotron.kit.artifacts": TYPES,
    "nemotron.kit.artifacts.base": TYPES,
    "nemotron.kit.config": [
        *("apply_hydra_overrides", "build_job_config", "cli", "extract_train_config"),
        *("load_config_file", "load_env_profile", "load_omegaconf_yaml"),
        *("omegaconf_to_dataclass", "parse_config_and_overrides", "save_configs"),
    ],
    "nemotron.kit.resolvers": ["clear_artifact_cache", "register_resolvers_from_config"],
    "nemotron.kit.run": ["load_env_profile"],
    "nemotron.kit.trackers": ["ManifestTracker", "Tracker"],
    "nemotron.kit.train_script": [
        *("load_omegaconf_yaml", "omegaconf_to_dataclass", "parse_config_and_overrides"),
    ],
}


@pytest.mark.parametrize("facade", FACADES)
def test_the_public_names_are_frozen(facade: str) -> None:
    assert dir(importlib.import_module(facade)) == sorted(FACADES[facade])


@pytest.mark.parametrize("facade", FACADES)
def test_every_name_leads_to_its_owner(facade: str) -> None:
    module = importlib.import_module(facade)
    for name, target in module.EXPORTS.items():
        owner, _, attribute = target.partition(":")
        if find_spec(owner.partition(".")[0]) is not None:
            owned = importlib.import_module(owner)
            assert getattr(module, name) is (getattr(owned, attribute) if attribute else owned)


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
    with pytest.raises(ImportError, match="cannot import name 'build_executor'"):
        from nemotron.kit import build_executor  # noqa: F401
