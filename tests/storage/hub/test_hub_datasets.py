"""Datasets on the Hub: pinned, chosen, streamed, and every refusal in one sentence."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_hub import READER, WRITER, FakeHub, Repo

from nemo_runspec.errors import DataError
from nemotron_data_prep import RlPrepConfig, prepare_rl
from nemotron_data_prep.blend import Dataset
from nemotron_data_prep.plan import make_plan
from nemotron_data_prep.sources.files import find_files
from nemotron_data_prep.sources.records import Slice, describe_place, read_batches
from nemotron_data_prep.sources.source_file import SourceFile

NAME = "team/chat"
PATH = f"hf://datasets/{NAME}"
RECORDS = [{"text": f"document {number} — größer", "id": number} for number in range(60)]
LINES = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in RECORDS).encode()

Publish = Callable[..., Repo]


@pytest.fixture
def publish(hub: FakeHub) -> Publish:
    """Commit files to a dataset repository: ``publish({path: content}, branch="main")``."""

    def commit(files: Mapping[str, bytes], branch: str = "main", **settings: Any) -> Repo:
        repo = hub.repos.get(("datasets", NAME)) or hub.create(NAME, "datasets", **settings)
        repo.commit(branch, "data", dict(files))
        return repo

    return commit


def parquet_bytes(tmp_path: Path, row_group_size: int = 20) -> bytes:
    path = tmp_path / "made.parquet"
    pq.write_table(pa.Table.from_pylist(RECORDS), path, row_group_size=row_group_size)
    return path.read_bytes()


def zstd_bytes(tmp_path: Path) -> bytes:
    path = tmp_path / "made.zst"
    with pa.CompressedOutputStream(str(path), "zstd") as stream:
        stream.write(LINES)
    return path.read_bytes()


def find(path: str = PATH, **entry: Any) -> tuple[SourceFile, ...]:
    return find_files([Dataset("chat", path, **entry)])


def read(file: SourceFile, *parts: Slice, columns: list[str] | None = None) -> list[Any]:
    return [
        value
        for part in parts or (Slice(0),)
        for batch in read_batches(file, part, text_field="text", sample_by="line", columns=columns)
        for value in batch.values
    ]


@pytest.mark.parametrize(
    ("path", "entry"),
    [
        (PATH, {}),
        (f"{PATH}@main", {}),
        (f"{PATH}@v1", {}),
        (PATH, {"revision": "main"}),
        (PATH, {"revision": "v1"}),
        (f"{PATH}@v1", {"revision": "v1"}),
        (f"{PATH}@v1/chat.jsonl", {}),
        (f"{PATH}/*.jsonl", {"revision": "main"}),
    ],
)
def test_a_plan_is_pinned_to_the_commit_of_its_making(
    publish: Publish, path: str, entry: dict[str, str]
) -> None:
    repo = publish({"chat.jsonl": LINES})
    sha = repo.branches["main"][-1].sha
    repo.tags["v1"] = sha
    (file,) = find(path, **entry)
    publish({"chat.jsonl": b'{"text": "another"}\n'})
    assert file.uri == f"hf://datasets/{NAME}@{sha}/chat.jsonl"
    assert read(file) == RECORDS
    assert describe_place(file, LINES.index(b"\n") + 1) == f"{file.uri}:2"
    (again,) = find(f"{PATH}@{sha}")
    assert again == file


def test_other_branches_are_read_where_they_are_asked_for(publish: Publish) -> None:
    publish({"chat.jsonl": LINES})
    repo = publish({"chat.jsonl": b'{"text": "draft"}\n'}, branch="refs/pr/3")
    for path in (f"{PATH}@refs/pr/3", f"{PATH}@refs%2Fpr%2F3/chat.jsonl"):
        (file,) = find(path)
        assert file.uri == f"hf://datasets/{NAME}@{repo.at('refs/pr/3').sha}/chat.jsonl"
        assert read(file) == [{"text": "draft"}]


def test_nothing_is_downloaded_to_know_what_a_file_holds(
    hub: FakeHub, publish: Publish, tmp_path: Path
) -> None:
    """A copy on this machine makes the same plan: the Hub tells the digest of large files."""
    packed = gzip.compress(LINES, mtime=0)
    publish({"small.jsonl": LINES, "large.jsonl.gz": packed})
    small, large = find(f"{PATH}/small.jsonl")[0], find(f"{PATH}/large.jsonl.gz")[0]
    assert not hub.sent
    assert small.identity.startswith("git-blob:")
    copy = tmp_path / "large.jsonl.gz"
    copy.write_bytes(packed)
    (local,) = find(str(copy))
    assert large.identity == local.identity
    plans = [make_plan([Dataset("chat", file.uri)], [file], {}, None) for file in (large, local)]
    assert plans[0].id == plans[1].id


def test_every_format_is_streamed(publish: Publish, tmp_path: Path) -> None:
    files = {
        "plain/a.jsonl": LINES,
        "gzip/a.jsonl.gz": gzip.compress(LINES),
        "zstd/a.jsonl.zst": zstd_bytes(tmp_path),
        "columns/a.parquet": parquet_bytes(tmp_path),
    }
    publish({**files, "text/a.txt": b"one\ntwo\n", "empty/a.jsonl": b""})
    for path in files:
        folder = path.partition("/")[0]
        (file,) = find(f"{PATH}/{folder}")
        assert read(file) == RECORDS, path
    assert read(find(f"{PATH}/text/a.txt")[0]) == [{"text": "one"}, {"text": "two"}]
    assert read(find(f"{PATH}/empty")[0]) == []


def test_folders_and_patterns_list_data_files_in_order(hub: FakeHub, publish: Publish) -> None:
    hub.page_size = 2
    names = ["d/b.jsonl", "d/a.jsonl", "d/.hidden.jsonl", "d/notes.pdf", "d/deep/c.jsonl"]
    publish(dict.fromkeys(names, LINES))
    expected = {
        f"{PATH}/d": ["d/a.jsonl", "d/b.jsonl", "d/deep/c.jsonl"],
        f"{PATH}/d/*.jsonl": ["d/a.jsonl", "d/b.jsonl"],
        f"{PATH}/**/c.jsonl": ["d/deep/c.jsonl"],
    }
    for path, wanted in expected.items():
        assert [file.uri.partition("/d/")[2] for file in find(path)] == [
            name.removeprefix("d/") for name in wanted
        ]


def test_only_the_columns_and_row_groups_that_are_needed_are_downloaded(
    hub: FakeHub, publish: Publish, tmp_path: Path
) -> None:
    rows = [{"text": f"t{n}", "blob": os.urandom(20_000).hex()} for n in range(60)]
    path = tmp_path / "wide.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=10)
    publish({"wide.parquet": path.read_bytes()})
    (file,) = find(f"{PATH}/wide.parquet")
    assert file.row_groups == (10,) * 6
    assert read(file, columns=["text"]) == [{"text": row["text"]} for row in rows]
    # The end of the file is read in pieces of 64 KiB, when planning and when reading.
    assert hub.sent["wide.parquet"] < 2 * (64 << 10) + 60_000
    hub.sent.clear()
    part = read(file, Slice(0, 2, 3))
    assert [row["text"] for row in part] == [f"t{n}" for n in range(20, 30)]
    assert hub.sent["wide.parquet"] < path.stat().st_size / 3


def test_row_groups_of_which_nothing_is_drawn_are_not_downloaded(
    hub: FakeHub, publish: Publish, tmp_path: Path
) -> None:
    rows = [{"text": os.urandom(20_000).hex()} for _ in range(40)]
    path = tmp_path / "many.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=1)
    publish({"many.parquet": path.read_bytes()})
    (file,) = find(f"{PATH}/many.parquet", rows=3)
    hub.sent.clear()
    batches = list(
        read_batches(file, Slice(0), text_field="text", sample_by="line", columns=["text"])
    )
    assert sum(len(batch.values) for batch in batches) == 3
    assert sum(batch.sampled_out for batch in batches) == 37
    assert hub.sent["many.parquet"] < (64 << 10) + 6 * 40_000


CARD = """---
license: mit
configs:
- config_name: english
  data_files:
  - split: train
    path: en/*.jsonl
  - split: test
    path: [en/test/one.jsonl, en/test/two.jsonl]
- config_name: german
  data_files: de/all.jsonl
---
# A dataset
"""


def named(files: tuple[SourceFile, ...]) -> list[str]:
    return [file.uri.partition("@")[2].partition("/")[2] for file in files]


def test_a_card_says_which_files_make_a_subset_and_a_split(publish: Publish) -> None:
    names = ["en/a.jsonl", "en/b.jsonl", "en/test/one.jsonl", "en/test/two.jsonl", "de/all.jsonl"]
    publish({"README.md": CARD.encode(), **dict.fromkeys(names, LINES)})
    assert named(find(subset="english", source_split="train")) == names[:2]
    assert named(find(subset="english", source_split="test")) == names[2:4]
    assert named(find(subset="german")) == names[4:]
    with pytest.raises(DataError, match=r"has several subsets: english, german\. Choose one with"):
        find()
    with pytest.raises(DataError, match=r"no subset 'englsh'; it has.*Did you mean 'english'"):
        find(subset="englsh")
    with pytest.raises(DataError, match="'english' of 'chat' has several splits: train, test"):
        find(subset="english")
    with pytest.raises(DataError, match=r"no split 'tset'; it has train, test.*mean 'test'"):
        find(subset="english", source_split="tset")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("default: true\n  data_files: b/*", ["b/x.jsonl"]),
        ("data_dir: b\n  default: true", ["b/x.jsonl"]),
        ("data_dir: b\n  data_files: '*'\n  default: true", ["b/x.jsonl"]),
    ],
)
def test_a_card_may_name_a_default(publish: Publish, config: str, expected: list[str]) -> None:
    card = (
        f"---\nconfigs:\n- config_name: a\n  data_files: a/*\n- config_name: b\n  {config}\n---\n"
    )
    publish({"README.md": card.encode(), "a/x.jsonl": LINES, "b/x.jsonl": LINES})
    assert named(find()) == expected


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ("---\nconfigs: [\n---\n", "no valid YAML"),
        ("---\nconfigs: 3\n---\n", "'configs' is no list"),
        ("---\nconfigs:\n- data_files: a\n---\n", "has no config_name"),
        (
            "---\nconfigs:\n- config_name: a\n  data_files:\n  - split: train\n---\n",
            "an entry of the data_files of 'a' lacks split or path",
        ),
        (
            "---\nconfigs:\n- config_name: a\n  data_files: 3\n---\n",
            "data_files of 'a' are no list",
        ),
        (
            "---\nconfigs:\n- config_name: a\n  data_files: none/*\n---\n",
            "The subset 'a' of 'chat' has no files. Give the path",
        ),
    ],
)
def test_a_card_that_cannot_be_used_is_an_error(publish: Publish, card: str, message: str) -> None:
    publish({"README.md": card.encode(), "a.jsonl": LINES})
    with pytest.raises(DataError, match=message):
        find()
    assert named(find(f"{PATH}/a.jsonl")) == ["a.jsonl"]


def test_a_dataset_without_a_card_goes_by_file_names(publish: Publish) -> None:
    names = ["data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl"]
    publish({**dict.fromkeys(names, LINES), "data/extra-00000-of-00001.jsonl": LINES})
    assert named(find(source_split="train")) == names
    with pytest.raises(DataError, match="has several splits: train, extra"):
        find()
    with pytest.raises(DataError, match="no subset 'en'; it has default"):
        find(subset="en")


def test_files_of_the_rarer_format_are_named_and_left_out(
    publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    publish({"a.jsonl": LINES, "b.jsonl": LINES, "LICENSE.txt": b"free"})
    assert named(find()) == ["a.jsonl", "b.jsonl"]
    assert "2 files of team/chat read; left out, in other formats: 1" in caplog.text


def test_files_that_nothing_here_reads_are_an_error(publish: Publish) -> None:
    publish({"train.csv": b"a,b\n"})
    with pytest.raises(DataError, match=r"no format that is read here.*refs/convert/parquet"):
        find()


def test_the_hubs_own_parquet_copy_is_read_where_it_is_asked_for(
    publish: Publish, tmp_path: Path
) -> None:
    publish({"train.csv": b"text\n"})
    copies = ["default/train/0000.parquet", "default/train/0001.parquet"]
    publish(dict.fromkeys(copies, parquet_bytes(tmp_path)), branch="refs/convert/parquet")
    assert named(find(revision="refs/convert/parquet")) == copies
    with pytest.raises(DataError, match="no split 'test'; it has train"):
        find(revision="refs/convert/parquet", source_split="test")


@pytest.mark.parametrize(
    ("path", "entry", "message"),
    [
        ("hf://datasets/chat", {}, "This is no dataset on the Hugging Face Hub. Write hf://"),
        ("hf://team/chat", {}, "This is no dataset on the Hugging Face Hub"),
        (f"{PATH}@v1", {"revision": "v2"}, "names the revision 'v1', and 'revision' is 'v2'"),
        (f"{PATH}/a.jsonl", {"subset": "en"}, "says which files to read, and so do 'subset'"),
        (f"{PATH}@mian", {}, r"team/chat has no revision 'mian'. Did you mean 'main'\?"),
        (PATH, {"revision": "v10"}, r"team/chat has no revision 'v10'. Did you mean 'v1'\?"),
        (f"{PATH}/b.jsonl", {}, "The dataset 'chat' has no files"),
        (f"{PATH}/b/*.jsonl", {}, "team/chat has no such file or folder"),
        ("hf://datasets/team/caht", {}, "There is no dataset team/caht on the Hub, or it is priv"),
    ],
)
def test_what_is_not_there_is_named(
    publish: Publish, path: str, entry: dict[str, str], message: str
) -> None:
    repo = publish({"a.jsonl": LINES})
    repo.tags["v1"] = repo.at("main").sha
    with pytest.raises(DataError, match=message):
        find(path, **entry)


def test_a_private_dataset_asks_for_a_log_in(
    publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish({"a.jsonl": LINES})
    assert len(find()) == 1
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(DataError, match=r"or it is private.*`hf auth login`, or set HF_TOKEN"):
        find()


@pytest.mark.parametrize("gated", [True, "files"])
def test_a_gated_dataset_names_the_page_where_access_is_asked_for(
    hub: FakeHub, publish: Publish, gated: Any
) -> None:
    publish({"a.jsonl": LINES}, gated=gated)
    with pytest.raises(DataError) as caught:
        read(find()[0])
    assert str(caught.value).startswith("hf://datasets/team/chat")
    assert "The dataset team/chat is gated" in str(caught.value)
    assert f"Ask for access on {hub.url}/datasets/team/chat, then log in with" in str(caught.value)
    assert "`hf auth login`, or set HF_TOKEN" in str(caught.value)


def test_a_gated_parquet_file_is_refused_when_it_is_planned(
    publish: Publish, tmp_path: Path
) -> None:
    publish({"a.parquet": parquet_bytes(tmp_path)}, gated="files")
    with pytest.raises(DataError, match="The dataset team/chat is gated"):
        find()


def test_no_token_is_in_messages_or_plans(
    hub: FakeHub, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish({"a.jsonl": LINES})
    files = find()
    plan = make_plan([Dataset("chat", PATH)], files, {}, None)
    assert WRITER.encode() not in pickle.dumps(plan)
    monkeypatch.setenv("HF_TOKEN", "hf_wrongwrongwrongwrong")
    with pytest.raises(DataError, match="The Hub does not accept the token") as caught:
        find()
    assert "hf_wrong" not in str(caught.value)
    monkeypatch.setenv("HF_TOKEN", READER)
    assert read(find()[0]) == RECORDS


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (500, r"The Hub failed \(500\)"),
        (403, r"The Hub denies access \(403\)"),
        (429, r"The Hub is asked too often \(429\)"),
    ],
)
def test_a_hub_that_refuses_is_one_sentence(
    hub: FakeHub, publish: Publish, status: int, message: str
) -> None:
    publish({"a.jsonl": LINES})
    hub.refuse("info", status, times=20)
    with pytest.raises(DataError, match=message):
        find()


SCRIPT = """
from nemo_runspec.errors import DataError
from nemotron_data_prep.blend import Dataset
from nemotron_data_prep.sources.files import find_files
try:
    find_files([Dataset("chat", "hf://datasets/team/chat")])
except DataError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "cannot be read: HF_HUB_OFFLINE switches it off. Unset"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "No connection to the Hub (http://127.0.0.1:9)"),
    ],
)
def test_a_hub_that_is_not_there_is_one_sentence(
    publish: Publish, settings: dict[str, str], message: str
) -> None:
    publish({"a.jsonl": LINES})
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    assert message in ran.stdout
    assert len(ran.stdout.splitlines()) == 1


def test_a_file_is_read_again_where_its_connection_breaks(hub: FakeHub, publish: Publish) -> None:
    publish({"a.jsonl": LINES})
    (file,) = find()
    hub.cut("a.jsonl")
    assert read(file) == RECORDS
    hub.drop("resolve", after_work=False)
    assert read(file) == RECORDS
    hub.refuse("resolve", 503)
    assert read(file) == RECORDS


def test_a_reply_that_is_too_short_is_never_a_whole_file(
    hub: FakeHub, publish: Publish, tmp_path: Path
) -> None:
    """A proxy in between may lose the rest of a reply and tell the new length."""
    publish({"a.jsonl": LINES, "a.jsonl.gz": gzip.compress(LINES), "a.parquet": b""})
    publish({"a.parquet": parquet_bytes(tmp_path)})
    for name in ("a.jsonl", "a.jsonl.gz", "a.parquet"):
        (file,) = find(f"{PATH}/{name}")
        hub.cut(name, told=False)
        assert read(file) == RECORDS
        hub.cut(name, told=False, times=9)
        with pytest.raises(DataError, match=rf"{name}: The storage gave \d+ of \d+ bytes"):
            read(file)
        for _ in range(9):
            hub.cut_of(name)


@pytest.mark.parametrize("name", ["with space.jsonl", "größe.jsonl", "a#b.jsonl", "50%25.jsonl"])
def test_names_of_any_letters_are_read(publish: Publish, name: str) -> None:
    publish({name: LINES})
    for file in (find()[0], find(f"{PATH}/{name}")[0]):
        assert read(file) == RECORDS
        assert file.uri.endswith(f"/{name}")


def test_a_dataset_that_moved_is_found(hub: FakeHub, publish: Publish) -> None:
    publish({"a.jsonl": LINES})
    hub.renamed["old/chat"] = NAME
    (file,) = find("hf://datasets/old/chat")
    assert read(file) == RECORDS


def test_a_page_that_asks_to_log_in_is_no_data(hub: FakeHub, publish: Publish) -> None:
    publish({"a.jsonl": LINES})
    (file,) = find()
    hub.is_log_in_page = True
    with pytest.raises(DataError, match="The Hub's reply cannot be used"):
        find()
    with pytest.raises(DataError, match=r"a\.jsonl: "):
        read(file)


def test_a_run_carries_the_commit_to_its_lineage(publish: Publish, tmp_path: Path) -> None:
    prompt = {"responses_create_params": {"input": "2 + 2?"}, "agent_ref": {"name": "sums"}}
    lines = "".join(json.dumps({**prompt, "id": n}) + "\n" for n in range(40)).encode()
    sha = publish({"train.jsonl": lines, "test.jsonl": lines[:200]}).at("main").sha
    blend = tmp_path / "blend.json"
    entry = {"name": "sums", "path": PATH, "source_split": "train", "rows": 25}
    blend.write_text(json.dumps({"train": [entry]}))
    config = RlPrepConfig(blend=blend, output_dir=tmp_path / "out", shard_size_bytes=1000)
    result = prepare_rl(config)
    (source,) = result.artifact.source_datasets
    assert source.uri == f"hf://datasets/{NAME}@{sha}/train.jsonl"
    assert (source.revision or "").startswith("git-blob:")
    assert [entry["uri"] for entry in result.report["sources"]] == [source.uri]
    totals = result.report["totals"]
    assert (totals["records_in"], totals["records_out"]) == (40, 25)
    assert totals["dropped"] == {"sampled_out": 15}
    assert prepare_rl(config).cache_hit


PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "prepare-data-from-the-hub.md"


def test_the_commands_of_the_page(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## From the Hugging Face Hub\n")[2]
    blend = section.partition("```json file=hub/blend.json\n")[2].partition("```")[0]
    commands = section.partition("```bash needs=network\n")[2].partition("```")[0]
    turns = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]
    lines = "".join(json.dumps({"messages": turns, "id": n}) + "\n" for n in range(60)).encode()
    repo = hub.create("my-team/chat", "datasets")
    card = CARD.replace("en/*.jsonl", "en/train.jsonl").encode()
    files = {
        "en/train.jsonl": lines,
        "en/test/one.jsonl": lines.splitlines(keepends=True)[0],
        "en/test/two.jsonl": lines,
    }
    packed = gzip.compress(lines)
    repo.commit("main", "data", {"README.md": card, **files, "extra/a.jsonl.gz": packed})
    repo.tags["v1"] = sha = repo.at("main").sha
    shutil.copytree(PAGE.parents[2] / "recipes", tmp_path / "recipes")
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "blend.json").write_text(blend)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    ran = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{commands}"],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "hub-sft-data:v1\n" in ran.stdout
    for path in ("en/train.jsonl", "extra/a.jsonl.gz", "en/test/two.jsonl"):
        assert f"hf://datasets/my-team/chat@{sha}/{path}" in ran.stdout
