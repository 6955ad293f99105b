from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from nemo_runspec.artifacts import ModelArtifact, log_artifact, setup_artifact_tracking
from nemo_runspec.config.environment import resolve_but_environment
from nemo_runspec.errors import ConfigError


@pytest.fixture
def store(tmp_path):
    root = {"artifacts": {"manifest": {"root": str(tmp_path / "store")}}}
    with setup_artifact_tracking(root) as tracking:
        log_artifact(ModelArtifact(path=tmp_path / "m", step=7), name="model")
        yield tracking


def test_what_reads_the_environment_stays_text_and_the_rest_is_resolved(
    store, tmp_path, monkeypatch
):
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    config = OmegaConf.create(
        {
            "run": {"model": "model:v1"},
            "path": "${art:model,path}/weights",
            "steps": "${mul:${art:model,step},2}",
            "token": "${oc.env:SECRET_TOKEN}",
            "again": "${token}",
            "header": ["Bearer ${again}", "${oc.select:token}"],
            "both": "${oc.env:SECRET_TOKEN}@${art:model,path}",
            "fallback": "${oc.env:NO_SUCH_VARIABLE,${path}}",
            "literal": r"\${token} and $HOME",
            "missing": "???",
        }
    )
    with setup_artifact_tracking(OmegaConf.merge(config, store_of(tmp_path))):
        written = resolve_but_environment(config)
        again = OmegaConf.create(written)
        assert again.both == config.both == f"s3cret@{tmp_path}/m"
        assert again.literal == config.literal == "${token} and $HOME"
    assert written == {
        "run": {"model": "model:v1"},
        "path": f"{tmp_path}/m/weights",
        "steps": 14,
        "token": "${oc.env:SECRET_TOKEN}",
        "again": "${token}",
        "header": ["Bearer ${again}", "${oc.select:token}"],
        "both": "${oc.env:SECRET_TOKEN}@${art:'model:v1',path}",
        "fallback": "${oc.env:NO_SUCH_VARIABLE,${path}}",
        "literal": r"\${token} and $HOME",
        "missing": "???",
    }


def store_of(folder):
    return {"artifacts": {"manifest": {"root": str(folder / "store")}}}


def test_what_cannot_be_resolved_is_told_with_its_key():
    with pytest.raises(ConfigError, match=r"'a\.b: \$\{nothing\}' cannot be resolved"):
        resolve_but_environment(OmegaConf.create({"a": {"b": "${nothing}"}}))
