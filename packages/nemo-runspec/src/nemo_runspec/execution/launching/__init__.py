"""The script that starts a job on each of its machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.execution.launching.joining import join_cluster as join_cluster
    from nemo_runspec.execution.launching.request import LaunchRequest as LaunchRequest
    from nemo_runspec.execution.launching.script import (
        render_launch_script as render_launch_script,
    )

EXPORTS = {
    "LaunchRequest": "nemo_runspec.execution.launching.request:LaunchRequest",
    "join_cluster": "nemo_runspec.execution.launching.joining:join_cluster",
    "render_launch_script": "nemo_runspec.execution.launching.script:render_launch_script",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
