"""One rank of a distributed job: sets tracking up and prints what it resolved.

Usage: rank.py CONFIG_JSON COUNTER; each real resolution appends a line to COUNTER.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from omegaconf import OmegaConf

from nemo_runspec.artifacts import setup_artifact_tracking
from nemo_runspec.artifacts.session import ArtifactTrackingResult
from nemo_runspec.script import script_main


def main() -> None:
    counter = Path(sys.argv[2])
    real_resolve = ArtifactTrackingResult.resolve

    def counted(self: ArtifactTrackingResult, text: str) -> object:
        if not self.has_resolved(text):
            with counter.open("a") as stream:
                stream.write(f"{os.environ['RANK']} {text}\n")
        return real_resolve(self, text)

    ArtifactTrackingResult.resolve = counted  # type: ignore[assignment,method-assign]
    config = OmegaConf.create(json.loads(sys.argv[1]))
    tracking = setup_artifact_tracking(config)
    sys.stdout.write(json.dumps({"path": config.path, "inputs": tracking.inputs}))


if __name__ == "__main__":
    script_main(main)
