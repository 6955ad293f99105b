"""A model is served and scored; what goes wrong is said, and nothing is left running."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import signal
import socket
import subprocess
import sys

import pytest

from nemo_runspec.artifacts import (
    EvalResultsArtifact,
    ModelArtifact,
    log_artifact,
    setup_artifact_tracking,
)
from nemo_runspec.errors import ArtifactNotFoundError, ConfigError, ExecutionError
from nemotron_kit_evaluator import (
    EvaluatorConfig,
    TaskConfig,
    evaluate,
    read_results,
    record_results,
)
from nemotron_kit_evaluator.evaluator import read_task_list
from nemotron_kit_evaluator.server import serving

EVALUATE = """
import pickle, sys
from pathlib import Path
from nemotron_kit_evaluator import evaluate
evaluate(pickle.loads(Path(sys.argv[1]).read_bytes()))
"""


@pytest.fixture
def tracking(tmp_path, model):
    settings = {"manifest": {"root": str(tmp_path / "store")}}
    config = {"run": {"output": "family-eval-results"}, "artifacts": settings}
    with setup_artifact_tracking({"artifacts": settings}) as outside:
        made = ModelArtifact(path=model, step=5, format="hf")
        log_artifact(made, outside, name="family-rl-model-hf")
    with setup_artifact_tracking(config) as active:
        yield active


def test_what_succeeds_is_an_artifact_made_from_the_model(evaluation_of, has_ended, tracking):
    tasks = [
        TaskConfig(name="arithmetic"),
        TaskConfig(name="broken"),
        TaskConfig(name="standin.spelling", type="completions", params={"limit_samples": None}),
    ]
    config = evaluation_of(tasks=tasks)
    evaluation = evaluate(config)
    assert has_ended()
    found = record_results(evaluation, config, tracking, model="family-rl-model-hf")
    artifact = EvalResultsArtifact.from_uri(found.ref)
    manifest = tracking.manifest_tracker.find(found.ref)
    assert (found.ref, artifact.kind) == ("family-eval-results:v1", "dataset")
    assert artifact.model == "family-rl-model-hf:v1"
    assert artifact.scores == {
        "arithmetic": {"score_micro": pytest.approx(2 / 3), "first/exact_match": 1.0},
        "standin.spelling": {"score_micro": 0.5, "first/exact_match": 1.0},
    }
    assert artifact.metadata["standin.spelling/score_micro"] == 0.5
    assert artifact.failed_tasks == ["broken"]
    assert artifact.limit_samples == {"arithmetic": 3}
    assert artifact.evaluator_version == "0.0.0"
    files = [name for _, name in artifact.get_wandb_files()]
    assert files == ["metadata.json", "arithmetic/results.yml", "standin.spelling/results.yml"]
    assert manifest.used_artifacts == ["family-rl-model-hf:v1"]
    with pytest.raises(
        ExecutionError, match=r"(?s)1 of 3 tasks failed: broken\. .*the grader is miss"
    ):
        evaluation.require_success()


def test_an_endpoint_that_is_there_needs_no_server(evaluation_of, has_ended, tracking):
    served = evaluation_of("arithmetic")
    with serving(served.server, served.results_dir / "server.log"):
        config = dataclasses.replace(served, server=None)
        evaluation = evaluate(config)
    evaluation.require_success()
    record_results(evaluation, config, tracking)
    assert EvalResultsArtifact.from_uri("family-eval-results").model == "tested"
    assert has_ended()


def test_nothing_is_recorded_where_no_task_succeeds(evaluation_of, tracking):
    evaluation = evaluate(evaluation_of("broken"))
    assert record_results(evaluation, evaluation_of("broken"), tracking) is None
    with pytest.raises(ExecutionError, match="1 of 1 tasks failed"):
        evaluation.require_success()


@pytest.mark.parametrize(
    ("options", "timeout_s", "expected"),
    [
        (["--unknown"], 60, r"ended before it answered, with exit code 2\. .*unrecognized"),
        (["--never-ready"], 3, r"did not answer within 3 s\. .*Its last lines:\n  loading"),
    ],
)
def test_a_server_that_does_not_come_up_shows_its_last_lines(
    evaluation_of, options, timeout_s, expected
):
    config = evaluation_of("arithmetic", options=options, startup_timeout_s=timeout_s)
    # A shell speaks at once, where an interpreter may take seconds to start.
    command = ["sh", "-c", 'echo loading >&2; exec "$@"', "sh", *config.server.command]
    server = dataclasses.replace(config.server, command=command)
    with pytest.raises(ExecutionError, match=f"(?s){expected}"):
        evaluate(dataclasses.replace(config, server=server))


def test_a_server_that_ends_leaves_what_was_scored_before(evaluation_of, has_ended):
    tasks = [
        TaskConfig(name="arithmetic"),
        TaskConfig(name="standin.spelling", params={"limit_samples": 8}),
        TaskConfig(name="broken"),
    ]
    evaluation = evaluate(evaluation_of(tasks=tasks, options=["--die-at=5"]))
    assert list(evaluation.results) == ["arithmetic"]
    told = r"(?s)2 of 3 tasks failed.*during standin\.spelling, with exit code 9\..*CUDA out of mem"
    with pytest.raises(ExecutionError, match=told):
        evaluation.require_success()
    assert "was not run: the server had ended" in str(evaluation.failures["broken"])


def test_what_could_not_work_is_refused_before_anything_starts(
    evaluation_of, port, model, monkeypatch
):
    config = evaluation_of("arithmetic")
    absent = EvaluatorConfig(command=["no-such-evaluator"])
    told = r"evaluator\.command: 'no-such-evaluator' is not installed here\. Start this in a cont"
    with pytest.raises(ExecutionError, match=told):
        evaluate(dataclasses.replace(config, evaluator=absent))
    server = dataclasses.replace(config.server, command=["no-such-server"])
    with pytest.raises(ExecutionError, match=r"server\.command: 'no-such-server' is not install"):
        evaluate(dataclasses.replace(config, server=server))
    with pytest.raises(ExecutionError, match=r"(?s)lists no task.*NO evaluation packages"):
        evaluate(evaluation_of("arithmetic", double="no-harness"))
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(ExecutionError, match=rf"Port {port} is taken.*={port + 1}"):
            evaluate(config)
    monkeypatch.setenv("WORLD_SIZE", "8")
    with pytest.raises(ExecutionError, match="one process, and this job has 8"):
        evaluate(config)
    monkeypatch.delenv("WORLD_SIZE")
    model.rename(model.with_name("moved"))
    with pytest.raises(ArtifactNotFoundError, match=r"folder .*model does not exist here"):
        evaluate(config)
    assert not (config.results_dir / "server.log").exists()


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("arithmetics", "no task 'arithmetics' here. Did you mean 'arithmetic'?"),
        ("standin.spelin", "Did you mean 'standin.spelling'?"),
        ("spelling", "Several harnesses have a task 'spelling'. Name one: standin.s.*, other.s"),
        ("mmlu", "Known: arithmetic, broken, spelling"),
    ],
)
def test_an_unknown_task_is_refused_before_the_server_starts(evaluation_of, task, expected):
    with pytest.raises(ConfigError, match=expected.replace("?", r"\?")):
        evaluate(evaluation_of("arithmetic", task))


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [((), "no task to run"), (("spelling", "spelling"), "stands there twice")],
)
def test_tasks_are_listed_once(evaluation_of, tasks, expected):
    with pytest.raises(ConfigError, match=expected):
        evaluation_of(*tasks)


def test_an_evaluator_that_writes_nothing_has_failed(evaluation_of):
    # So it ends, with exit code 0, when SIGTERM reaches it.
    evaluation = evaluate(evaluation_of("arithmetic", double="nothing"))
    with pytest.raises(ExecutionError, match=r"arithmetic wrote no results\.yml"):
        evaluation.require_success()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("results: [", "cannot be read: while parsing"),
        ("- 1", "it holds no mapping"),
        ("config: {}", "not the form of results: KeyError"),
        ("results: {tasks: {}, groups: null}", "it holds no score"),
        ("results: {tasks: {t: {metrics: {m: {scores: {m: {value: .nan}}}}}}}", "t/m is nan"),
        ("results: {tasks: {t: {metrics: {m: 0.5}}}}", "not the form of results"),
        ("\0", "cannot be read: unacceptable character"),
    ],
)
def test_results_in_no_form_of_results_are_refused(tmp_path, text, expected):
    file = tmp_path / "results.yml"
    file.write_text(text)
    with pytest.raises(ExecutionError, match=rf"results\.yml: .*{expected}"):
        read_results(file, "standin.t")


def test_groups_stand_before_their_metrics_and_are_the_headline(tmp_path):
    score = {"scores": {"acc": {"value": 0.25, "stats": {}}}}
    inner = {"stem": {"metrics": {"acc": score}, "groups": None}}
    groups = {"mmlu_str": {"metrics": {"acc": score}, "groups": inner}}
    tasks = {"astronomy": {"metrics": {"acc": score}}}
    file = tmp_path / "results.yml"
    file.write_text(json.dumps({"results": {"groups": groups, "tasks": tasks}}))
    found = read_results(file, "lm-evaluation-harness.mmlu_instruct")
    assert list(found.scores) == ["mmlu_str/acc", "mmlu_str/stem/acc", "astronomy/acc"]
    assert found.headline == ("mmlu_str/acc", "mmlu_str/stem/acc")
    assert found.evaluator_version is None


def test_answers_of_another_evaluation_are_not_taken(evaluation_of):
    evaluate(evaluation_of("arithmetic")).require_success()
    evaluate(evaluation_of("arithmetic")).require_success()
    other = evaluate(evaluation_of("arithmetic", options=["--die-at=9"]))
    with pytest.raises(ExecutionError, match=r"answers of another evaluation .*results_dir=PATH"):
        other.require_success()


def test_log_lines_are_no_harness():
    assert read_task_list("Installed 30 packages:\n  * loose\nbfcl: \n  * v3\n\nwarnings:\n") == {
        "bfcl": ["v3"]
    }


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, 128 + signal.SIGTERM),
        (signal.SIGINT, -signal.SIGINT),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_a_job_that_is_ended_leaves_nothing_running(evaluation_of, alive, has_ended, number, code):
    stored = alive.with_name("config.pickle")
    stored.write_bytes(pickle.dumps(evaluation_of("arithmetic", double="hang")))
    with subprocess.Popen([sys.executable, "-c", EVALUATE, str(stored)]) as job:
        # Blocks until the server opens its end.
        with alive.open("rb"):
            os.kill(job.pid, number)
        assert has_ended()
        assert job.wait() == code
