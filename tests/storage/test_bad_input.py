"""What is wrong is said in one sentence with its cure, and without a secret."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import s3fs
import servers
from logging_models import NAME, log
from proxy import Proxy, answer

from nemo_runspec.errors import (
    ArtifactNotFoundError,
    ManifestFormatError,
    MissingDependencyError,
    StoreError,
)
from nemo_runspec.manifest_tracker import ManifestTracker

Action = Callable[[ManifestTracker], object]

ACTIONS: dict[str, Action] = {
    "log": log,
    "resolve": lambda tracker: tracker.resolve(NAME),
    "versions": lambda tracker: tracker.versions(NAME),
    "names": lambda tracker: tracker.names(),
    "examine": lambda tracker: tracker.files.examine(),
}
each_action = pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)


@each_action
def test_a_missing_bucket_is_no_empty_store(root: str, action: Action) -> None:
    elsewhere = root.replace(f"//{servers.BUCKET}/", "//nowhere-else/")
    expected = r"The bucket 'nowhere-else' does not exist\. Create it, or correct"
    with pytest.raises(StoreError, match=expected) as caught:
        action(ManifestTracker(elsewhere))
    assert str(caught.value).startswith(elsewhere)


def test_an_empty_store_is_no_missing_bucket(root: str) -> None:
    tracker = ManifestTracker(root)
    assert tracker.names() == []
    with pytest.raises(ArtifactNotFoundError, match="It holds no artifacts yet"):
        tracker.resolve(NAME)


@each_action
@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("SignatureDoesNotMatch", {"AWS_SECRET_ACCESS_KEY": "not-the-secret"}),
        ("InvalidAccessKeyId", {"AWS_ACCESS_KEY_ID": "no-such-key"}),
    ],
)
def test_wrong_credentials(
    seaweedfs: str,
    monkeypatch: pytest.MonkeyPatch,
    action: Action,
    code: str,
    wrong: dict[str, str],
) -> None:
    for variable, value in wrong.items():
        monkeypatch.setenv(variable, value)
    expected = rf"does not accept these AWS credentials \({code}\)\. Check AWS_ACCESS_KEY_ID"
    with pytest.raises(StoreError, match=expected) as caught:
        action(ManifestTracker(seaweedfs))
    shown = str(caught.value)
    assert shown.startswith(seaweedfs)
    assert not any(secret in shown for secret in (servers.KEY, servers.SECRET, *wrong.values()))


def test_no_credentials(seaweedfs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StoreError, match=r"No usable AWS credentials were found\. Check AWS_ACC"):
        ManifestTracker(seaweedfs).resolve(NAME)


def test_an_unknown_profile(seaweedfs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreError, match=r"No usable AWS credentials were found.*AWS_PROFILE"):
        ManifestTracker(seaweedfs).resolve(NAME)


def test_whoever_may_only_read_reads(seaweedfs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log(ManifestTracker(seaweedfs))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", servers.READER_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", servers.READER_SECRET)
    reader = ManifestTracker(seaweedfs)
    assert reader.resolve(NAME).version == 1
    with pytest.raises(StoreError, match=r"Access is denied \(403 AccessDenied\)\. Ask for s3:Get"):
        log(reader)
    assert reader.versions(NAME) == [1]


@pytest.mark.parametrize("content", [None, "{", '{"type": "service_account"}'])
def test_a_google_key_file_that_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    key_file = tmp_path / "key.json"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file))
    if content is not None:
        key_file.write_text(content)
    expected = "^gs://bucket/x/.*The Google credentials cannot be used.*GOOGLE_APPLICATION_CREDENT"
    with pytest.raises(StoreError, match=expected):
        ManifestTracker("gs://bucket/x").resolve(NAME)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ((401, "Anonymous caller has no access"), "No Google credentials were found.*gcloud auth"),
        ((401, "Invalid Credentials"), r"Google does not accept these credentials \(401\).*gcloud"),
        ((403, "x@y does not have access"), r"Access is denied \(403\)\. Ask for the role .*User"),
        ((400, "invalid"), "The storage refused the request"),
    ],
)
@each_action
def test_what_google_answers_to_whom_it_does_not_let_in(
    gcs: str, gcs_proxy: Proxy, action: Action, reply: tuple[int, str], expected: str
) -> None:
    status, message = reply
    gcs_proxy.spoil(lambda _request: True, answer(status, "", message))
    with pytest.raises(StoreError, match=f"^{re.escape(gcs)}.*{expected}"):
        action(ManifestTracker(gcs))


@pytest.mark.parametrize("endpoint", ["no-url", "ftp://host"])
def test_an_endpoint_that_is_none(
    seaweedfs: str, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    with pytest.raises(StoreError, match=r"Check .*AWS_ENDPOINT_URL"):
        ManifestTracker(seaweedfs).resolve(NAME)


def test_a_server_without_tls(
    seaweedfs: str, seaweedfs_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure = seaweedfs_server.replace("http:", "https:")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", secure)
    with pytest.raises(StoreError, match=r"No secure connection to 127\.0\.0\.1:\d+ could be made"):
        ManifestTracker(seaweedfs).resolve(NAME)


@pytest.mark.parametrize("root", ["s3://", "gs://", "s3:///path"])
def test_a_root_without_a_bucket(root: str) -> None:
    with pytest.raises(StoreError, match=r"names no bucket\. Write .*://BUCKET/PATH"):
        ManifestTracker(root)


@pytest.mark.parametrize("root", ["s3://bucket//path", "gs://bucket/a//b/"])
def test_a_root_with_an_empty_part(root: str) -> None:
    with pytest.raises(StoreError, match=rf"{root}: The artifact root has an empty part.*once"):
        ManifestTracker(root)


def test_credentials_in_the_root() -> None:
    with pytest.raises(StoreError, match="The artifact root holds credentials") as caught:
        ManifestTracker("s3://AKIAKEY:topsecret@bucket/path")
    assert "topsecret" not in str(caught.value)


def test_a_bucket_name_that_is_none(seaweedfs: str) -> None:
    with pytest.raises(StoreError, match="no valid bucket and key"):
        ManifestTracker("s3://no bucket/x").resolve(NAME)


@pytest.mark.parametrize(
    ("root", "package", "extra"), [("s3://b/x", "s3fs", "s3"), ("gs://b/x", "gcsfs", "gcs")]
)
def test_a_missing_package(
    monkeypatch: pytest.MonkeyPatch, root: str, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    expected = re.escape(f"need the package {package}. Install it with: pip install 'nemo-runspec[")
    with pytest.raises(MissingDependencyError, match=f"{expected}{extra}]'"):
        ManifestTracker(root)


@pytest.mark.parametrize("content", [b'{"name": "nano3-sft-mo', b"", b"[]", b"\xff\xfe"])
def test_a_damaged_manifest_is_named_and_hides_no_other(root: str, content: bytes) -> None:
    tracker = ManifestTracker(root)
    for step in range(3):
        log(tracker, step)
    tracker.files.replace(f"{NAME}/v2/manifest.json", content)
    with pytest.raises(ManifestFormatError, match=re.escape(f"{root}/{NAME}/v2/manifest.json")):
        tracker.resolve(f"{NAME}:v2")
    assert tracker.versions(NAME) == [1, 2, 3]
    assert tracker.resolve(NAME).version == 3
    assert log(tracker) == f"{NAME}:v4"


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"format_version": "x"}'])
def test_a_damaged_record_of_the_probe(root: str, content: bytes) -> None:
    log(ManifestTracker(root))
    ManifestTracker(root).files.replace(".nemotron/store.json", content)
    with pytest.raises(StoreError, match=r"store\.json: The store's settings are damaged"):
        log(ManifestTracker(root))


def test_a_record_of_a_newer_release(root: str) -> None:
    record = b'{"format_version": 2, "publish": "thought"}'
    ManifestTracker(root).files.replace(".nemotron/store.json", record)
    with pytest.raises(StoreError, match=r"have format 2; .* Update nemo-runspec"):
        log(ManifestTracker(root))


@pytest.mark.parametrize("prefix", ["", "/a b/ünï", "/#1?x=1&y=%25+z", "/with:colon/=/~"])
def test_any_prefix(root: str, prefix: str) -> None:
    tracker = ManifestTracker(f"{root}{prefix}/")
    log(tracker)
    tracker.set_alias(NAME, 1, "production")
    assert tracker.names() == [NAME]
    assert tracker.aliases(NAME) == {"production": 1}
    resolved = ManifestTracker(f"{root}{prefix}").resolve(f"{NAME}:production")
    assert resolved.where == f"{root}{prefix}/{NAME}/v1/manifest.json"


def test_a_folder_that_other_tools_marked(moto: str) -> None:
    tracker = ManifestTracker(moto)
    log(tracker)
    s3fs.S3FileSystem(skip_instance_cache=True).touch(f"{moto}/{NAME}/")
    assert tracker.files.names(NAME) == ["latest"]
    assert tracker.versions(NAME) == [1]


def test_a_bucket_as_root(root: str) -> None:
    name = f"m-{root.rpartition('/')[2]}"
    tracker = ManifestTracker(root.rpartition("/")[0])
    log(tracker, name=name)
    assert name in tracker.names()
    assert tracker.resolve(name).version == 1
