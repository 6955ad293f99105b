"""Containers of the stand-ins: processes of this machine, with exactly the variables they get."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_SCRIPTS = ("*.sh", "*.yaml")
_INSIDE = "/nemo_run"


class Container:
    """A job's container.

    Args:
        command: What it runs.
        environment: The variables that the cloud gives it.
        tools: A folder of programs that win over those of this machine.
        volume: The job's folder, where the container would find it as ``/nemo_run``.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        tools: Path,
        volume: Path | None = None,
    ) -> None:
        self.environment = dict(environment)
        self.printed = bytearray()
        # Whether the next connection is closed after the first that comes.
        self.cut = False
        self._news = threading.Condition()
        self._over = False
        if volume is not None:
            _place_inside(volume)
        self._process = subprocess.Popen(
            list(command),
            env={
                "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                with self._news:
                    self.printed += line
                    self._news.notify_all()
        self._process.wait()
        with self._news:
            self._over = True
            self._news.notify_all()

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.returncode if self._over else None

    def follow(self) -> Iterator[bytes]:
        """What it prints, from the beginning to its end."""
        sent = 0
        cut, self.cut = self.cut, False
        while news := self._behind(sent):
            sent += len(news)
            yield news
            if cut:
                return

    def _behind(self, sent: int) -> bytes:
        with self._news:
            self._news.wait_for(lambda: self._over or len(self.printed) > sent)
            return bytes(self.printed[sent:])

    def wait(self) -> None:
        """Wait for its end."""
        self._reader.join()

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._reader.join()


def _place_inside(volume: Path) -> None:
    """Give scripts the path that the folder has here: only a container has one of its own."""
    for pattern in _SCRIPTS:
        for file in volume.rglob(pattern):
            file.write_text(file.read_text().replace(_INSIDE, str(volume)))


def write_tools(folder: Path, tools: Mapping[str, str] | None = None) -> Path:
    """Write programs that win over those of this machine.

    Args:
        folder: Where to.
        tools: Their names and scripts; by default those whose effect would leave the test: links
            at the root, downloads, a kubectl.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, script in (tools or _TOOLS).items():
        file = folder / name
        file.write_text(script)
        file.chmod(0o755)
    return folder


_NOTHING = "#!/bin/sh\nexit 0\n"
# As much of kubectl as copies into a pod whose volume is this machine's disk.
_KUBECTL = """\
#!/bin/sh
verb=$1; shift
case $verb in
  exec) while [ "$1" != -- ]; do shift; done; shift; exec "$@" ;;
  cp) shift 2; exec cp -a "$1" "${2#*:}" ;;
esac
exit 64
"""
# As much of rsync over it as sends a folder.
_RSYNC = """\
#!/bin/sh
while [ "$1" != -- ]; do shift; done
mkdir -p "${3#--:}" && exec cp -a "$2." "${3#--:}"
"""
_TOOLS = {"ln": _NOTHING, "wget": "#!/bin/sh\n: >init.sh\n", "kubectl": _KUBECTL, "rsync": _RSYNC}
