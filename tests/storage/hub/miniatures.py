"""Small copies of what the recipes read on the Hub, with the real names, files and columns.

Text, conversations and questions are those of ``recipes/sample``; see the licences there.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fake_hub import FakeHub
from tokenizers import AddedToken, Tokenizer

from nemotron_data_prep.blend_file import read_blend

RECIPES = Path(__file__).parents[3] / "recipes"
SAMPLE = RECIPES / "sample"
PLACEHOLDERS = 4
DAPO = (
    "Solve the following math problem step by step. The last line of your response should be of "
    "the form Answer: $Answer (without quotes) where $Answer is the answer to the problem.\n\n"
    '{question}\n\nRemember to put your answer on its own line after "Answer:".'
)

# What the patterns of the blends mean, as the repositories had it in November 2026.
FILES = {
    "Nemotron-Agentic-v1": ("data/interactive_agent.jsonl", "data/tool_calling.jsonl"),
    "Nemotron-Competitive-Programming-v1": (
        "data/competitive_coding_cpp.part_00.jsonl",
        "data/competitive_coding_python.part_00.jsonl",
        "data/infinibyte.part_00.jsonl",
        "data/infinibyte.part_01.jsonl",
    ),
    "Nemotron-Instruction-Following-Chat-v1": (
        "data/chat_if.jsonl",
        "data/structured_outputs.jsonl",
    ),
    "Nemotron-Math-Proofs-v1": ("data/lean.jsonl",),
    "Nemotron-Math-v2": ("data/high.part_00.jsonl", "data/low.jsonl", "data/medium.jsonl"),
    "Nemotron-SWE-v1": ("data/r2e_gym.jsonl",),
    "Nemotron-Science-v1": ("data/MCQ.jsonl", "data/RQA.jsonl"),
    "Nemotron-SFT-Agentic-v2": ("data/interactive_agent.jsonl", "data/search.jsonl"),
    "Nemotron-SFT-Competitive-Programming-v2": ("data/exercism.jsonl", "data/text_to_sql.jsonl"),
    "Nemotron-SFT-Instruction-Following-Chat-v2": (
        "data/reasoning_off.jsonl",
        "data/reasoning_on.jsonl",
    ),
    "Nemotron-SFT-Math-v3": ("data/train.jsonl",),
    "Nemotron-SFT-Multilingual-v1": ("data/super-v3_stem_es_translated_postedit_final.jsonl",),
    "Nemotron-SFT-SWE-v2": ("data/agentless.jsonl", "data/swe.jsonl"),
    "Nemotron-SFT-Safety-v1": ("data/train.jsonl",),
    "Nemotron-SpecializedDomains-Finance-v1": ("data/train.jsonl",),
}
MODELS = ("NVIDIA-Nemotron-3-Nano-30B-A3B", "NVIDIA-Nemotron-3-Super-120B-A12B")


def publish_all(hub: FakeHub) -> None:
    """Publish every repository that a recipe's blend or tokenizer names."""
    for repo, subsets in _subsets().items():
        _publish(hub, f"nvidia/{repo}", dict(_text_repository(repo, subsets)))
    _publish(hub, "nvidia/Nemotron-CC-Code-v1", {"data/part_0.parquet": _parquet(_texts("id"))})
    for repo, paths in FILES.items():
        chats = _lines(_conversations(tools=repo != "Nemotron-Math-v2"))
        _publish(hub, f"nvidia/{repo}", dict.fromkeys(paths, chats))
    _publish_prompts(hub)
    for model in MODELS:
        hub.create(f"nvidia/{model}-BF16", private=False).commit("main", "files", _model(chat=True))
        base = hub.create(f"nvidia/{model}-Base-BF16", private=False)
        base.commit("main", "files", _model(chat=False))


def _publish(hub: FakeHub, name: str, files: Mapping[str, bytes]) -> None:
    hub.create(name, "datasets", private=False).commit("main", "files", dict(files))


def _subsets() -> dict[str, list[str]]:
    """The subsets that blends name, by repository."""
    found: dict[str, list[str]] = {}
    for file in (RECIPES / "blends").rglob("*.json"):
        for dataset in read_blend(file):
            if dataset.subset is not None:
                found.setdefault(dataset.path.split("/")[-1], []).append(dataset.subset)
    return {repo: sorted(set(subsets)) for repo, subsets in found.items()}


