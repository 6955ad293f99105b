"""A script of a user's own, with a configuration of its own, that names files."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nemo_runspec.config import cli


@dataclass
class Model:
    layers: int = 2
    rate: float = 1e-3


@dataclass
class Settings:
    blend: Path
    model: Model = field(default_factory=Model)
    steps: list[int] = field(default_factory=list)


if __name__ == "__main__":
    settings = cli(Settings, "config.yaml")
    print(json.dumps(asdict(settings) | {"blend": json.loads(settings.blend.read_text())}))
