"""Artifacts: typed, versioned pointers to data and models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.artifacts import Artifact as Artifact
    from nemo_runspec.artifacts import DataBlendsArtifact as DataBlendsArtifact
    from nemo_runspec.artifacts import EvalResultsArtifact as EvalResultsArtifact
    from nemo_runspec.artifacts import InputDatasetInfo as InputDatasetInfo
    from nemo_runspec.artifacts import ModelArtifact as ModelArtifact
    from nemo_runspec.artifacts import PretrainBlendsArtifact as PretrainBlendsArtifact
    from nemo_runspec.artifacts import SFTDataArtifact as SFTDataArtifact
    from nemo_runspec.artifacts import SplitJsonlDataArtifact as SplitJsonlDataArtifact

EXPORTS = {
    "Artifact": "nemo_runspec.artifacts:Artifact",
    "DataBlendsArtifact": "nemo_runspec.artifacts:DataBlendsArtifact",
    "EvalResultsArtifact": "nemo_runspec.artifacts:EvalResultsArtifact",
    "InputDatasetInfo": "nemo_runspec.artifacts:InputDatasetInfo",
    "ModelArtifact": "nemo_runspec.artifacts:ModelArtifact",
    "PretrainBlendsArtifact": "nemo_runspec.artifacts:PretrainBlendsArtifact",
    "SFTDataArtifact": "nemo_runspec.artifacts:SFTDataArtifact",
    "SplitJsonlDataArtifact": "nemo_runspec.artifacts:SplitJsonlDataArtifact",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
