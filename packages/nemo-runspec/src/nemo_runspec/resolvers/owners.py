"""Which tracking a configuration belongs to.

A token in the configuration's own resolver cache leads to its tracking; copies of the
configuration carry it along. So two configurations in one process never see each other's
artifacts, in whatever order they are resolved.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass

from omegaconf import DictConfig, ListConfig, OmegaConf

from nemo_runspec.artifacts.opening import active_tracking, open_tracking
from nemo_runspec.artifacts.session import ArtifactTrackingResult
from nemo_runspec.artifacts.settings import TrackingSettings

_CACHE_KEY = "nemo_runspec.tracking"
_DEFAULT_KEY = "run"


@dataclass(frozen=True)
class _Owner:
    tracking: ArtifactTrackingResult
    artifacts_key: str


class TrackingOwners:
    """The trackings of the process's configurations."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_token: dict[str, _Owner] = {}
        self._by_settings: dict[TrackingSettings, ArtifactTrackingResult] = {}

    def assign(
        self, config: DictConfig, tracking: ArtifactTrackingResult, artifacts_key: str
    ) -> None:
        """Let a configuration belong to a tracking."""
        token = uuid.uuid4().hex
        OmegaConf.get_cache(config)[_CACHE_KEY] = {"token": token}
        with self._lock:
            self._by_token[token] = _Owner(tracking, artifacts_key)

    def find(self, config: DictConfig | ListConfig) -> ArtifactTrackingResult | None:
        """The tracking that a configuration, or the one it was copied from, belongs to."""
        owner = self._find(config)
        return None if owner is None else owner.tracking

    def artifacts_key(self, config: DictConfig | ListConfig) -> str:
        """The section of a configuration's references."""
        owner = self._find(config)
        return _DEFAULT_KEY if owner is None else owner.artifacts_key

    def holder_of(self, reference: str, default: ArtifactTrackingResult) -> ArtifactTrackingResult:
        """The tracking that a pinned reference came from, for sections merged elsewhere.

        Args:
            reference: A pinned reference or a path.
            default: The tracking of the configuration that the reference stands in now.
        """
        if default.has_resolved(reference):
            return default
        latest_first = reversed(self.all())
        return next((one for one in latest_first if one.has_resolved(reference)), default)

    def find_or_open(self, settings: TrackingSettings) -> ArtifactTrackingResult:
        """A tracking for a configuration that none was set up for."""
        current = active_tracking()
        if current is not None and current.settings == settings:
            return current
        with self._lock:
            if settings not in self._by_settings:
                opened = open_tracking(settings, config=OmegaConf.create({}))
                self._by_settings[settings] = opened
            return self._by_settings[settings]

    def all(self) -> list[ArtifactTrackingResult]:
        """Every tracking that some configuration belongs to, the latest last."""
        with self._lock:
            owned = [owner.tracking for owner in self._by_token.values()]
            return [*self._by_settings.values(), *owned]

    def _find(self, config: DictConfig | ListConfig) -> _Owner | None:
        cached = OmegaConf.get_cache(config).get(_CACHE_KEY)
        token = cached.get("token") if cached else None
        with self._lock:
            return self._by_token.get(token) if token else None


OWNERS = TrackingOwners()
