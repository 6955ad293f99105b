"""Real servers, one of each kind for the whole session, started when a test needs one.

Under importlib mode no test folder is on a path by itself.
"""

from __future__ import annotations

import functools
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3fs

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import botocore.session
import servers
from botocore.loaders import create_loader
from gcsfs.core import GCSFileSystem
from proxy import Proxy

from nemo_runspec.manifest_tracker.files import objects
from nemo_runspec.manifest_tracker.files.service import Patience

_FOREIGN = (
    *("NEMOTRON_ARTIFACTS_ROOT", "NEMOTRON_ENV", "NEMOTRON_RUN_DIR", "NEMO_RUN_DIR"),
    *("SLURM_JOB_ID", "SLURM_PROCID", "RANK", "WORLD_SIZE", "TORCHELASTIC_RUN_ID"),
    *("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_REGION", "HTTP_PROXY"),
    *("GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST", "AWS_DEFAULT_REGION"),
)


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test starts in an empty folder, with no account on any storage."""
    for variable in _FOREIGN:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def one_service_model() -> Iterator[None]:
    """Let botocore parse its megabyte on S3 once instead of for each of a thousand clients."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(create_loader))
        yield


@pytest.fixture(scope="session")
def seaweedfs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as url:
        make_s3_bucket(url)
        yield url


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    with servers.moto() as url:
        make_s3_bucket(url)
        yield url


@pytest.fixture(scope="session")
def fake_gcs_server() -> Iterator[str]:
    with servers.fake_gcs() as url:
        client = GCSFileSystem(token="anon", endpoint_url=url, skip_instance_cache=True)  # noqa: S106
        client.call("POST", "b", json={"name": servers.BUCKET})
        yield url


@pytest.fixture(scope="session")
def rclone_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.rclone(tmp_path_factory.mktemp("rclone")) as url:
        yield url


@pytest.fixture(scope="session")
def gcp_emulator_server() -> Iterator[str]:
    with servers.gcp_storage_emulator() as url:
        yield url


@pytest.fixture
def seaweedfs(seaweedfs_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty root on SeaweedFS."""
    return s3_root(seaweedfs_server, monkeypatch)


@pytest.fixture
def moto(moto_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty root on moto."""
    return s3_root(moto_server, monkeypatch)


@pytest.fixture
def rclone(rclone_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty root on rclone's gateway, which ignores create-only writes."""
    return s3_root(rclone_server, monkeypatch)


@pytest.fixture
def gcs(fake_gcs_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty root on fake-gcs-server."""
    return gcs_root(fake_gcs_server, monkeypatch)


@pytest.fixture
def gcp_emulator(gcp_emulator_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty root on gcp-storage-emulator, which ignores create-only writes."""
    return gcs_root(gcp_emulator_server, monkeypatch)


@pytest.fixture(params=["seaweedfs", "moto", "gcs"])
def root(request: pytest.FixtureRequest) -> str:
    """An empty root on each store that honours create-only writes."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture(params=["rclone", "gcp_emulator"])
def careless_root(request: pytest.FixtureRequest) -> str:
    """An empty root on each store that does not."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def seaweedfs_proxy(
    seaweedfs: str, seaweedfs_server: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Proxy]:
    """A proxy in front of SeaweedFS, which every client uses from here on."""
    with Proxy(seaweedfs_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        yield proxy


@pytest.fixture
def moto_proxy(moto: str, moto_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy in front of moto, which every client uses from here on."""
    with Proxy(moto_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        yield proxy


@pytest.fixture
def gcs_proxy(gcs: str, fake_gcs_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy in front of fake-gcs-server, which every client uses from here on."""
    with Proxy(fake_gcs_server) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        yield proxy


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that wait as briefly as a test can."""
    patience = Patience(attempts=4, connect_s=0.75, reply_s=0.75, pause_s=0.01)
    monkeypatch.setattr(objects, "PATIENCE", patience)


def s3_root(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for variable, value in servers.s3_environment(url).items():
        monkeypatch.setenv(variable, value)
    return f"s3://{servers.BUCKET}/{uuid.uuid4().hex}"


def gcs_root(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
    return f"gs://{servers.BUCKET}/{uuid.uuid4().hex}"


def make_s3_bucket(url: str) -> None:
    client = s3fs.S3FileSystem(
        key=servers.KEY, secret=servers.SECRET, endpoint_url=url, skip_instance_cache=True
    )
    client.mkdir(servers.BUCKET)
