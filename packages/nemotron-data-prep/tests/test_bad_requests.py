"""Requests that cannot work: one sentence each, with where and what to do, and nothing left."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from nemo_runspec.config import omegaconf_to_dataclass
from nemo_runspec.errors import ConfigError, DataError
from nemotron_data_prep import (
    PretrainPrepConfig,
    RlPrepConfig,
    SftPrepConfig,
    SplitRatios,
    prepare_pretrain,
    prepare_rl,
    prepare_sft,
    preview_pretrain,
    preview_sft,
)

Blend = Callable[..., Path]
FilesBelow = Callable[[Path], dict[str, bytes]]
LAB = Path(__file__).parent / "lab"

CHATS = [
    {
        "messages": [
            {"role": "user", "content": f"Question {number}?"},
            {"role": "assistant", "content": f"Answer {number}."},
        ]
    }
    for number in range(12)
]
PROMPTS = [
    {
        "responses_create_params": {"input": [{"role": "user", "content": f"{number}?"}]},
        "agent_ref": {"name": "agent"},
    }
    for number in range(12)
]
TEXTS = [{"text": f"Text {number}."} for number in range(12)]


@pytest.fixture
def sft(tokenizer_dir: Path, tmp_path: Path) -> Callable[..., SftPrepConfig]:
    def make(blend: Path, **options: Any) -> SftPrepConfig:
        return SftPrepConfig(
            blend=blend,
            tokenizer=options.pop("tokenizer", tokenizer_dir),
            output_dir=tmp_path / "out",
            workers=1,
            **options,
        )

    return make


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"packing": "best_fit_decresing"},
            r"packing: 'best_fit_decresing' is none of .*mean 'best_fit_decreasing'",
        ),
        ({"packing": "ffd"}, r"packing: 'ffd' is none of .*first_fit_shuffle.*Known: "),
        (
            {"format": "parqet"},
            r"format: 'parqet' is none of parquet, npy\. Did you mean 'parquet'",
        ),
        ({"on_too_long": "truncat"}, r"on_too_long: 'truncat' is none .*mean 'truncate'"),
        ({"retention": "tokens"}, r"retention: 'tokens' is none of none, tokenized"),
        ({"on_invalid": "ignore"}, r"on_invalid: 'ignore' is none of stop, skip"),
        ({"on_bad_mask": True}, r"on_bad_mask: True is none of stop, drop"),
        ({"tokenizer_backend": "rust"}, r"tokenizer_backend: 'rust' is none of auto, fast, hf"),
    ],
)
def test_a_word_that_is_no_value_is_refused_before_anything_is_read(
    options: dict[str, Any], message: str, sft: Callable[..., SftPrepConfig], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        sft(tmp_path / "no blend.json", **options)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("pack_sise", r"'pack_sise'.*Did you mean 'pack_size'"),
        ("retain", r"'retain'"),
        ("split.trian", r"split\.trian.*Did you mean 'train'|trian.*train"),
    ],
)
def test_a_key_that_does_not_exist_is_named_with_the_nearest(key: str, message: str) -> None:
    document: dict[str, Any] = {"blend": "b.json", "tokenizer": "t", "output_dir": "o"}
    outer, _, inner = key.partition(".")
    document[outer] = {inner: 0.5} if inner else 1
    with pytest.raises(ConfigError, match=message):
        omegaconf_to_dataclass(OmegaConf.create(document), SftPrepConfig)


def test_a_pack_smaller_than_all_sequences_is_named_with_its_size(
    sft: Callable[..., SftPrepConfig], blend: Blend, tmp_path: Path
) -> None:
    path = blend(chat=CHATS)
    message = r"pack_size: Every sequence is longer than a pack of 16 tokens.*on_too_long=trunc"
    with pytest.raises(DataError, match=message):
        prepare_sft(sft(path, pack_size=16))
    with pytest.raises(DataError, match=r"pack_size: 12 sequences are longer .*chat\.jsonl:\d+\)"):
        prepare_sft(sft(path, pack_size=16, on_too_long="stop"))
    preview = preview_sft(sft(path, pack_size=16))
    assert preview.data["splits"]["train"]["packs"] == 0
    assert preview.data["records"]["dropped"] == {"too_long": 12}
    assert not (tmp_path / "out" / "tokenized").exists()


@pytest.mark.parametrize("weight", [0, -1, "1", True, float("nan")])
def test_a_weight_of_nothing_is_refused(
    weight: Any, sft: Callable[..., SftPrepConfig], blend: Blend
) -> None:
    blend(chat=CHATS)
    path = blend({"name": "chat", "path": "data/chat.jsonl", "weight": weight})
    with pytest.raises(DataError, match=r"blend\.json: datasets\[0\]: The weight .* no positive"):
        prepare_sft(sft(path))


def test_weights_that_leave_nothing_say_so(sft: Callable[..., SftPrepConfig], blend: Blend) -> None:
    blend(chat=CHATS)
    path = blend({"name": "chat", "path": "data/chat.jsonl", "weight": 1e-9})
    message = r"split: No sequence is left for the training split \(records .*: 12 sampled_out\)"
    with pytest.raises(DataError, match=message):
        prepare_sft(sft(path))


def test_an_empty_training_split_says_why(
    sft: Callable[..., SftPrepConfig], blend: Blend, tmp_path: Path
) -> None:
    blend(chat=CHATS)
    path = blend({"name": "chat", "path": "data/chat.jsonl", "split": "test"})
    with pytest.raises(DataError, match=r"split: No sequence is left .*none\).*split\.train"):
        prepare_sft(sft(path))
    with pytest.raises(DataError, match=r"split: No record fell into the training split"):
        prepare_rl(_rl(blend, tmp_path))
    blend(texts=TEXTS)
    path = blend({"name": "texts", "path": "data/texts.jsonl", "split": "valid"})
    tokenizer = sft(path).tokenizer
    with pytest.raises(DataError, match=r"split: No document fell .*larger share"):
        prepare_pretrain(
            PretrainPrepConfig(blend=path, tokenizer=tokenizer, output_dir=tmp_path / "out")
        )
    assert not list((tmp_path / "out").glob("*/blend.json"))


def _rl(blend: Blend, tmp_path: Path) -> RlPrepConfig:
    blend(prompts=PROMPTS)
    path = blend({"name": "prompts", "path": "data/prompts.jsonl", "split": "valid"})
    return RlPrepConfig(blend=path, output_dir=tmp_path / "out")


@pytest.mark.parametrize(
    ("tokenizer", "message"),
    [
        ("nowhere", r"nowhere.*(cannot be read|no tokenizer)"),
        ("blend.json", r"blend\.json: This is no usable tokenizer"),
        ("data", r"data/tokenizer\.json: The tokenizer cannot be read: No such file.*tokenizer="),
    ],
)
def test_a_wrong_tokenizer_is_named_in_all_stages_and_previews(
    tokenizer: str,
    message: str,
    sft: Callable[..., SftPrepConfig],
    blend: Blend,
    tmp_path: Path,
) -> None:
    path = blend(data=CHATS)
    text = PretrainPrepConfig(
        blend=path, tokenizer=tmp_path / tokenizer, output_dir=tmp_path / "out"
    )
    chat = sft(path, tokenizer=tmp_path / tokenizer)
    for stage in (
        lambda: prepare_sft(chat),
        lambda: preview_sft(chat),
        lambda: prepare_pretrain(text),
        lambda: preview_pretrain(text),
    ):
        with pytest.raises(DataError, match=message):
            stage()
    assert not (tmp_path / "out").exists()


def test_more_shards_than_documents_change_nothing(
    blend: Blend, tokenizer_dir: Path, tmp_path: Path, files_below: FilesBelow
) -> None:
    whole = SplitRatios(train=1, valid=0, test=0)
    common: dict[str, Any] = {"split": whole, "workers": 1}
    documents = []
    for size in (None, 10):
        out = tmp_path / f"{size}"
        sized = {**common, "output_dir": out, "shard_size_bytes": size}
        chats = prepare_sft(
            SftPrepConfig(blend=blend(a=CHATS[:3]), tokenizer=tokenizer_dir, **sized)
        )
        prompts = prepare_rl(RlPrepConfig(blend=blend(b=PROMPTS[:3]), **sized))
        texts = prepare_pretrain(
            PretrainPrepConfig(blend=blend(c=TEXTS[:3]), tokenizer=tokenizer_dir, **sized)
        )
        assert [result.report["totals"]["records_out"] for result in (chats, prompts, texts)] == [
            3,
            3,
            3,
        ]
        documents.append((files_below(chats.path / "splits"), (prompts.path / "train.jsonl")))
        assert len(json.loads((texts.path / "blend.json").read_text())["train"]) <= 2 * 3
    assert documents[0][0] == documents[1][0]
    assert documents[0][1].read_bytes() == documents[1][1].read_bytes()


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Take away all permissions on a path, until the test is over."""
    paths: list[tuple[Path, int]] = []

    def close(path: Path, mode: int = 0) -> None:
        paths.append((path, path.stat().st_mode))
        path.chmod(mode)

    yield close
    for path, mode in reversed(paths):
        path.chmod(mode)


