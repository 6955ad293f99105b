from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

PREP = ("demo", "data", "prep", "sft")
TRAIN = ("demo", "sft", "-c", "sample")


def test_a_recipe_runs_and_its_panels_say_what_happened(
    workplace: Path, nemotron: Callable
) -> None:
    done = nemotron(*PREP, "-c", "sample")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == "Job Submission"
    assert f"│   ├── manifest: {workplace}/artifacts" in lines
    assert "└── mode:   local" in lines
    assert lines.index("preparing") > lines.index("└── mode:   local")
    assert "─ Step Complete (demo-sft-data-sample) ─" in done.out
    assert "│ Artifact:     demo-sft-data-sample:v1 " in done.out
    assert "│ Total tokens: 12,345 " in done.out
    assert "│ Size:         5.0 KiB " in done.out
    manifest = workplace / "artifacts" / "demo-sft-data-sample" / "v1" / "manifest.json"
    assert f"│ Manifest:     {manifest} " in done.out
    assert manifest.is_file()


def test_the_run_directory_holds_what_the_job_saw(workplace: Path, nemotron: Callable) -> None:
    nemotron(*PREP, "-c", "sample", "pack_size=32")
    (run_dir,) = (workplace / ".nemotron" / "runs" / "demo-data-prep-sft").iterdir()
    job = yaml.safe_load((run_dir / "job.yaml").read_text())
    train = yaml.safe_load((run_dir / "train.yaml").read_text())
    assert job["run"]["provenance"]["argv"][-1] == "pack_size=32"
    assert train["pack_size"] == 32
    assert (run_dir / "result.json").is_file()


def test_a_second_run_says_that_it_was_a_cache_hit(workplace: Path, nemotron: Callable) -> None:
    nemotron(*PREP)
    again = nemotron(*PREP)
    assert "│ Cache:        hit" in again.out
    assert "demo-sft-data:v1" in again.out
    assert json.loads(nemotron(*PREP, "--json").out)["cache_hit"] is True


def test_json_is_one_document_and_the_job_speaks_elsewhere(
    workplace: Path, nemotron: Callable
) -> None:
    done = nemotron(*PREP, "-c", "sample", "--json")
    document = json.loads(done.out)
    assert document["status"] == "completed"
    assert document["artifacts"][0]["ref"] == "demo-sft-data-sample:v1"
    assert document["summary"] == {"total_tokens": 12345, "size_bytes": 5120}
    assert Path(document["manifest"]).is_file()
    assert document["manifest_missing"] is None
    assert Path(document["configs"]["train"]).is_file()
    assert done.err == "preparing\n"


def test_quiet_leaves_only_the_reference(workplace: Path, nemotron: Callable) -> None:
    done = nemotron(*PREP, "--quiet")
    assert (done.code, done.out, done.err) == (0, "demo-sft-data:v1\n", "")


@pytest.mark.parametrize("mode", [[], ["--json"], ["--quiet"]])
def test_a_failed_job_is_a_failed_command(
    workplace: Path, nemotron: Callable, mode: list[str]
) -> None:
    done = nemotron(*PREP, "broken=true", *mode)
    assert done.code == 1
    assert "chat.jsonl:3: Line 3 holds no JSON. Repair the line." in done.err
    if mode == ["--json"]:
        document = json.loads(done.out)
        assert document["status"] == "failed"
        assert document["manifest"] is None
        assert document["error"]["what"] == "Line 3 holds no JSON."
    if not mode:
        assert "─ Step Failed (demo-sft-data) ─" in done.out
        assert "│ Manifest:  none: the job ended before it recorded an artifact" in done.out


def test_a_run_without_manifests_says_why(workplace: Path, nemotron: Callable) -> None:
    done = nemotron(*PREP, "artifacts.manifest.root=null")
    assert done.code == 0
    assert "│ Manifest:     none: off: artifacts.manifest.root is not set" in done.out
    assert "│   ├── manifest: off" in done.out
    assert not (workplace / "artifacts").exists()


def test_the_root_can_be_given(workplace: Path, nemotron: Callable, tmp_path: Path) -> None:
    done = nemotron(*PREP, "--root", str(tmp_path / "else where"), "--quiet")
    assert done.code == 0
    assert (tmp_path / "else where" / "demo-sft-data" / "v1" / "manifest.json").is_file()


