"""The shell of this machine; tests/ssh has the same for one behind ssh."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemo_runspec.errors import ExecutionError, TransferError
from nemo_runspec.execution.profiles import LeptonProfile, SlurmProfile
from nemo_runspec.execution.shells import LocalShell, SshShell, open_shell


def test_variables_of_a_login_and_those_that_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKING", "1")
    monkeypatch.setenv("SLURM_CONF", "/etc/x")

    with LocalShell() as shell:
        given = shell.run("env -0", environment={"A": "two\nlines\n"})
        inherited = shell.run('echo "$LEAKING"')

    arrived = dict(item.split("=", 1) for item in given.stdout.split("\0") if item)
    assert arrived["A"] == "two\nlines\n"
    assert arrived["SLURM_CONF"] == "/etc/x"
    assert "LEAKING" not in arrived
    assert inherited.stdout == "1\n"


def test_a_script_that_fails_and_one_that_hangs() -> None:
    shell = LocalShell()

    assert shell.run("exit 7", check=False).code == 7
    with pytest.raises(ExecutionError, match="this machine: exit code 7"):
        shell.run("exit 7")
    with pytest.raises(TransferError, match=r"did not end within 0\.2 s"):
        shell.run("sleep 86399", timeout_s=0.2)


def test_a_folder_is_put_whole_and_never_over_another(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from/a").write_text("a")
    shell = LocalShell()

    shell.send(tmp_path / "from", str(tmp_path / "to/deep"))
    with pytest.raises(ExecutionError, match="is there already on this machine"):
        shell.send(tmp_path / "from", str(tmp_path / "to/deep"))

    assert [item.name for item in (tmp_path / "to").iterdir()] == ["deep"]
    assert (tmp_path / "to/deep/a").read_text() == "a"
    assert (tmp_path / "to/deep").stat().st_mode == (tmp_path / "from").stat().st_mode


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    # Not even root makes folders there.
    with pytest.raises(ExecutionError, match=r"cannot be written to: .*([Pp]ermi|No such file)"):
        LocalShell().send(tmp_path, "/proc/closed/job")


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "file").touch()

    with pytest.raises(ExecutionError, match="The folder cannot be written to"):
        LocalShell().send(tmp_path / "from", str(tmp_path / "file/job"))


def test_a_profile_leads_to_its_shell() -> None:
    far = SlurmProfile(name="c", host="lab", remote_job_dir="/jobs", user="me")
    here = SlurmProfile(name="c", account="a")

    opened = open_shell(far)
    assert isinstance(opened, SshShell)
    assert opened.where == "me@lab"
    assert isinstance(open_shell(here), LocalShell)
    assert isinstance(open_shell(LeptonProfile(name="c")), LocalShell)