def bound(stage: str, blend: Path, tokenizer: Path, folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        [
            sys.executable,
            str(LAB / "without_privileges.py"),
            stage,
            *map(str, (blend, tokenizer, folder)),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout


@pytest.mark.parametrize("stage", ["rl", "sft", "preview"])
def test_an_input_that_may_not_be_read_is_one_sentence(
    stage: str, blend: Blend, tokenizer_dir: Path, tmp_path: Path, closed: Callable[..., None]
) -> None:
    path = blend(data=PROMPTS if stage == "rl" else CHATS)
    closed(tmp_path / "data" / "data.jsonl")
    code, text = bound(stage, path, tokenizer_dir, tmp_path / "out")
    assert code == 3
    assert f"{tmp_path}/data/data.jsonl: " in text
    assert "Permission denied" in text
    assert not (tmp_path / "out").exists()
    closed(path)
    code, text = bound(stage, path, tokenizer_dir, tmp_path / "out")
    assert code == 3
    assert text.startswith(f"{path}: The blend file cannot be read: Permission denied.")


def test_a_folder_that_may_not_be_listed_is_no_empty_one(
    blend: Blend, tokenizer_dir: Path, tmp_path: Path, closed: Callable[..., None]
) -> None:
    path = blend(data=PROMPTS)
    (tmp_path / "data" / "closed").mkdir()
    closed(tmp_path / "data" / "closed")
    path.write_text(json.dumps({"datasets": [{"name": "d", "path": str(tmp_path / "data")}]}))
    code, text = bound("rl", path, tokenizer_dir, tmp_path / "out")
    assert code == 3
    assert f"{tmp_path}/data/closed: The source cannot be read: Permission denied" in text
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("stage", ["rl", "sft"])
def test_an_output_folder_that_may_not_be_written_is_one_sentence(
    stage: str, blend: Blend, tokenizer_dir: Path, tmp_path: Path, closed: Callable[..., None]
) -> None:
    path = blend(data=PROMPTS if stage == "rl" else CHATS)
    place = tmp_path / "place"
    place.mkdir()
    (place / "other").write_text("")
    closed(place, 0o500)
    for folder in (place, place / "out"):
        code, text = bound(stage, path, tokenizer_dir, folder)
        assert code == 3
        assert "The output cannot be written: Permission denied." in text
        assert "Set output_dir to a folder that you may write to." in text
    assert list(place.iterdir()) == [place / "other"]


def test_a_preview_needs_no_right_to_write(
    blend: Blend, tokenizer_dir: Path, tmp_path: Path, closed: Callable[..., None]
) -> None:
    path = blend(data=CHATS)
    place = tmp_path / "place"
    place.mkdir()
    closed(place, 0o500)
    assert bound("preview", path, tokenizer_dir, place / "out") == (0, "")


@pytest.mark.parametrize("seed", [-1, 2**63, 2**70])
def test_a_seed_that_nothing_can_be_drawn_with_is_refused(
    seed: int, sft: Callable[..., SftPrepConfig], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=rf"seed: The seed {seed} is no whole number from 0 to"):
        sft(tmp_path / "no blend.json", seed=seed)


def test_the_largest_seed_makes_data(sft: Callable[..., SftPrepConfig], blend: Blend) -> None:
    assert prepare_sft(sft(blend(chat=CHATS), seed=2**63 - 1)).report["totals"]["records_out"]


def test_what_left_everything_out_is_what_to_look_at(
    sft: Callable[..., SftPrepConfig], blend: Blend
) -> None:
    blend(chat=CHATS)
    entry = {"name": "chat", "path": "data/chat.jsonl"}
    with pytest.raises(DataError, match=r"\(12 sampled_out\)\. Raise the 'weight' or 'fraction'"):
        prepare_sft(sft(blend({**entry, "fraction": 1e-9})))
    with pytest.raises(DataError, match=r"12 sampled_out\)\. Give .*, or raise the 'weight' of"):
        prepare_sft(sft(blend({**entry, "weight": 1e-9})))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            {"conversations": [], "id": 1},
            (
                r"chat\.jsonl:1: .*: 'messages' is missing; the record has 'conversations', 'id'\."
                r" Mend the record, name its field or a transform in the blend file, or set on_inv"
            ),
        ),
        ({}, r"'messages' is missing; the record has no fields\."),
        (dict.fromkeys("abcdefg"), r"the record has 'a', 'b', 'c', 'd', 'e', …\."),
        ({"messages": None}, r"'messages' is missing\."),
    ],
)
def test_a_record_without_messages_is_shown_by_what_it_has(
    record: dict[str, Any], message: str, sft: Callable[..., SftPrepConfig], blend: Blend
) -> None:
    with pytest.raises(DataError, match=message):
        prepare_sft(sft(blend(chat=[record])))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"body": "a"}, r"text\.jsonl:1: .*: 'text' is missing; the record has 'body'\. Mend"),
        ({"text": None}, r"'text' is missing, not a text\."),
        ({"text": ["a"]}, r"'text' is a list, not a text\."),
    ],
)
def test_a_record_without_text_is_shown_by_what_it_has(
    record: dict[str, Any], message: str, blend: Blend, tokenizer_dir: Path, tmp_path: Path
) -> None:
    config = PretrainPrepConfig(
        blend=blend(text=[record]), tokenizer=tokenizer_dir, output_dir=tmp_path / "out", workers=1
    )
    with pytest.raises(DataError, match=message):
        prepare_pretrain(config)