def _text_repository(repo: str, subsets: list[str]) -> Iterator[tuple[str, bytes]]:
    """A folder of Parquet for each subset, and a card that says so."""
    card = ["---", "license: other", "configs:"]
    for subset in subsets:
        card += [f'- config_name: "{subset}"', "  data_files:"]
        card += [f"  - path: {subset}/*.parquet", "    split: train"]
        field = "content" if repo == "Nemotron-Pretraining-Code-v2" else "text"
        yield f"{subset}/part_0000.parquet", _parquet(_texts("uuid", field))
    yield "README.md", "\n".join([*card, "---", f"# {repo}", ""]).encode()


def _texts(identifier: str, field: str = "text") -> list[dict[str, Any]]:
    stories = pq.read_table(SAMPLE / "pretrain" / "stories.parquet")["text"].to_pylist()[:60]
    return [
        {identifier: f"{number:08x}", field: text, "license": "cc0-1.0", "metadata": {"n": number}}
        for number, text in enumerate(stories)
    ]


def _conversations(*, tools: bool) -> Iterator[dict[str, Any]]:
    """Conversations with the columns of the published ones, ids and missing answers too."""
    with (SAMPLE / "sft" / "chat.jsonl").open(encoding="utf-8") as lines:
        for line in islice(lines, 72):
            chat = json.loads(line)
            if tools or not chat.get("tools"):
                yield {
                    "uuid": chat["id"],
                    "messages": chat["messages"],
                    "license": "cc0-1.0",
                    "used_in": ["nano_v3"],
                    "tools": chat.get("tools") or [],
                    "reasoning": "on",
                }
    yield {"uuid": "without-messages", "messages": [], "license": "cc0-1.0", "tools": []}


def _publish_prompts(hub: FakeHub) -> None:
    with (SAMPLE / "rl" / "prompts.jsonl").open(encoding="utf-8") as lines:
        prompts = [json.loads(line) for line in islice(lines, 80)]
    nano = _lines([*prompts, *_placeholders("nano_v3_sft_profiled_dapo17k")])
    _publish(hub, "nvidia/Nemotron-3-Nano-RL-Training-Blend", {"train.jsonl": nano})
    super_ = _lines([*prompts, *_placeholders("super_v3_lcsft_step1000_skyworks_no_omni")])
    names = ("rlvr1", "rlvr2", "rlvr3", "swe1", "swe2", "rlhf")
    blends = dict.fromkeys((f"{name}.jsonl" for name in names), super_)
    _publish(hub, "nvidia/Nemotron-RL-Super-Training-Blends", blends)
    dapo = {"data/dapo-math-17k.parquet": _parquet(_questions(DAPO))}
    _publish(hub, "BytedTsinghua-SIA/DAPO-Math-17k", dapo)
    rows = _parquet(_questions("{question}"))
    skywork = {f"data/{split}-00000-of-00001.parquet": rows for split in ("code", "math")}
    _publish(hub, "Skywork/Skywork-OR1-RL-Data", skywork)


def _questions(around: str) -> list[dict[str, Any]]:
    """Rows with a question, what its dataset puts around it, and the answer."""
    questions = [f"What is {number} + {number}?" for number in range(10)]
    return [
        {
            "prompt": [{"role": "user", "content": around.replace("{question}", question)}],
            "reward_model": {"ground_truth": str(2 * number), "style": "rule"},
        }
        for number, question in enumerate(questions)
    ]


def _placeholders(dataset: str) -> Iterator[dict[str, Any]]:
    for number in range(PLACEHOLDERS):
        yield {
            "dataset": dataset,
            "_hf_placeholder": {"row": number, "question_template": {"template": "{question}"}},
            "agent_ref": {"type": "responses_api_agents", "name": "math_with_judge_simple_agent"},
        }


def _model(*, chat: bool) -> dict[str, bytes | None]:
    """The tokenizer's files, beside weights that nobody should download."""
    tokenizer = Tokenizer.from_file(str(SAMPLE / "tokenizer" / "tokenizer.json"))
    tokenizer.add_special_tokens([AddedToken("</s>", normalized=False)])
    settings = json.loads((SAMPLE / "tokenizer" / "tokenizer_config.json").read_bytes())
    template = settings.pop("chat_template")
    files: dict[str, bytes | None] = {
        "tokenizer.json": tokenizer.to_str().encode(),
        "tokenizer_config.json": json.dumps(settings).encode(),
        "model-00001-of-00013.safetensors": b"\0" * 4096,
    }
    return files | ({"chat_template.jinja": template.encode()} if chat else {})


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=25)
    return sink.getvalue()


def _lines(records: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)
