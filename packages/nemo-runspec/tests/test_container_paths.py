from __future__ import annotations

from pathlib import Path

import pytest

from nemo_runspec.container_paths import resolve_host_path

MOUNTS = r"""overlay / overlay rw 0 0
proc /proc proc rw 0 0
/dev/sda1 /nemo_run/on-disk ext4 rw 0 0
/lustre/jobs/12345 /nemo_run lustre rw 0 0
/lustre/other\040place /nemo_run/with\040space lustre rw 0 0
/lustre/deeper /nemo_run/pretrain/deep lustre rw 0 0
short
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    table = tmp_path / "mounts"
    table.write_text(MOUNTS)
    return table


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ("/nemo_run/pretrain/iter_0010000", "/lustre/jobs/12345/pretrain/iter_0010000"),
        ("/nemo_run", "/lustre/jobs/12345"),
        ("/nemo_run/with space/x", "/lustre/other place/x"),
        ("/nemo_run/pretrain/deep/x", "/lustre/deeper/x"),
        ("/nemo_run/on-disk/x", "/lustre/jobs/12345/on-disk/x"),
        ("/nemo_running/x", "/nemo_running/x"),
        ("/data/x", "/data/x"),
    ],
)
def test_the_mount_table(mounts: Path, inside: str, outside: str) -> None:
    assert resolve_host_path(inside, environ={}, mounts=mounts) == Path(outside)


def test_the_run_directory_comes_first(mounts: Path) -> None:
    environ = {"NEMO_RUN_DIR": "/lustre/scratch/user/jobs/12345"}
    found = resolve_host_path("/nemo_run/pretrain/iter_0010000", environ=environ, mounts=mounts)
    assert found == Path("/lustre/scratch/user/jobs/12345/pretrain/iter_0010000")


def test_a_run_directory_inside_the_container_explains_nothing(mounts: Path) -> None:
    environ = {"NEMO_RUN_DIR": "/nemo_run"}
    found = resolve_host_path("/nemo_run/x", environ=environ, mounts=mounts)
    assert found == Path("/lustre/jobs/12345/x")


def test_what_nothing_explains_stays(tmp_path: Path) -> None:
    empty = tmp_path / "mounts"
    empty.write_text("overlay / overlay rw 0 0\n")
    for table in (empty, tmp_path / "absent"):
        assert resolve_host_path("/nemo_run/x", environ={}, mounts=table) == Path("/nemo_run/x")
