"""The command ``nemo-evaluator`` that others ship, with a harness and a server of the tests' own.

The double of nemotron-kit-evaluator's own tests is held against it here.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from nemotron_kit_evaluator import (
    EndpointConfig,
    EvalConfig,
    EvaluatorConfig,
    ServerConfig,
    TaskConfig,
    evaluate,
)
from nemotron_kit_evaluator.evaluator import list_tasks

# Under importlib mode a test folder is on no path.
sys.path.insert(0, str(Path(__file__).parents[1]))

from loopback import free_ports

TESTS = Path(__file__).parents[2] / "packages" / "nemotron-kit-evaluator" / "tests"
PROGRAM = Path(sys.executable).with_name("nemo-evaluator")
REAL = EvaluatorConfig(
    command=[str(PROGRAM)],
    env={"PYTHONPATH": str(TESTS / "standin"), "NEMO_EVALUATOR_TELEMETRY_LEVEL": "0"},
)
DOUBLE = EvaluatorConfig(command=[sys.executable, str(TESTS / "double" / "nemo_evaluator.py")])


@pytest.fixture
def server(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    model = str(tmp_path / "model")
    with free_ports(1) as (port,):
        command = [sys.executable, str(TESTS / "standin" / "serve.py"), model, f"--port={port}"]
        yield ServerConfig(model=model, command=command, port=port)


def test_the_double_and_the_real_evaluator_score_the_same(tmp_path, server):
    tasks = [
        TaskConfig(name="standin.spelling", type="completions", params={"limit_samples": 3}),
        TaskConfig(name="broken"),
    ]
    endpoint = EndpointConfig(url=f"http://127.0.0.1:{server.port}/v1", model_id="tested")
    real, double = (
        evaluate(
            EvalConfig(
                tasks=tasks,
                endpoint=endpoint,
                evaluator=evaluator,
                results_dir=tmp_path / name,
                server=server,
            )
        )
        for name, evaluator in (("real", REAL), ("double", DOUBLE))
    )
    name = "standin.spelling"
    assert list(real.results) == list(double.results) == [name]
    assert real.results[name].scores == double.results[name].scores
    assert real.results[name].headline == double.results[name].headline == ("score_micro",)
    assert real.evaluator_version == version("nemo-evaluator")
    assert list(real.failures) == ["broken"]
    assert "the grader is missing" in str(real.failures["broken"])


def test_the_double_and_the_real_evaluator_list_the_same_tasks(tmp_path):
    real = list_tasks(REAL, log=tmp_path / "real.log")
    assert real == {"standin": list_tasks(DOUBLE, log=tmp_path / "double.log")["standin"]}
