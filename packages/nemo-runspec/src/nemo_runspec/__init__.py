"""Recipe metadata, configuration, artifacts, lineage and execution for Nemotron recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.errors import NemotronError as NemotronError
    from nemo_runspec.runspec import Runspec as Runspec
    from nemo_runspec.runspec import parse as parse

EXPORTS = {
    "NemotronError": "nemo_runspec.errors:NemotronError",
    "Runspec": "nemo_runspec.runspec:Runspec",
    "parse": "nemo_runspec.runspec:parse",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
