"""A Ray cluster that runs before the preparations do, data for three stages, and runs of them."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

# Under importlib mode a test folder is on no path.
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from preparing import LOOPBACK, QUIET, STAGES, Cluster, Prepare, tree

SAMPLE = Path(__file__).parents[2] / "recipes" / "sample"


@pytest.fixture(autouse=True)
def quiet_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for Ray's sockets."""
    folder = Path(tempfile.mkdtemp(prefix="nr-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def new_cluster(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Cluster]]:
    """Starts clusters of a head each; on loopback alone there can be no other nodes."""
    clusters: list[Cluster] = []

    def start(*options: str, several_nodes: bool = False) -> Cluster:
        environment = dict(QUIET)
        if several_nodes:
            monkeypatch.delenv(LOOPBACK)
            del environment[LOOPBACK]
        cluster = Cluster(Path(tempfile.mkdtemp(dir=short_folder)), environment=environment)
        clusters.append(cluster)
        cluster.add(*options)
        return cluster

    yield start
    for cluster in clusters:
        cluster.stop()


@pytest.fixture(scope="session")
def cluster(short_folder: Path) -> Iterator[Cluster]:
    """One that all tests share that do it no harm."""
    shared = Cluster(Path(tempfile.mkdtemp(dir=short_folder)), environment=QUIET)
    shared.add("--num-cpus=2")
    yield shared
    shared.stop()


@pytest.fixture(scope="session")
def blends(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A blend file for each stage, some 30 shards of data in each."""
    folder = tmp_path_factory.mktemp("data")
    texts = [
        f"Document {number}. " + "The quick brown fox. " * (number % 40) for number in range(300)
    ]
    lines = [json.dumps({"text": text}) for text in texts]
    (folder / "text.jsonl").write_text("\n".join(lines), encoding="utf-8")
    sources = {
        "pretrain": folder / "text.jsonl",
        "sft": SAMPLE / "sft" / "chat.jsonl",
        "rl": SAMPLE / "rl" / "prompts.jsonl",
    }
    for stage, path in sources.items():
        blend = {"datasets": [{"name": "data", "path": str(path)}]}
        (folder / f"{stage}.json").write_text(json.dumps(blend), encoding="utf-8")
    return {stage: folder / f"{stage}.json" for stage in STAGES}


@pytest.fixture
def prepare(blends: Mapping[str, Path]) -> Prepare:
    return Prepare(blends)


@pytest.fixture(scope="session")
def expected(
    blends: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Path], dict[str, bytes]]:
    """What an uninterrupted run of the local engine, one process, makes in a folder."""
    made: dict[str, tuple[Path, dict[str, bytes]]] = {}

    def files(stage: str, folder: Path) -> dict[str, bytes]:
        if stage not in made:
            out = tmp_path_factory.mktemp("reference") / "out"
            Prepare(blends)(stage, out, workers=1)
            made[stage] = out, tree(out)
        out, reference = made[stage]
        # blend.json names the place of the output; its digest stands in the receipt.
        moved = (str(out).encode(), str(folder).encode())
        return {
            name: content.replace(*moved) if name.endswith("blend.json") else content
            for name, content in reference.items()
            if not name.endswith("receipt.json")
        }

    return files
