"""What a recipe says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nemo_runspec.model_formats import ModelFormat

Launch = Literal["torchrun", "ray", "direct"]
Packager = Literal["self_contained", "code", "none"]


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How the recipe's script is started.

    Args:
        launch: What starts the script.
        cmd: The command; ``{script}`` and ``{config}`` stand for the two files.
        workdir: The working directory on the target, if not the launcher's own.
        packager: How the code travels to the target.
        preview: The command that shows, in a dry run, what the job would make; it writes nothing
            and needs no launcher.
        packages: Packages of yours that travel with the recipe where it is packaged as one file.
    """

    launch: Launch
    cmd: str
    workdir: str | None
    packager: Packager
    preview: str | None = None
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfigSettings:
    """Where the recipe's configurations lie.

    Args:
        dir: Absolute folder of the configurations.
        default: Name of the one that is used when none is chosen.
        format: What the files are written for.
    """

    dir: Path
    default: str
    format: str


@dataclass(frozen=True, slots=True)
class ResourceSettings:
    """The smallest allocation that the recipe is written for.

    Args:
        nodes: Number of machines, at least 1.
        gpus_per_node: Number of GPUs on each, 0 for none.
    """

    nodes: int
    gpus_per_node: int


@dataclass(frozen=True, slots=True)
class ArtifactDeclarations:
    """What the recipe takes and makes.

    Args:
        reads: Key in the config's ``run`` section to the artifact type it must refer to.
        writes: Type of the artifact that the recipe records, if it records one.
        read_formats: Key in the ``run`` section to the format that the model must have; keys that
            take any format are not in it.
        written_format: The format of the model that the recipe records, where it says so.
        written_name: What it is recorded as, where that follows what is read: ``{model}-hf``.
    """

    reads: Mapping[str, str]
    writes: str | None
    read_formats: Mapping[str, ModelFormat] = field(default_factory=dict)
    written_format: ModelFormat | None = None
    written_name: str | None = None

    @property
    def converts(self) -> bool:
        """Whether the recipe makes of a model the same model in another format."""
        return self.written_format is not None and self.written_name is not None


@dataclass(frozen=True, slots=True)
class Runspec:
    """The validated ``[tool.runspec]`` block of one recipe script.

    Args:
        path: Absolute path of the script.
        schema: Version of the block's format.
        name: The recipe's name, which is also its command: ``nano3/data/prep/sft``.
        image: Container image that it runs in.
        setup: What has to be done before the first run, for people.
        docs: One sentence for the command's help.
        run: How it is started.
        config: Where its configurations lie.
        resources: What it needs.
        env: Defaults of the config's ``run.env`` section.
        artifacts: What it reads and writes.
    """

    path: Path
    schema: str
    name: str
    image: str | None
    setup: str | None
    docs: str | None
    run: RunSettings
    config: ConfigSettings
    resources: ResourceSettings
    env: Mapping[str, Any]
    artifacts: ArtifactDeclarations

    @property
    def words(self) -> tuple[str, ...]:
        """The command's words: ``("nano3", "data", "prep", "sft")``."""
        return tuple(self.name.split("/"))
