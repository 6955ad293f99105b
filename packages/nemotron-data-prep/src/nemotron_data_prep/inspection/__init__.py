"""Look into prepared data: what is trained, how full packs are, how long records are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemotron_data_prep.inspection.inspector import Request as Request
    from nemotron_data_prep.inspection.inspector import inspect_data as inspect_data
    from nemotron_data_prep.inspection.model import Inspection as Inspection

EXPORTS = {
    "Inspection": "nemotron_data_prep.inspection.model:Inspection",
    "Request": "nemotron_data_prep.inspection.inspector:Request",
    "inspect_data": "nemotron_data_prep.inspection.inspector:inspect_data",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
