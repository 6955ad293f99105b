"""The shell of the machine that jobs are submitted on: this one, or one behind ssh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.execution.shells.base import ClusterShell as ClusterShell
    from nemo_runspec.execution.shells.local import LocalShell as LocalShell
    from nemo_runspec.execution.shells.opening import open_shell as open_shell
    from nemo_runspec.execution.shells.ssh import SshShell as SshShell
    from nemo_runspec.packaging.code.ssh.process import Finished as Finished

EXPORTS = {
    "ClusterShell": "nemo_runspec.execution.shells.base:ClusterShell",
    "Finished": "nemo_runspec.packaging.code.ssh.process:Finished",
    "LocalShell": "nemo_runspec.execution.shells.local:LocalShell",
    "SshShell": "nemo_runspec.execution.shells.ssh:SshShell",
    "open_shell": "nemo_runspec.execution.shells.opening:open_shell",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
