"""A shell on another machine: what goes in comes out as it was, over one connection."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from ssh_server.fixtures import target_of
from ssh_server.server import SshServer, as_nobody, before_each_command, running_programs

from nemo_runspec.errors import ExecutionError, TransferError
from nemo_runspec.execution.shells import ClusterShell, LocalShell, SshShell
from nemo_runspec.packaging.code import SshTarget

NASTY = "two\nlines 'single' \"double\" $HOME `x` \\ ünï !x\ttab\n\n"


@pytest.fixture(params=["local", "ssh"])
def shell(request: pytest.FixtureRequest, server: SshServer, tmp_path: Path) -> ClusterShell:
    if request.param == "local":
        return LocalShell()
    return SshShell(target_of(server, tmp_path))


def test_a_script_reads_what_it_is_given_and_prints_to_both_streams(shell: ClusterShell) -> None:
    with shell:
        done = shell.run("cat; echo 'on the side' >&2; exit 3", given=b"one\ntwo", check=False)

    assert (done.code, done.stdout, done.stderr) == (3, "one\ntwo", "on the side\n")


def test_variables_arrive_as_they_are_and_nothing_else_does(
    shell: ClusterShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAKING", "from the shell that submits")
    variables = {"lower_case": "1", "NASTY": NASTY, "empty": "", "A_TOKEN": "seven-dwarfs"}

    with shell:
        done = shell.run("env -0", environment=variables)

    arrived = dict(item.split("=", 1) for item in done.stdout.split("\0") if "=" in item)
    assert {name: arrived.get(name) for name in variables} == variables
    assert "LEAKING" not in arrived
    assert arrived["HOME"] == os.environ["HOME"]
    assert arrived["PATH"]


def test_no_command_line_shows_a_variable(shell: ClusterShell) -> None:
    listing = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; true"

    with shell:
        done = shell.run(listing, environment={"A_TOKEN": "seven-dwarfs"})

    assert "/bin/sh" in done.stdout
    assert "seven-dwarfs" not in done.stdout


def test_a_failed_script_is_told_by_its_last_line(shell: ClusterShell) -> None:
    with shell, pytest.raises(ExecutionError, match=f"{shell.where}: no such thing") as caught:
        shell.run("echo first >&2; echo 'no such thing.' >&2; exit 9")

    assert caught.value.exit_code == 1


def test_a_script_that_hangs_is_ended(shell: ClusterShell) -> None:
    with shell, pytest.raises(TransferError, match=r"(answer|end) within 0\.5 s"):
        shell.run("sleep 86399", timeout_s=0.5)


def test_a_folder_arrives_whole(shell: ClusterShell, tmp_path: Path) -> None:
    source, goal = tmp_path / "source", tmp_path / "far off/it's"
    (source / "code").mkdir(parents=True)
    (source / "code/launch.sh").write_text("#!/bin/bash\n")
    (source / "code/launch.sh").chmod(0o755)
    (source / "link").symlink_to("code/launch.sh")

    with shell:
        shell.send(source, str(goal))

    assert (goal / "code/launch.sh").stat().st_mode & 0o777 == 0o755
    assert (goal / "link").readlink() == Path("code/launch.sh")
    assert [item.name for item in goal.parent.iterdir()] == ["it's"]


def test_a_folder_that_is_there_is_left_alone(shell: ClusterShell, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    goal = tmp_path / "goal"
    goal.mkdir()
    (goal / "mine").touch()

    with shell, pytest.raises(ExecutionError, match="is there already"):
        shell.send(tmp_path / "source", str(goal))

    assert [item.name for item in goal.iterdir()] == ["mine"]
    assert {item.name for item in tmp_path.iterdir()} >= {"goal", "source"}
    assert not list(tmp_path.glob(".goal*"))


def test_a_variable_without_a_proper_name_is_refused(server: SshServer, tmp_path: Path) -> None:
    with (
        SshShell(target_of(server, tmp_path)) as shell,
        pytest.raises(ExecutionError, match="'A B' cannot be given"),
    ):
        shell.run("true", environment={"A B": "1"})


def test_everything_goes_over_one_connection(
    server: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(own))
    before = server.connections

    with SshShell(target_of(server, tmp_path)) as shell:
        for number in range(5):
            assert shell.run(f"echo {number}").stdout == f"{number}\n"

    assert server.connections == before + 1
    assert not [line for line in running_programs() if f" {server.port} " in line]
    assert list(own.iterdir()) == []


def test_a_lost_connection_is_made_anew(server: SshServer, tmp_path: Path) -> None:
    with SshShell(target_of(server, tmp_path)) as shell:
        lost = shell.run("echo $PPID").stdout.strip()
        os.kill(int(lost), signal.SIGKILL)

        assert shell.run("echo again", check=False).stdout == "again\n"


def test_a_shell_that_greets_and_one_that_knows_no_posix_do_not_matter(
    server: SshServer, tmp_path: Path
) -> None:
    server.configure(before_each_command("echo welcome;"))

    with SshShell(target_of(server, tmp_path)) as shell:
        done = shell.run("echo there", environment={"NASTY": NASTY})

    assert done.stdout.endswith("there\n")


def test_a_host_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        target = SshTarget(host="127.0.0.1", root="~", port=unused.getsockname()[1])
        with (
            SshShell(target) as shell,
            pytest.raises(TransferError, match=r"cannot be reached: .*Connection refused"),
        ):
            shell.run("true")


def test_a_host_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        target = SshTarget(host="127.0.0.1", root="~", port=port, connect_timeout_s=1)
        with (
            SshShell(target) as shell,
            pytest.raises(TransferError, match=r"cannot be reached: .*timed out"),
        ):
            shell.run("true")


def test_a_refused_key_is_told_and_nothing_asks(server: SshServer, tmp_path: Path) -> None:
    stranger = tmp_path / "key"
    stranger.write_bytes((server.folder / "host_key").read_bytes())
    stranger.chmod(0o600)

    with (
        SshShell(target_of(server, tmp_path, identity=stranger)) as shell,
        pytest.raises(TransferError, match=r"refuses the key: .*Permission denied") as caught,
    ):
        shell.run("true")

    assert "ssh-agent" in str(caught.value)


def test_a_host_key_that_is_not_known(server: SshServer, tmp_path: Path) -> None:
    options = ("UserKnownHostsFile=/dev/null", "GlobalKnownHostsFile=none")

    with (
        SshShell(target_of(server, tmp_path, options=options)) as shell,
        pytest.raises(TransferError, match=r"host key of 127\.0\.0\.1 is not known") as caught,
    ):
        shell.run("true")

    assert f"ssh-keyscan -p {server.port} 127.0.0.1" in str(caught.value)


def test_a_folder_that_may_not_be_written_to(server: SshServer, tmp_path: Path) -> None:
    server.configure(as_nobody())
    (tmp_path / "source").mkdir()
    (tmp_path / "closed").mkdir(mode=0o755)

    with (
        SshShell(target_of(server, tmp_path)) as shell,
        pytest.raises(TransferError, match="cannot be written to: Permission denied"),
    ):
        shell.send(tmp_path / "source", str(tmp_path / "closed/job"))
