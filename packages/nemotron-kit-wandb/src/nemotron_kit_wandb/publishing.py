"""Put a record into W&B: the version with its files and references, and the edges to its inputs.

The calls of the client that this makes may block for longer than they are told where the server
is down: make them on a thread that may be left behind.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from nemo_runspec.errors import ArtifactError
from nemo_runspec.json_values import json_text
from nemotron_kit_wandb.client_errors import first_line
from nemotron_kit_wandb.pages import artifact_page, run_page
from nemotron_kit_wandb.records import METADATA_FILE, RecordedArtifact, WandbRecord

if TYPE_CHECKING:
    from wandb import Artifact, Run

logger = logging.getLogger(__name__)

_MOST_KEYS = 100  # W&B takes no more; metadata.json has them all
_SCALARS = (str, int, float, bool)
_ATTEMPTS = 2


class WandbPublishError(ArtifactError):
    """W&B did not take a record."""


@dataclass(frozen=True)
class Published:
    """What W&B says of a record that it has.

    Attributes:
        qualified_name: ``entity/project/name:v3``; None where nothing was made.
        version: The number, from 0.
        url: Its page.
        unlinked: Inputs that W&B does not know, so that their edges are missing.
    """

    qualified_name: str | None = None
    version: int | None = None
    url: str | None = None
    unlinked: tuple[str, ...] = ()


def publish(record: WandbRecord, run: Run, *, timeout_s: float) -> Published:
    """Put a record into W&B, and return when the server has said that it has it.

    A record that was published before, wholly or in part, is the same version.

    Args:
        record: What to record.
        run: The run that it belongs to, online.
        timeout_s: How long to wait for the server to commit it.

    Raises:
        WandbPublishError: The server refused it, or did not confirm it in time.
    """
    deadline = time.monotonic() + timeout_s
    unlinked = tuple(name for name in record.used if not _use(run, name))
    if record.artifact is None:
        page = run_page(f"{run.entity}/{run.project}", run.id)
        return Published(url=page, unlinked=unlinked)
    made = _log(record, record.artifact, run, deadline)
    _complete_aliases(made, record.aliases)
    owner, name = f"{made.entity}/{made.project}", record.artifact.name
    return Published(
        qualified_name=f"{owner}/{name}:{made.version}",
        version=int(made.version.removeprefix("v")),
        url=artifact_page(owner, made.type, name, made.version),
        unlinked=unlinked,
    )


def build_artifact(artifact: RecordedArtifact) -> Artifact:
    """Make W&B's own artifact of a recorded one; nothing that it refers to is read or copied.

    Raises:
        ArtifactError: A file to upload cannot be read.
    """
    import wandb
    from wandb.sdk.artifacts.artifact_manifest_entry import ArtifactManifestEntry
    from wandb.sdk.lib.paths import LogicalPath

    made = wandb.Artifact(artifact.name, artifact.kind, metadata=_page_metadata(artifact))
    with TemporaryDirectory() as folder:
        file = Path(folder) / METADATA_FILE
        file.write_bytes(json_text(artifact.document))
        made.add_file(str(file), skip_cache=True)  # the client makes a copy of its own
    for path, name in artifact.files:
        _add_file(made, path, name)
    for uri, name in artifact.references:
        # add_reference would read every local byte, and needs a client of each object store.
        entry = ArtifactManifestEntry(path=LogicalPath(name), ref=uri, digest=uri)
        made.manifest.add_entry(entry)
    return made


def _add_file(made: Artifact, path: str, name: str) -> None:
    try:
        made.add_file(path, name=name, skip_cache=True)
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"A file for W&B cannot be read: {error}.",
            where=path,
            hint="get_wandb_files() names it: let it name files that exist.",
        ) from error


def _log(record: WandbRecord, artifact: RecordedArtifact, run: Run, deadline: float) -> Artifact:
    """Log it; a reply that broke off is asked for again, since equal content is one version."""
    import wandb
    from wandb.sdk.artifacts.exceptions import WaitTimeoutError

    problem: Exception | None = None
    for _ in range(_ATTEMPTS):
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            break
        try:
            made = build_artifact(artifact)
            return run.log_artifact(made, aliases=list(record.aliases)).wait(max(1, int(left_s)))
        except WaitTimeoutError as error:
            problem = error
            break
        except (wandb.Error, ValueError) as error:
            problem = error
            logger.info("W&B did not take %s at once: %s", record.what, error)
    reason = "no time was left" if problem is None else first_line(problem)
    raise WandbPublishError(
        f"W&B did not take {record.what} ({reason}).",
        where=f"{run.entity}/{run.project}",
        hint="Check that W&B can be reached and that you may write there; then record it again.",
    ) from problem


def _use(run: Run, name: str) -> bool:
    import wandb

    try:
        run.use_artifact(name)
    except (wandb.Error, ValueError, TypeError) as error:
        logger.warning("W&B shows no edge from %s: %s", name, first_line(error))
        return False
    return True


def _complete_aliases(made: Artifact, wanted: tuple[str, ...]) -> None:
    missing = [alias for alias in wanted if alias not in made.aliases]
    if missing:
        made.aliases.extend(missing)
        made.save()


def _page_metadata(artifact: RecordedArtifact) -> dict[str, Any]:
    """What people see on the artifact's page: plain values, as many as W&B takes."""
    known = {"manifest": artifact.manifest, **artifact.document}
    plain = {key: value for key, value in known.items() if isinstance(value, _SCALARS)}
    return dict(list(plain.items())[:_MOST_KEYS])
