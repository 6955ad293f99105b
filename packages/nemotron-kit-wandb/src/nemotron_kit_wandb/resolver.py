"""Look references up in W&B: through the active run, or before there is one."""

from __future__ import annotations

import importlib
from functools import partial
from typing import TYPE_CHECKING

from nemo_runspec.artifacts.backends import ResolutionMode
from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.artifacts.tracker import ResolvedArtifact
from nemo_runspec.errors import ArtifactError
from nemotron_kit_wandb.calling import within
from nemotron_kit_wandb.credentials import find_mode, require_api_key
from nemotron_kit_wandb.destination import Destination
from nemotron_kit_wandb.lookup import look_up
from nemotron_kit_wandb.presence import PATIENCE_S, refuse_silent_server
from nemotron_kit_wandb.resolution import describe
from nemotron_kit_wandb.runs import UNHEARD, active_run, mode_of

if TYPE_CHECKING:
    from wandb import Api, Artifact, Run


class WandbResolver:
    """Resolves references.

    With an active run the version becomes an input of that run on the spot (``active_run``).
    Before there is one (``pre_init``) the server is merely asked; whoever starts the run makes
    the edges, by the qualified names.

    Args:
        destination: Where bare names are looked up.
        mode: One of the two ways; by default what there is decides.
        timeout_s: How long one look-up may take.
    """

    def __init__(
        self,
        destination: Destination,
        *,
        mode: ResolutionMode | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        self._destination = destination
        self._mode = mode
        self._timeout_s = timeout_s

    def resolve(self, reference: ArtifactReference) -> ResolvedArtifact:
        """Find the version that a reference means, as it is now.

        Raises:
            ArtifactNotFoundError: There is no such project, name, version or alias.
            WandbUnreachableError: The server does not answer in time.
            WandbCredentialsError: There is no key to ask it with.
            ArtifactError: The client is offline or disabled, or there is no run where one is
                required.
        """
        run = self._run(reference)
        destination = self._destination if run is None else self._destination.within(run)
        _refuse_nowhere(reference, destination)
        call = partial(self._find, reference.whole, run, destination)
        what = f"look up {destination.full_name(reference.whole)}"
        refuse_silent_server(what, min(self._timeout_s, PATIENCE_S))
        # Before the server's time begins: on a busy machine the client takes seconds to load.
        importlib.import_module("wandb")
        return within(self._timeout_s, call, what=what).at(reference.inside)

    def _find(
        self, reference: ArtifactReference, run: Run | None, destination: Destination
    ) -> ResolvedArtifact:
        ask = self._read if run is None else run.use_artifact
        return describe(look_up(ask, self._api, reference, destination), reference)

    def _run(self, reference: ArtifactReference) -> Run | None:
        """The run to use the version in; None where the server is merely asked."""
        run = None if self._mode == "pre_init" else active_run()
        if run is None and self._mode == "active_run":
            raise ArtifactError(
                f"{reference} cannot be looked up through the active run: there is none.",
                hint="Call init_wandb_from_env() before, or resolve with mode='pre_init'.",
            )
        mode = find_mode() if run is None else mode_of(run)
        if mode in UNHEARD:
            raise ArtifactError(
                f"{reference} cannot be looked up: the W&B client is {mode}.",
                hint="Set WANDB_MODE=online, record manifests too (artifacts.manifest.root=PATH), "
                "or give a path in place of the name.",
            )
        return run

    def _read(self, name: str) -> Artifact:
        found: Artifact = self._api().artifact(name)  # untyped in wandb
        return found

    def _api(self) -> Api:
        key = require_api_key()
        import wandb

        return wandb.Api(api_key=key.value, timeout=max(1, int(self._timeout_s)))


def _refuse_nowhere(reference: ArtifactReference, destination: Destination) -> None:
    if reference.owner is None and destination.project is None:
        raise ArtifactError(
            f"No W&B project is named to look {reference} up in.",
            hint="Set run.wandb.project, WANDB_PROJECT or `project` under [wandb] in env.toml, or "
            f"write ENTITY/PROJECT/{reference.name}:{reference.selector}.",
        )
