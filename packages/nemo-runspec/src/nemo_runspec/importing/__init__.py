"""Data and models that were made elsewhere: look at them, and record them as artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.importing.checkpoints import describe_checkpoint as describe_checkpoint
    from nemo_runspec.importing.description import Description as Description
    from nemo_runspec.importing.places import existing_place as existing_place
    from nemo_runspec.importing.places import read_json as read_json
    from nemo_runspec.importing.recorded import Recorded as Recorded
    from nemo_runspec.importing.recorded import read_recorded as read_recorded
    from nemo_runspec.importing.recording import record_import as record_import

EXPORTS = {
    "Description": "nemo_runspec.importing.description:Description",
    "Recorded": "nemo_runspec.importing.recorded:Recorded",
    "describe_checkpoint": "nemo_runspec.importing.checkpoints:describe_checkpoint",
    "existing_place": "nemo_runspec.importing.places:existing_place",
    "read_json": "nemo_runspec.importing.places:read_json",
    "read_recorded": "nemo_runspec.importing.recorded:read_recorded",
    "record_import": "nemo_runspec.importing.recording:record_import",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
