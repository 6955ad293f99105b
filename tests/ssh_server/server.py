"""A real sshd on loopback: keys of its own, a log that can be counted, nobody's home touched.

Needs `openssh-server`, `openssh-client` and `rsync` of the system; no systemd, no configuration
of the machine, no account beside the one that runs the tests.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loopback import HOST, free_ports

PROGRAMS = ("ssh", "ssh-keygen", "rsync")
_SBIN = "/usr/sbin:/usr/local/sbin:/sbin"
_START_LIMIT_S = 60
# A user that exists everywhere, and whose login shell would not let it in.
_NOBODY = "65534"


@dataclass(frozen=True)
class SshServer:
    """A running sshd.

    Attributes:
        folder: Its keys, configuration and log.
        port: Where it listens on loopback.
        key: The private key that it accepts.
        known_hosts: A file that knows its host key.
        settings: What it was started with.
    """

    folder: Path
    port: int
    key: Path
    known_hosts: Path
    settings: tuple[str, ...]

    @property
    def user(self) -> str:
        """Who logs in: the user that runs the tests."""
        return getpass.getuser()

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    @property
    def connections(self) -> int:
        """How many logins it has accepted so far."""
        return self.log.count("Accepted publickey for ")

    @property
    def is_up(self) -> bool:
        """Whether it listens, and heeds signals: only then has it written its number down."""
        file = self.folder / "pid"
        return file.exists() and file.read_text().endswith("\n")

    def configure(self, *settings: str) -> None:
        """Let settings hold from the next connection on."""
        _write_config(self.folder, self.port, settings)
        before = self.log.count("Server listening on")
        os.kill(int((self.folder / "pid").read_text()), signal.SIGHUP)
        _wait_until(lambda: self.log.count("Server listening on") > before and self.is_up, self)

    def restore(self) -> None:
        """Let the settings that it was started with hold again."""
        if (self.folder / "config").read_text() != _config(self.folder, self.port, self.settings):
            self.configure(*self.settings)


def running_programs() -> list[str]:
    """The command lines of all that runs on this machine."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue  # it has ended
    return found


def missing_programs() -> list[str]:
    """Name what has to be installed before a server can run."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    return missing if _sshd() else [*missing, "sshd"]


@contextmanager
def running(folder: Path, *settings: str) -> Iterator[SshServer]:
    """Run a server until the block ends.

    Args:
        folder: An empty folder for all that it needs. Only its user may be able to write to it
            and to the folders above.
        settings: More lines of sshd_config.
    """
    absent = missing_programs()
    if absent:
        raise RuntimeError(f"install openssh-server and rsync: {', '.join(absent)} is missing")
    for name in ("host_key", "user_key"):
        _ssh_keygen("-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(folder / name))
    shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
    (folder / "log").touch()
    with free_ports(1) as (port,), _running(folder, port, settings) as server:
        yield server


@contextmanager
def _running(folder: Path, port: int, settings: tuple[str, ...]) -> Iterator[SshServer]:
    host_key = " ".join((folder / "host_key.pub").read_text().split()[:2])
    known_hosts = folder / "known_hosts"
    known_hosts.write_text(f"[{HOST}]:{port} {host_key}\n")
    _write_config(folder, port, settings)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    command = [str(_sshd()), "-D", "-f", str(folder / "config"), "-E", str(folder / "log")]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            server = SshServer(folder, port, folder / "user_key", known_hosts, settings)
            _wait_until(lambda: server.is_up, server)
            yield server
        finally:
            process.terminate()


def before_each_command(shell: str) -> str:
    """A setting that runs a shell's words in front of whatever is asked for."""
    return f'ForceCommand {shell} exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"'


def as_nobody() -> str:
    """A setting that runs what is asked for as a user that owns nothing."""
    if os.getuid() != 0:
        return before_each_command("")
    drop = f"setpriv --reuid={_NOBODY} --regid={_NOBODY} --clear-groups"
    return f'ForceCommand exec {drop} /bin/sh -c "$SSH_ORIGINAL_COMMAND"'


def _write_config(folder: Path, port: int, settings: Sequence[str]) -> None:
    (folder / "config").write_text(_config(folder, port, settings))


def _config(folder: Path, port: int, settings: Sequence[str]) -> str:
    lines = [
        f"Port {port}",
        f"ListenAddress {HOST}",
        f"HostKey {folder}/host_key",
        f"PidFile {folder}/pid",
        f"AuthorizedKeysFile {folder}/authorized_keys",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "UsePAM no",
        "PermitRootLogin prohibit-password",
        "StrictModes no",
        "LogLevel VERBOSE",
        "MaxStartups 100",
        *settings,
    ]
    return "\n".join(lines) + "\n"


def _sshd() -> str | None:
    # sshd wants to be started by its absolute path, which is on root's path only.
    return shutil.which("sshd") or shutil.which("sshd", path=_SBIN)


def _ssh_keygen(*arguments: str) -> None:
    subprocess.run(["ssh-keygen", *arguments], check=True, capture_output=True, timeout=60)


def _wait_until(happened: Callable[[], bool], server: SshServer) -> None:
    ends_at = time.monotonic() + _START_LIMIT_S
    while not happened():
        if time.monotonic() > ends_at:
            raise RuntimeError(f"sshd did not start:\n{server.log}")
        time.sleep(0.02)
