"""What goes wrong on the way is one sentence, soon, and asks nobody anything."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ssh_server.fixtures import target_of
from ssh_server.server import (
    HOST,
    SshServer,
    as_nobody,
    before_each_command,
    running_programs,
)

from nemo_runspec.errors import PackagingError, TransferError
from nemo_runspec.packaging.code import CodePackager, SshTarget, prune_trees


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "a.py").write_text("a = 1\n")
    return folder


def send(code: Path, target: SshTarget) -> None:
    CodePackager().send(code, target)


def hint_of(caught: pytest.ExceptionInfo[TransferError], target: SshTarget) -> str:
    """The hint; every failure says where it happened."""
    assert caught.value.where == str(target)
    assert caught.value.exit_code == 1
    return str(caught.value.hint)


def test_a_host_key_that_is_not_known_is_not_accepted(
    code: Path, server: SshServer, tmp_path: Path
) -> None:
    known = tmp_path / "known_hosts"
    target = target_of(server, tmp_path / "far", options=(f"UserKnownHostsFile={known}",))
    with pytest.raises(TransferError, match=f"The host key of {HOST} is not known") as caught:
        send(code, target)
    assert f"ssh-keyscan -p {server.port} {HOST} >> ~/.ssh/known_hosts" in hint_of(caught, target)
    assert not known.exists()
    assert not (tmp_path / "far").exists()


def test_the_user_may_not_switch_the_check_of_host_keys_off_by_accident(
    code: Path, server: SshServer, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("Host *\n StrictHostKeyChecking no\n BatchMode no\n")
    options = (f"UserKnownHostsFile={tmp_path}/known", "GlobalKnownHostsFile=none")
    target = target_of(server, tmp_path / "far", options=options, config=tmp_path / "config")
    with pytest.raises(TransferError, match=f"The host key of {HOST} is not known"):
        send(code, target)


def test_a_host_key_that_changed_is_told_apart(
    code: Path, server: SshServer, tmp_path: Path
) -> None:
    key = (server.folder / "user_key.pub").read_text().split()[:2]
    (tmp_path / "known").write_text(f"[{HOST}]:{server.port} {' '.join(key)}\n")
    target = target_of(server, tmp_path / "far", options=(f"UserKnownHostsFile={tmp_path}/known",))
    with pytest.raises(TransferError, match="is not the one that is known") as caught:
        send(code, target)
    assert f"ssh-keygen -R '[{HOST}]:{server.port}'" in hint_of(caught, target)


def test_a_key_that_is_refused_is_not_followed_by_a_question(
    code: Path, server: SshServer, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(command, check=True, timeout=60)
    target = target_of(server, tmp_path / "far", identity=key)
    with pytest.raises(TransferError, match=f"{HOST} refuses the key: .*publickey") as caught:
        send(code, target)
    assert "no password is asked for" in hint_of(caught, target)


def test_a_key_with_a_passphrase_is_not_followed_by_a_question(
    code: Path, server: SshServer, tmp_path: Path
) -> None:
    key = shutil.copy(server.key, tmp_path / "locked")
    command = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "a long phrase", "-f", str(key)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    options = (f"UserKnownHostsFile={server.known_hosts}", "IdentityAgent=none")
    target = target_of(server, tmp_path / "far", identity=Path(key), options=options)
    with pytest.raises(TransferError, match=f"{HOST} refuses the key"):
        send(code, target)


def test_a_host_that_does_not_exist_cannot_be_reached(code: Path) -> None:
    target = SshTarget(host="nowhere.invalid", root="/far")
    with pytest.raises(TransferError, match=r"nowhere\.invalid cannot be reached: Could not res"):
        send(code, target)


def test_a_port_that_nobody_listens_on_cannot_be_reached(code: Path) -> None:
    with socket.socket() as free:
        free.bind((HOST, 0))
        target = SshTarget(host=HOST, root="/far", port=free.getsockname()[1])
        with pytest.raises(TransferError, match=f"{HOST} cannot be reached: .*Connection refused"):
            send(code, target)


def test_a_host_that_does_not_answer_is_not_waited_for(code: Path) -> None:
    with socket.socket() as silent:
        silent.bind((HOST, 0))
        silent.listen()
        port = silent.getsockname()[1]
        target = SshTarget(host=HOST, root="/far", port=port, connect_timeout_s=1)
        with pytest.raises(TransferError, match=f"{HOST} cannot be reached: .*timed out"):
            send(code, target)


def test_a_host_that_hangs_is_left_when_the_time_is_over(
    code: Path, server: SshServer, target: SshTarget
) -> None:
    server.configure(before_each_command("sleep 300;"))
    limited = replace(target, timeout_s=2)
    with pytest.raises(TransferError, match="did not take the code within 2 s") as caught:
        send(code, limited)
    assert "raise timeout_s" in hint_of(caught, limited)
    assert not [line for line in running_programs() if f"-p {server.port} " in line]


def test_a_folder_where_nothing_can_be_is_named(code: Path, server: SshServer) -> None:
    target = target_of(server, Path("/proc/jobs"))
    with pytest.raises(TransferError, match="cannot be written to: cannot create dir") as caught:
        send(code, target)
    assert "Choose a folder that you may write to" in hint_of(caught, target)


def test_a_folder_that_may_not_be_written_to_is_named(
    code: Path, server: SshServer, tmp_path: Path
) -> None:
    root = tmp_path / "theirs"
    root.mkdir()
    root.chmod(0o555)
    open_to_all(tmp_path)
    server.configure(as_nobody())
    target = target_of(server, root / "far")
    with pytest.raises(TransferError, match="cannot be written to: Permission denied") as caught:
        send(code, target)
    assert "Choose a folder that you may write to" in hint_of(caught, target)
    with pytest.raises(TransferError, match="cannot be written to: Permission denied"):
        prune_trees(target)


def open_to_all(folder: Path) -> None:
    """Let the server's other user reach a folder of the tests."""
    for place in (folder, *folder.parents):
        if place.owner() == os.environ.get("USER", place.owner()) and place != Path("/"):
            place.chmod(place.stat().st_mode | 0o055)
        if place.name.startswith("pytest-of-"):
            return


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=0777", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse(f"nobody may mount a small disk here: {done.stderr.strip()}")
    yield folder
    # The server may still be about to leave the folder.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("sent_by", ["rsync", "archive"])
