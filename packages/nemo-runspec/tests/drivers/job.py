"""One process of a job, told by its arguments what to do, in order.

Usage: job.py STEP…; a step is ``setup=CONFIG_JSON``, ``load=CONFIG_JSON`` (without setup),
``stand=FOLDER`` (go there), ``use=REFERENCE``, ``checkpoint=FOLDER``, ``value=KEY`` (of the
configuration) or ``log=NAME:FOLDER``. Prints one JSON list: what the steps gave.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from nemo_runspec.artifacts import Artifact, ModelArtifact, log_artifact, setup_artifact_tracking
from nemo_runspec.events import CheckpointDispatcher, CheckpointSaved, record_checkpoint
from nemo_runspec.resolvers import register_resolvers
from nemo_runspec.script import script_main


def main() -> None:
    config = OmegaConf.create({})
    given: list[Any] = []
    for word in sys.argv[1:]:
        step, _, value = word.partition("=")
        if step == "setup":
            config = OmegaConf.create(json.loads(value))
            given.append(setup_artifact_tracking(config).inputs)
        elif step == "load":
            register_resolvers()
            config = OmegaConf.create(json.loads(value))
        elif step == "stand":
            os.chdir(value)
        elif step == "use":
            given.append(str(Artifact.from_uri(value).path))
        elif step == "value":
            given.append(OmegaConf.select(config, value))
        elif step == "log":
            name, _, folder = value.partition(":")
            given.append(log_artifact(ModelArtifact(path=Path(folder), step=1), name=name).ref)
        elif step == "checkpoint":
            given.append(checkpoint(Path(value)))
    sys.stdout.write(json.dumps(given))


def checkpoint(save_dir: Path) -> str:
    refs: list[str] = []
    dispatcher = CheckpointDispatcher([lambda event: refs.append(record_checkpoint(event).ref)])
    event = CheckpointSaved(save_dir / "iter_0000020", save_dir, 20, framework="megatron-bridge")
    dispatcher.emit(event)
    return refs[0]


if __name__ == "__main__":
    script_main(main)
