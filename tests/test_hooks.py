"""Every way of recording a checkpoint, under everything that happens to a save.

The rows are the mechanisms of ``hook_lab``, the columns the tests of this file; W&B that is down is
``tests/wandb/test_training_hooks.py``, with the same rows and the real client.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from nemo_runspec.artifacts import setup_artifact_tracking
from nemo_runspec.manifest_tracker import ManifestTracker

# Under importlib mode a test folder is on no path.
sys.path.insert(0, str(Path(__file__).parent))

from hook_lab.mechanisms import IN_BACKGROUND, MECHANISMS, MEGATRON, frameworks, steps

EVERY = pytest.mark.parametrize("mechanism", MECHANISMS)


@pytest.fixture
def tracking(tmp_path):
    config = {
        "run": {"output": "model"},
        "artifacts": {"manifest": {"root": str(tmp_path / "store")}},
    }
    with setup_artifact_tracking(config) as active:
        yield active


@pytest.fixture
def job(mechanism, tracking, tmp_path):
    with frameworks():
        started = MECHANISMS[mechanism](tmp_path / "checkpoints")
        yield started
        started.undo()


@EVERY
def test_each_save_is_one_version(job, tracking):
    for step in (20, 40):
        job.save(step)
    assert steps(tracking) == [20, 40]


@pytest.mark.parametrize("mechanism", IN_BACKGROUND)
def test_a_save_in_the_background_is_recorded_when_it_is_whole_with_its_own_step(job, tracking):
    job.save_later(20)
    job.wait()
    job.save_later(40)
    job.wait()
    assert steps(tracking) == [20, 40]


@EVERY
def test_an_iteration_that_is_saved_again_is_one_version(job, tracking):
    for step in (20, 40, 40, 20):
        job.save(step)
    assert steps(tracking) == [20, 40]


@EVERY
def test_a_save_that_fails_is_no_version_and_stays_the_frameworks_error(job, tracking):
    job.save(20)
    with pytest.raises(OSError, match=r"No (space|such file)"):
        job.fail(40)
    job.save(60)
    assert steps(tracking) == [20, 60]


@EVERY
def test_a_store_that_fails_costs_no_save_and_is_tried_again(job, tracking, tmp_path, caplog):
    in_the_way = tmp_path / "store" / "model"
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.write_text("a file where a folder should be", "utf-8")
    with caplog.at_level(logging.ERROR):
        job.save(20)
    assert "was not recorded" in caplog.text
    in_the_way.unlink()
    job.save(20)
    job.save(40)
    assert steps(tracking) == [20, 40]


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    script = Path(__file__).parent / "hook_lab" / "two_processes.py"
    command = [sys.executable, str(script), str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@EVERY
def test_two_processes_record_each_checkpoint_once_when_all_of_it_is_there(
    two_processes, mechanism
):
    tracker = ManifestTracker(two_processes / mechanism / "store")
    found = [tracker.read("model", version) for version in tracker.versions("model")]
    # The ranks of one job write the same checkpoint, two drivers one each.
    processes = 1 if mechanism in MEGATRON else 2
    assert sorted(each.fields["step"] for each in found) == [20] * processes + [40] * processes
    assert len({each.metadata["absolute_path"] for each in found}) == 2 * processes
    if mechanism in MEGATRON:
        # Both ranks' shards, the metadata and the configuration that the first one writes.
        assert [each.content.files for each in found] == [4, 4]


@EVERY
def test_what_is_recorded_is_the_recipes_name_the_place_to_load_and_the_exact_folder(
    job, mechanism, tracking, tmp_path, monkeypatch
):
    monkeypatch.setattr("nemo_runspec.container_paths._RUN_MOUNT", PurePosixPath(tmp_path))
    monkeypatch.setenv("NEMO_RUN_DIR", "/lustre/jobs/7")
    job.save(20)
    manifest = tracking.manifest_tracker.read("model", 1)
    exact = "iter_0000020" if mechanism in MEGATRON else "step_20"
    assert (manifest.type, manifest.kind) == ("ModelArtifact", "model")
    assert manifest.path == "/lustre/jobs/7/checkpoints"
    assert manifest.metadata["absolute_path"] == f"/lustre/jobs/7/checkpoints/{exact}"
    assert (manifest.metadata["iteration"], manifest.fields["step"]) == (20, 20)


def test_both_frameworks_record_the_same_keys(tracking, tmp_path):
    keys = {}
    for number, (mechanism, start) in enumerate(MECHANISMS.items()):
        with frameworks():
            job = start(tmp_path / str(number))
            job.save(20)
            job.undo()
        manifest = tracking.manifest_tracker.read("model", number + 1)
        keys[mechanism] = (frozenset(manifest.metadata), frozenset(manifest.fields))
    (metadata, fields), *others = set(keys.values())
    assert others == []
    assert {"absolute_path", "iteration", "framework"} <= metadata
    assert {"step", "format"} <= fields


@pytest.mark.parametrize("mechanism", MEGATRON)
def test_a_rank_that_is_not_the_last_records_nothing(job, tracking, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    job.save(20)
    assert steps(tracking) == []


@pytest.mark.parametrize("mechanism", MEGATRON)
def test_a_checkpoint_on_local_disks_is_no_artifact(job, tracking):
    job.save(20)
    job.save(21, for_restart=True)
    job.save(40)
    assert steps(tracking) == [20, 40]


@pytest.mark.parametrize("mechanism", [name for name in MECHANISMS if "callback" not in name])
def test_a_patch_that_is_taken_off_records_nothing(job, tracking):
    job.undo()
    job.save(20)
    assert steps(tracking) == []
