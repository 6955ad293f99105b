"""Write the two configurations of a job."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from nemo_runspec.atomic import write_atomically
from nemo_runspec.config.secrets import redact
from nemo_runspec.errors import ExecutionError

JOB_FILE = "job.yaml"
TRAIN_FILE = "train.yaml"


def save_configs(job: DictConfig, train: DictConfig, directory: str | Path) -> tuple[Path, Path]:
    """Write ``job.yaml`` and ``train.yaml``, both or neither, without any secret.

    Args:
        job: The job's configuration.
        train: What the script will see.
        directory: Where to write; created where missing.

    Returns:
        The two files, in that order.

    Raises:
        ExecutionError: They cannot be written.
    """
    folder = Path(directory)
    files = folder / JOB_FILE, folder / TRAIN_FILE
    written: list[Path] = []
    try:
        for file, config in zip(files, (job, train), strict=True):
            write_atomically(file, to_yaml(config).encode())
            written.append(file)
    except OSError as error:
        for file in written:
            file.unlink(missing_ok=True)
        raise ExecutionError(
            f"The job's configuration cannot be written: {error.strerror}.",
            where=str(folder),
            hint="Free some space there, or run from a folder that you can write to.",
        ) from error
    return files


def to_yaml(config: DictConfig) -> str:
    """Render a configuration as YAML, interpolations kept, secrets replaced by ``***``."""
    return OmegaConf.to_yaml(redact(config), resolve=False)
