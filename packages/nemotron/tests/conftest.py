from __future__ import annotations

import signal
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from omegaconf import OmegaConf

from nemo_runspec.artifacts import (
    ModelArtifact,
    SFTDataArtifact,
    log_artifact,
    setup_artifact_tracking,
)
from nemotron.cli.main import main

# What an example takes says nothing on a busy machine; and each run tries the same ones.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")

PREP = """
# /// script
# dependencies = ["nemo-runspec"]
# [tool.runspec]
# schema = "1"
# name = "demo/data/prep/sft"
# docs = "Write a little data."
# [tool.runspec.artifacts]
# writes = "SFTDataArtifact"
# ///
from pathlib import Path

from nemo_runspec.artifacts import SFTDataArtifact, log_artifact_once, setup_artifact_tracking
from nemo_runspec.config import load_omegaconf_yaml, parse_config_and_overrides
from nemo_runspec.errors import DataError
from nemo_runspec.run_result import record_summary
from nemo_runspec.script import script_main


def main() -> None:
    path, _ = parse_config_and_overrides()
    config = load_omegaconf_yaml(path)
    tracking = setup_artifact_tracking(config)
    if config.broken:
        raise DataError("Line 3 holds no JSON.", where="chat.jsonl:3", hint="Repair the line.")
    folder = Path(config.output_dir).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.txt").write_text("hello")
    print("preparing", flush=True)
    artifact = SFTDataArtifact(path=folder, pack_size=config.pack_size, total_tokens=12345)
    log_artifact_once(artifact, tracking)
    record_summary("total_tokens", 12345)
    record_summary("size_bytes", 5 * 1024)


if __name__ == "__main__":
    script_main(main)
"""

TRAIN = """
# /// script
# [tool.runspec]
# schema = "1"
# name = "demo/sft"
# docs = "Train on the data."
# image = "registry.example/nemo:1"
# [tool.runspec.run]
# launch = "torchrun"
# [tool.runspec.config]
# dir = "config/train"
# [tool.runspec.artifacts]
# writes = "ModelArtifact"
# [tool.runspec.artifacts.reads]
# data = "SFTDataArtifact"
# model = "ModelArtifact"
# ///
"""

CONFIGS = {
    "prep.py": PREP,
    "train.py": TRAIN,
    "config/default.yaml": "output_dir: output/default\npack_size: 64\nbroken: false\n",
    "config/sample.yaml": """
        # A few records
        output_dir: output/sample
        pack_size: 16
        broken: false
    """,
    "config/train/sample.yaml": """
        # Small enough for a laptop
        run:
          data: demo-sft-data-sample:latest
        recipe:
          path: ${art:data,path}/packed
          pack_size: ${art:data,pack_size}
          cache: ${oc.env:DEMO_CACHE}
    """,
}


@pytest.fixture(scope="session", autouse=True)
def heeded_ctrl_c() -> None:
    """A shell's background ignores Ctrl-C, and so would all that the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def write_files(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")


@pytest.fixture(name="write_files")
def write_files_fixture() -> Callable[[Path, dict[str, str]], None]:
    return write_files


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the recipes ``demo/data/prep/sft`` and ``demo/sft``."""
    for name in ("NEMOTRON_RECIPES", "NEMOTRON_ENV", "NEMOTRON_ARTIFACTS_ROOT", "NEMOTRON_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NEMOTRON_CACHE_DIR", str(tmp_path / ".cache"))
    # Whoever runs the tests may be logged in to W&B, which the command would remark on.
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "no-wandb"))
    write_files(tmp_path / "recipes" / "demo", CONFIGS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Finished:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


Command = Callable[..., Finished]


@pytest.fixture
def nemotron(capfd: pytest.CaptureFixture[str]) -> Command:
    """Run one command line in this process; its jobs are processes of their own."""

    def run(*words: str) -> Finished:
        capfd.readouterr()
        code = main(words)
        out, err = capfd.readouterr()
        return Finished(code, out, err)

    return run


@pytest.fixture
def store(workplace: Path) -> Path:
    """A store with two versions of data, and a model made from the second."""
    root = workplace / "artifacts"
    raw = workplace / "chat.jsonl"
    raw.write_text("{}\n")
    (workplace / "data").mkdir()
    (workplace / "data" / "shard").write_text("abc")

    class Data(SFTDataArtifact):
        def get_input_uris(self) -> list[str]:
            return [str(raw)]

        def get_input_revisions(self) -> dict[str, str]:
            return {str(raw): "sha256:abc"}

    settings = {"artifacts": {"manifest": {"root": str(root)}}}
    for tokens in (10, 20):
        with setup_artifact_tracking(OmegaConf.create(settings)) as tracking:
            artifact = Data(path=workplace / "data", pack_size=8, total_tokens=tokens)
            log_artifact(artifact, tracking, name="demo-data")
    with setup_artifact_tracking(
        OmegaConf.create({**settings, "run": {"data": "demo-data:latest"}})
    ) as tracking:
        log_artifact(ModelArtifact(path=workplace / "ckpt", step=5), tracking, name="demo-model")
    return root
