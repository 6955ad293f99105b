"""A driver of NeMo-RL that starts the W&B run itself, from the section that the recipe hands it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from wandb_server import picture
from wandb_server.server import KEY

ROOT = Path(__file__).parents[2]
DOUBLE = ROOT / "packages" / "nemotron-kit-nemorl" / "tests" / "double"
ENV_TOML = """
[artifacts]
wandb = true

[wandb]
project = "nemotron"
entity = "team"
"""

DRIVER = """
import sys
from pathlib import Path

import wandb
import yaml
from nemo_rl.utils.checkpoint import CheckpointManager

config = yaml.safe_load(Path(sys.argv[2]).read_text())
logger = config["logger"]
assert logger["wandb_enabled"]
run = wandb.init(**logger["wandb"], dir=logger["log_dir"])
checkpoints = CheckpointManager(config["checkpointing"])
checkpoints.begin_finalization(checkpoints.init_tmp_checkpoint(5, {"reward": 1.0}))
run.log({"reward": 1.0})
checkpoints.shutdown()
run.finish()
"""


def nemotron(*words: str, **environment: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "nemotron", "nano3", *words, "--json"],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=200,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert KEY not in done.stdout + done.stderr
    document: dict[str, object] = json.loads(done.stdout)
    return document


def test_its_run_is_the_one_that_uses_the_prompts_and_made_the_model(server, own_world):
    (own_world / "env.toml").write_text(ENV_TOML, "utf-8")
    (own_world / "driver.py").write_text(DRIVER, "utf-8")
    (own_world / "base.yaml").write_text("policy: {}\n", "utf-8")
    (own_world / "logs").mkdir()
    shutil.copytree(DOUBLE, own_world / "packages")
    # Looked for; the driver above needs no cluster.
    (own_world / "packages" / "ray.py").touch()
    nemotron("data", "prep", "rl", "-c", "sample")
    nemotron(
        *("rl", "-c", "sample"),
        f"nemo_rl.driver={own_world}/driver.py",
        f"nemo_rl.base={own_world}/base.yaml",
        f"logger.log_dir={own_world}/logs",
        PYTHONPATH=str(own_world / "packages"),
    )
    seen = picture.take(server.state)
    (training,) = (path for path, told in seen.runs.items() if told.job_type != "data-prep")
    prompts, model = (f"team/nemotron/nano3-rl-{what}-sample:v0" for what in ("data", "model"))
    assert {(prompts, training), (training, model)} <= seen.edges
    assert seen.runs[training].state == "finished"
    written = [file.read_bytes() for file in own_world.rglob("nemo_rl.yaml")]
    assert written
    assert not any(KEY.encode() in text for text in written)