def test_a_dry_run_resolves_everything_and_writes_nothing(
    workplace: Path, nemotron: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    nemotron(*PREP, "-c", "sample", "--root", "store", "--quiet")
    before = sorted(workplace.rglob("*"))
    monkeypatch.setenv("NEMOTRON_ARTIFACTS_ROOT", "store")
    done = nemotron(*TRAIN, "--dry-run")
    assert done.code == 0
    assert "└── mode:   dry run" in done.out
    assert "run.data:  demo-sft-data-sample:latest → demo-sft-data-sample:v1" in done.out
    assert "run.model: not set in this configuration" in done.out
    assert "-m torch.distributed.run --standalone --nproc-per-node 1" in done.out
    shown = yaml.safe_load(done.out.partition("# Train configuration, resolved\n")[2])
    assert shown["recipe"] == {
        "path": f"{workplace}/output/sample/packed",
        "pack_size": 16,
        "cache": "${oc.env:DEMO_CACHE}",
    }
    assert sorted(workplace.rglob("*")) == before


def test_a_dry_run_needs_no_store(workplace: Path, nemotron: Callable) -> None:
    done = nemotron(*PREP, "--dry-run")
    assert done.code == 0
    assert "This job reads no artifacts." in done.out
    assert sorted(path.name for path in workplace.iterdir()) == ["recipes"]


def test_a_dry_run_can_be_had_as_json(workplace: Path, nemotron: Callable) -> None:
    nemotron(*PREP, "-c", "sample", "--quiet")
    document = json.loads(nemotron(*TRAIN, "--dry-run", "--json").out)
    assert document["status"] == "planned"
    (item,) = document["inputs"]
    assert (item["pinned"], item["type"]) == ("demo-sft-data-sample:v1", "SFTDataArtifact")
    assert document["train_config"]["run"]["data"] == "demo-sft-data-sample:v1"
    assert document["command"][0] == sys.executable


def test_a_missing_input_names_the_command_that_makes_it(
    workplace: Path, nemotron: Callable
) -> None:
    done = nemotron(*TRAIN, "--dry-run")
    assert done.code == 1
    assert "run.data: No artifact is named 'demo-sft-data-sample'." in done.err
    assert "hint: Run `nemotron demo data prep sft -c sample` first." in done.err
    assert not (workplace / "artifacts").exists()


def test_an_input_of_another_type_is_refused(workplace: Path, nemotron: Callable) -> None:
    nemotron(*PREP, "-c", "sample", "--quiet")
    done = nemotron(*TRAIN, "--dry-run", "--art.model", "demo-sft-data-sample:v1")
    assert done.code == 1
    assert "reads ModelArtifact, and demo-sft-data-sample:v1 is SFTDataArtifact" in done.err


def test_a_dry_run_tells_which_data_this_machine_does_not_have(
    workplace: Path, nemotron: Callable
) -> None:
    nemotron(*PREP, "-c", "sample", "--quiet")
    assert "not on this machine" not in nemotron(*TRAIN, "--dry-run").out
    shutil.rmtree(workplace / "output" / "sample")
    assert "/output/sample, which is not on this machine" in nemotron(*TRAIN, "--dry-run").out


def test_a_configuration_without_its_option_is_told_from_an_override(
    workplace: Path, nemotron: Callable
) -> None:
    done = nemotron("demo", "sft", "sample", "--dry-run")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "error: 'sample' is a configuration, not an override.\nhint: Write -c sample.\n"
    )


def test_an_artifact_option_stands_for_the_run_override(
    workplace: Path, nemotron: Callable
) -> None:
    nemotron(*PREP, "--quiet")
    for words in (["--art.data", "demo-sft-data:v1"], ["--art.data=demo-sft-data:1"]):
        document = json.loads(nemotron(*words[:0], *TRAIN, *words, "--dry-run", "--json").out)
        assert document["inputs"][0]["pinned"] == "demo-sft-data:v1"


def test_overrides_may_stand_anywhere(workplace: Path, nemotron: Callable) -> None:
    done = nemotron(*PREP, "pack_size=8", "--dry-run", "-c", "sample", "+extra.x=-1", "--json")
    train = json.loads(done.out)["train_config"]
    assert (train["pack_size"], train["extra"]) == (8, {"x": -1})


def test_a_recipe_that_torchrun_starts_says_what_is_missing(
    workplace: Path, nemotron: Callable
) -> None:
    nemotron(*PREP, "-c", "sample", "--quiet")
    done = nemotron(*TRAIN)
    assert done.code == 1
    assert "runs in the container image registry.example/nemo:1; torch is not installed" in done.err
    assert not (workplace / ".nemotron" / "runs" / "demo-sft").exists()


def test_secrets_are_never_shown(
    workplace: Path, nemotron: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefghijklmnopqrstuvwx")
    done = nemotron(
        *PREP, "--dry-run", "+hub.token='${oc.env:HF_TOKEN}'", "+hub.again=${hub.token}"
    )
    assert done.code == 0
    assert "token: ${oc.env:HF_TOKEN}" in done.out
    assert "hf_abc" not in done.out + done.err


@pytest.mark.parametrize("mode", [[], ["--json"]])
def test_ctrl_c_reaches_the_job_once_and_is_no_failure(workplace: Path, mode: list[str]) -> None:
    script = workplace / "recipes" / "demo" / "prep.py"
    header = script.read_text().partition("\nfrom pathlib")[0]
    script.write_text(
        f"{header}\nimport time\n"
        "try:\n    print('ready', flush=True)\n    time.sleep(60)\nexcept KeyboardInterrupt:\n"
        "    print('stopping', flush=True)\n    raise SystemExit(130) from None\n"
    )
    code = "import sys; from nemotron.cli.main import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *PREP, *mode],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=workplace,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line == "ready\n":
            os.kill(process.pid, signal.SIGINT)
            break
    stopping, rest = process.stdout.readline(), process.stdout.read()
    process.stdout.close()
    assert process.wait() == 130
    assert stopping == "stopping\n"
    if mode == ["--json"]:
        document = json.loads(rest)
        assert document["status"] == "interrupted"
        assert document["exit_code"] == 130
        assert document["error"]["what"] == "The job was interrupted."
    else:
        assert "─ Step Interrupted (demo-sft-data) ─" in rest
        assert "none: the job ended before it recorded an artifact" in rest
        assert "stopping" not in rest
