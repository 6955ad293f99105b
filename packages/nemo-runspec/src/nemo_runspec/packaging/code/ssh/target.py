"""A folder on another machine, and the ssh that leads to it without ever asking anything."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from nemo_runspec.errors import PackagingError

# Nothing may wait for a person: no password, no question about a host key, no dead connection.
_SETTINGS = (
    *("BatchMode=yes", "StrictHostKeyChecking=yes", "LogLevel=ERROR", "ClearAllForwardings=yes"),
    *("ServerAliveInterval=15", "ServerAliveCountMax=3", "RemoteCommand=none"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SshTarget:
    """Where code is sent.

    The user's own ssh configuration holds; the host's key has to be known.

    Attributes:
        host: A name or address, as ssh takes it.
        root: A folder there; one that begins with ``~/`` or not with ``/`` lies in the home folder.
        user: The user there, if not the one that ssh would choose.
        port: The port, if not the one that ssh would choose.
        identity: A file with a private key; then no other key is offered.
        config: A configuration file of ssh, if not the user's own.
        options: More settings of ssh, each as ``Name=value``; they stand above that file.
        connect_timeout_s: How long to wait for the machine to answer.
        timeout_s: How long all of one transfer may take.
    """

    host: str
    root: str
    user: str | None = None
    port: int | None = None
    identity: Path | None = None
    config: Path | None = None
    options: tuple[str, ...] = ()
    connect_timeout_s: int = 10
    timeout_s: int = 3600

    def __post_init__(self) -> None:
        if (
            not self.host
            or self.host.startswith("-")
            or set(self.host) & set(" \t\n/@")
            or self.host[-1:] == ":"
        ):
            raise PackagingError(
                f"{self.host!r} is no host name.", hint="Write the user and the folder apart."
            )
        if not self.root or set(self.root) & set("\n\r\0"):
            raise PackagingError(
                f"{self.root!r} is no folder on {self.host}.",
                hint="Name a folder, such as '/lustre/you/code' or '~/code'.",
            )

    def __str__(self) -> str:
        user = "" if self.user is None else f"{self.user}@"
        return f"{user}{self.host}:{self.root}"

    @property
    def ssh(self) -> list[str]:
        """The ssh command, up to the host."""
        settings = (*_SETTINGS, f"ConnectTimeout={self.connect_timeout_s}", *self.options)
        words = ["ssh", "-a", "-x", "-T"]
        if self.user is not None:
            words += ["-l", self.user]
        if self.port is not None:
            words += ["-p", str(self.port)]
        if self.config is not None:
            words += ["-F", str(self.config)]
        if self.identity is not None:
            words += ["-i", str(self.identity), "-o", "IdentitiesOnly=yes"]
        return words + [word for setting in settings for word in ("-o", setting)]

    @property
    def quoted_root(self) -> str:
        """The folder for a shell: quoted, but for the home folder in front."""
        if self.root == "~":
            return '"$HOME"'
        if self.root.startswith("~/"):
            return f'"$HOME"/{shlex.quote(self.root[2:])}'
        return shlex.quote(self.root if not self.root.startswith(("-", "~")) else f"./{self.root}")
