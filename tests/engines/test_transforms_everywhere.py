"""Functions of a user and filled placeholders give the same bytes whoever does the work."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from preparing import Cluster, Prepare, tree

MODULE = """
def numbered(record, start):
    if record["number"] % 3 == 0:
        return None
    return {**record, "number": record["number"] + start}
"""


@pytest.fixture
def prepare_mine(prepare: Prepare, tmp_path: Path) -> Prepare:
    """RL data whose transforms are a function of a user and the filling of placeholders."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "my_numbers.py").write_text(MODULE)
    agent = {"type": "responses_api_agents", "name": "math_with_judge_simple_agent"}
    records = [
        {
            "number": number,
            "dataset": "sums",
            "agent_ref": agent,
            "_hf_placeholder": {"row": number % 50, "question_template": {"prefix": f"{number}: "}},
        }
        for number in range(200)
    ]
    sums = [{"ask": f"{number} + 1?", "answer": str(number + 1)} for number in range(50)]
    for name, listed in (("prompts", records), ("sums", sums)):
        lines = "".join(json.dumps(record) + "\n" for record in listed)
        (tmp_path / f"{name}.jsonl").write_text(lines)
    source = {"path": "sums.jsonl", "question": "ask", "answer": "answer"}
    steps: list[dict[str, Any]] = [
        {"name": "nemotron_rl", "placeholders": {"sums": source}},
        {"name": "my_numbers:numbered", "start": 1000},
    ]
    entry = {"name": "prompts", "path": "prompts.jsonl", "transform": steps}
    blend = tmp_path / "blend.json"
    blend.write_text(json.dumps({"datasets": [entry]}))
    return replace(prepare, blends={"rl": blend}, environment={"PYTHONPATH": str(mine)})


def published(folder: Path) -> dict[str, bytes]:
    (run,) = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return {f"{run.name}/{name}": content for name, content in tree(run).items()}


def test_transforms_give_the_same_bytes_on_every_engine(
    prepare_mine: Prepare, cluster: Cluster, tmp_path: Path
) -> None:
    outputs = []
    for number, options in enumerate(
        (
            {"engine": "local", "workers": 1},
            {"engine": "local", "workers": 2},
            {"engine": "ray", "ray_address": cluster.address},
        )
    ):
        prepare_mine("rl", tmp_path / f"out{number}", **options)
        outputs.append(published(tmp_path / f"out{number}"))
    (train,) = (text for name, text in outputs[0].items() if name.endswith("train.jsonl"))
    records = [json.loads(line) for line in train.splitlines()]
    assert all(record["number"] % 3 != 1 for record in records)
    assert {record["question"].partition(": ")[2] for record in records} <= {
        f"{number} + 1?" for number in range(50)
    }
    assert outputs[0] == outputs[1] == outputs[2]


def test_killed_when_rows_were_fetched_a_rerun_makes_the_same_bytes(
    prepare_mine: Prepare, tmp_path: Path
) -> None:
    prepare_mine("rl", tmp_path / "whole")
    out = tmp_path / "out"
    prepare_mine.kill_at(lambda: any(out.glob(".work/*/placeholders.jsonl")), "rl", out)
    prepare_mine("rl", out)
    assert published(out) == published(tmp_path / "whole")
    assert not any(out.rglob("placeholders.jsonl"))
