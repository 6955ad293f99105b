"""What made an artifact, what was made from it, and where two histories part."""

from __future__ import annotations

from nemo_runspec.lineage.comparison import Comparison, compare_histories
from nemo_runspec.lineage.differences import Difference
from nemo_runspec.lineage.graph import ArtifactNode, Direction, LineageGraph, RawNode
from nemo_runspec.lineage.index import StoreIndex
from nemo_runspec.lineage.records import RawInput, VersionRecord
from nemo_runspec.lineage.tracing import lineage_graph

__all__ = [
    "ArtifactNode",
    "Comparison",
    "Difference",
    "Direction",
    "LineageGraph",
    "RawInput",
    "RawNode",
    "StoreIndex",
    "VersionRecord",
    "compare_histories",
    "lineage_graph",
]
