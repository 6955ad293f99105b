"""``download()`` of references without a checksum, as Megatron-Bridge logs them."""

from __future__ import annotations

import http.server
import threading
from functools import partial
from pathlib import Path

import pytest
import wandb

from nemotron_kit_wandb import patch_wandb_reference_digests
from nemotron_kit_wandb.reference_digests import TARGETS, supports_target


@pytest.fixture
def patched():
    patches = patch_wandb_reference_digests()
    assert all(patch.applied for patch in patches)
    yield patches
    for patch in patches:
        patch.undo()


class WithEtag(http.server.SimpleHTTPRequestHandler):
    def end_headers(self):
        self.send_header("ETag", '"etag-of-the-content"')
        super().end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def web(tmp_path):
    """A web server for the files of a folder."""
    handler = partial(WithEtag, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


@pytest.fixture
def logged(server, tmp_path, web):
    """Log files under several references, and find the artifact as a teammate does."""

    def log(address, **options):
        made = wandb.Artifact("model", "model")
        made.add_reference(address, name="weights.bin", **options)
        with wandb.init(project="nemotron", entity="team") as run:
            run.log_artifact(made).wait(60)
        return wandb.Api().artifact("team/nemotron/model:latest")

    (tmp_path / "weights.bin").write_bytes(b"w" * 100)
    return log


@pytest.mark.parametrize("scheme", ["file", "http"])
def test_what_has_no_checksum_is_downloaded(logged, web, tmp_path, scheme):
    address = f"{web}/weights.bin" if scheme == "http" else f"file://{tmp_path}/weights.bin"
    found = logged(address, checksum=False)
    with pytest.raises(ValueError, match="Digest mismatch for"):
        found.download(str(tmp_path / "without"))
    patches = patch_wandb_reference_digests()
    whole = Path(found.download(str(tmp_path / "with")))
    assert (whole / "weights.bin").read_bytes() == b"w" * 100
    assert found.manifest.entries["weights.bin"].ref == address
    for patch in patches:
        patch.undo()
    with pytest.raises(ValueError, match="Digest mismatch for"):
        found.download(str(tmp_path / "again"))


def test_a_link_is_the_file_that_it_leads_to(logged, tmp_path, patched):
    (tmp_path / "link.bin").symlink_to(tmp_path / "weights.bin")
    found = logged(f"file://{tmp_path}/link.bin", checksum=False)
    whole = Path(found.download(str(tmp_path / "with")))
    assert (whole / "weights.bin").read_bytes() == b"w" * 100


def test_what_has_a_checksum_and_changed_is_refused_all_the_same(logged, tmp_path, patched):
    found = logged(f"file://{tmp_path}/weights.bin")
    (tmp_path / "weights.bin").write_bytes(b"other weights")
    with pytest.raises(ValueError, match="Digest mismatch for"):
        found.download(str(tmp_path / "with"))


def test_a_file_that_is_gone_is_refused_all_the_same(logged, tmp_path, patched):
    found = logged(f"file://{tmp_path}/weights.bin", checksum=False)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ValueError, match="Failed to find file"):
        found.download(str(tmp_path / "with"))


def test_patching_again_changes_nothing_and_undoing_restores():
    handlers = [patch.apply() for patch in patch_wandb_reference_digests()]
    assert [patch.apply() for patch in patch_wandb_reference_digests()] == handlers
    for patch in handlers:
        patch.undo()
        assert not patch.applied


def test_the_installed_client_is_one_that_the_patch_is_made_for():
    for target in TARGETS:
        assert supports_target(target, wandb.__version__).supported


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("wandb.sdk.artifacts.gone:Handler.load_path", "cannot be imported"),
        ("wandb.sdk.artifacts.storage_handlers.http_handler:Gone.load_path", "has no Gone"),
        ("wandb.sdk.lib.hashutil:md5_string", "loads a reference by string"),
    ],
)
def test_a_client_that_loads_otherwise_is_left_alone(target, reason):
    support = supports_target(target, "9.9")
    assert not support.supported
    assert reason in support.reason
