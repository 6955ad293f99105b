"""The W&B backend where it is the only one: what it cannot do is an error that names the cure."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial

from nemo_runspec.artifacts.backends import ResolutionMode
from nemo_runspec.artifacts.base import Artifact
from nemo_runspec.artifacts.reference import ArtifactReference, check_artifact_name
from nemo_runspec.artifacts.tracker import Lineage, LoggedArtifact, ResolvedArtifact
from nemotron_kit_wandb.calling import within
from nemotron_kit_wandb.credentials import find_mode
from nemotron_kit_wandb.destination import Destination
from nemotron_kit_wandb.presence import refuse_silent_server
from nemotron_kit_wandb.publishing import Published, WandbPublishError, build_artifact, publish
from nemotron_kit_wandb.recording import make_record
from nemotron_kit_wandb.records import RecordedArtifact, RunIdentity, WandbRecord
from nemotron_kit_wandb.resolver import WandbResolver
from nemotron_kit_wandb.runs import UNHEARD, active_run, announced_run, mode_of, run_of

logger = logging.getLogger(__name__)

RESOLVE_TIMEOUT_S = 60.0
LOG_TIMEOUT_S = 300.0


class WandbTracker:
    """Artifacts in W&B.

    An artifact is recorded in the active run; where this process has none, in the one that another
    process of the job started, and without any in a run of its own. When :meth:`log` returns, the
    server has said that it has the version.

    Args:
        project: The project; by default the one of ``[wandb]`` in env.toml, else the run's.
        entity: The team or user; by default that of the API key.
        mode: How references are looked up, see :class:`~nemotron_kit_wandb.resolver.WandbResolver`.
        resolve_timeout_s: How long looking a reference up may take.
        log_timeout_s: How long recording an artifact may take.
    """

    backend = "wandb"

    def __init__(
        self,
        project: str | None = None,
        entity: str | None = None,
        *,
        mode: ResolutionMode | None = None,
        resolve_timeout_s: float = RESOLVE_TIMEOUT_S,
        log_timeout_s: float = LOG_TIMEOUT_S,
    ) -> None:
        self._destination = Destination.configured(project, entity)
        self._resolver = WandbResolver(self._destination, mode=mode, timeout_s=resolve_timeout_s)
        self._log_timeout_s = log_timeout_s

    def log(self, artifact: Artifact, *, name: str, lineage: Lineage) -> LoggedArtifact:
        """Record a new version of an artifact, and wait until W&B has it.

        Where the client is offline the version is in the run's folder, and its number is not
        known before ``wandb sync``.

        Args:
            artifact: What to record; it is not changed.
            name: The name to record it under.
            lineage: What it was made from.

        Raises:
            InvalidReferenceError: The name is no artifact name.
            WandbUnreachableError: The server does not answer in time.
            WandbPublishError: It refuses.
            ArtifactError: A file to upload is not there.
        """
        check_artifact_name(name)
        run = active_run()
        mode = find_mode() if run is None else mode_of(run)
        record = make_record(
            artifact,
            name=name,
            lineage=lineage,
            destination=self._destination,
            run=_run_of_job(mode) if run is None else RunIdentity.of(run),
        )
        if mode not in UNHEARD:
            return _receipt(record, self._publish(record))
        self._log_unheard(record, mode)
        return _receipt(record, Published())

    def resolve(self, reference: ArtifactReference) -> ResolvedArtifact:
        """Find the version that a reference means, see :class:`WandbResolver`."""
        return self._resolver.resolve(reference)

    def _publish(self, record: WandbRecord) -> Published:
        what = f"record {record.what}"
        refuse_silent_server(what)
        call = partial(_publish, record, self._log_timeout_s)
        return within(self._log_timeout_s, call, what=what)

    def _log_unheard(self, record: WandbRecord, mode: str) -> None:
        """Record in a run that no server hears of."""
        if mode == "disabled":
            logger.warning("%s is not recorded: the W&B client is disabled.", record.what)
            return
        with run_of(record, timeout_s=self._log_timeout_s) as run:
            run.log_artifact(build_artifact(_artifact(record)), aliases=list(record.aliases))
            logger.warning(
                "%s is recorded offline%s: `wandb sync %s` uploads it, and W&B then numbers it.",
                record.what,
                ", without edges from its inputs" if record.used else "",
                run.settings.sync_dir,
            )


def _run_of_job(mode: str) -> RunIdentity | None:
    # What is offline here cannot go on with a run that the server has.
    return None if mode in UNHEARD else announced_run()


def _publish(record: WandbRecord, timeout_s: float) -> Published:
    import wandb

    try:
        with run_of(record, timeout_s=timeout_s) as run:
            return publish(record, run, timeout_s=timeout_s)
    except wandb.Error as error:
        raise WandbPublishError(
            f"W&B could not start a run to record {record.what} in ({error}).",
            where=f"{record.entity or '(default entity)'}/{record.project}",
            hint="Check `wandb login`, project and entity; or record manifests too: set "
            "artifacts.manifest.root=PATH.",
        ) from error


def _artifact(record: WandbRecord) -> RecordedArtifact:
    if record.artifact is None:
        raise TypeError("the record has no artifact")
    return record.artifact


def _receipt(record: WandbRecord, published: Published) -> LoggedArtifact:
    artifact = _artifact(record)
    return LoggedArtifact(
        artifact.name,
        published.version,
        created_at=datetime.fromisoformat(artifact.document["created_at"]),
        producer=artifact.document["producer"],
        url=published.url,
    )