def test_a_disk_that_is_full_is_named_and_left_as_it_was(
    code: Path,
    server: SshServer,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    sent_by: str,
) -> None:
    target = target_of(server, small_disk / "far")
    send(code, target)
    (before,) = (small_disk / "far" / "trees").iterdir()
    (code / "large.bin").write_bytes(os.urandom(400_000))
    if sent_by == "archive":
        which = shutil.which
        monkeypatch.setattr(shutil, "which", lambda name: None if name == "rsync" else which(name))
    with pytest.raises(
        TransferError, match=f"The disk of {HOST} is full: (No space|Wrote only)"
    ) as caught:
        send(code, target)
    assert "nemotron profiles prune" in hint_of(caught, target)
    assert list((small_disk / "far" / "trees").iterdir()) == [before]
    (code / "large.bin").unlink()
    assert CodePackager().send(code, target).reused


def test_a_shell_that_talks_is_told_from_a_broken_rsync(
    code: Path, server: SshServer, target: SshTarget
) -> None:
    server.configure(before_each_command("echo Welcome to the cluster;"))
    with pytest.raises(TransferError, match="prints something as it starts") as caught:
        send(code, target)
    assert "on a terminal only" in hint_of(caught, target)


def test_without_ssh_the_archive_is_offered(
    code: Path, target: SshTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(TransferError, match="ssh is not installed") as caught:
        send(code, target)
    assert "CodePackager.package()" in str(caught.value.hint)
    assert Path(CodePackager().package(code, tmp_path, "x")).is_file()


@pytest.mark.parametrize("host", ["", "-oProxyCommand=touch x", "user@host", "host:/folder", "a b"])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(PackagingError, match="is no host name"):
        SshTarget(host=host, root="/far")


@pytest.mark.parametrize("root", ["", "a\nb"])
def test_a_folder_that_is_none_is_refused(root: str) -> None:
    with pytest.raises(PackagingError, match="is no folder on host"):
        SshTarget(host="host", root=root)


@pytest.mark.parametrize("job", ["", "a b", "../x", ".hidden", "a/b", "$(touch x)"])
def test_a_job_that_has_no_plain_name_is_refused(code: Path, job: str) -> None:
    with pytest.raises(PackagingError, match="is no name of a job"):
        CodePackager().send(code, SshTarget(host="host", root="/far"), job=job)


def test_days_are_counted_from_zero() -> None:
    with pytest.raises(PackagingError, match="'unused_days' is -1"):
        prune_trees(SshTarget(host="host", root="/far"), unused_days=-1)
