"""Artifacts: typed, versioned pointers to data and models, and the tracking that records them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.artifacts.base import Artifact as Artifact
    from nemo_runspec.artifacts.paths import RemotePath as RemotePath
    from nemo_runspec.artifacts.reference import ArtifactReference as ArtifactReference
    from nemo_runspec.artifacts.tracker import Lineage as Lineage
    from nemo_runspec.artifacts.tracker import LoggedArtifact as LoggedArtifact
    from nemo_runspec.artifacts.tracker import ResolvedArtifact as ResolvedArtifact
    from nemo_runspec.artifacts.tracker import Tracker as Tracker
    from nemo_runspec.artifacts.tracking import ArtifactTrackingResult as ArtifactTrackingResult
    from nemo_runspec.artifacts.tracking import current_tracking as current_tracking
    from nemo_runspec.artifacts.tracking import log_artifact as log_artifact
    from nemo_runspec.artifacts.tracking import log_artifact_once as log_artifact_once
    from nemo_runspec.artifacts.tracking import setup_artifact_tracking as setup_artifact_tracking
    from nemo_runspec.artifacts.types import DataBlendsArtifact as DataBlendsArtifact
    from nemo_runspec.artifacts.types import EvalResultsArtifact as EvalResultsArtifact
    from nemo_runspec.artifacts.types import InputDatasetInfo as InputDatasetInfo
    from nemo_runspec.artifacts.types import ModelArtifact as ModelArtifact
    from nemo_runspec.artifacts.types import PretrainBlendsArtifact as PretrainBlendsArtifact
    from nemo_runspec.artifacts.types import SFTDataArtifact as SFTDataArtifact
    from nemo_runspec.artifacts.types import SplitJsonlDataArtifact as SplitJsonlDataArtifact

EXPORTS = {
    "Artifact": "nemo_runspec.artifacts.base:Artifact",
    "ArtifactReference": "nemo_runspec.artifacts.reference:ArtifactReference",
    "ArtifactTrackingResult": "nemo_runspec.artifacts.tracking:ArtifactTrackingResult",
    "DataBlendsArtifact": "nemo_runspec.artifacts.types:DataBlendsArtifact",
    "EvalResultsArtifact": "nemo_runspec.artifacts.types:EvalResultsArtifact",
    "InputDatasetInfo": "nemo_runspec.artifacts.types:InputDatasetInfo",
    "Lineage": "nemo_runspec.artifacts.tracker:Lineage",
    "LoggedArtifact": "nemo_runspec.artifacts.tracker:LoggedArtifact",
    "ModelArtifact": "nemo_runspec.artifacts.types:ModelArtifact",
    "PretrainBlendsArtifact": "nemo_runspec.artifacts.types:PretrainBlendsArtifact",
    "RemotePath": "nemo_runspec.artifacts.paths:RemotePath",
    "ResolvedArtifact": "nemo_runspec.artifacts.tracker:ResolvedArtifact",
    "SFTDataArtifact": "nemo_runspec.artifacts.types:SFTDataArtifact",
    "SplitJsonlDataArtifact": "nemo_runspec.artifacts.types:SplitJsonlDataArtifact",
    "Tracker": "nemo_runspec.artifacts.tracker:Tracker",
    "current_tracking": "nemo_runspec.artifacts.tracking:current_tracking",
    "log_artifact": "nemo_runspec.artifacts.tracking:log_artifact",
    "log_artifact_once": "nemo_runspec.artifacts.tracking:log_artifact_once",
    "setup_artifact_tracking": "nemo_runspec.artifacts.tracking:setup_artifact_tracking",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
