"""Every entry of the troubleshooting page says what is really said.

Blocks with an output are executed with the rest of the documentation. The others need a server:
each of them is compared here with the message that it quotes.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import wandb
from wandb_server.server import KEY

from nemo_runspec.artifacts import Artifact, log_artifact, setup_artifact_tracking
from nemo_runspec.errors import NemotronError
from nemotron.cli.errors import error_screen
from nemotron.cli.panels import screen_of
from nemotron_kit_wandb import WandbConfig, check_wandb_access, patch_wandb_init_for_lineage

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "troubleshoot-tracking.md"
SECTIONS = dict(part.partition("\n")[::2] for part in PAGE.read_text("utf-8").split("\n## ")[1:])
QUOTED = {
    heading: re.findall(r"^```text\n(.*?)\n```$", text, re.DOTALL | re.MULTILINE)
    for heading, text in SECTIONS.items()
}
# The entries that users of such a system look for.
ENTRIES = {
    "“WANDB_API_KEY not found”": 1,
    "“Project not found”": 2,
    "W&B does not answer": 0,
    "Variables do not reach the job": 0,
    "Ray workers have no credentials": 0,
    "“Artifact not found”": 1,
    "The panel shows no manifest": 0,
    "“Digest mismatch”": 1,
    "Run without W&B": 0,
    "Another version than you meant": 1,
    "Links are missing in the graph": 2,
    "“Invalid Client ID digest”": 0,
}


def test_every_entry_is_there_and_is_executed_or_compared():
    assert {heading: len(quoted) for heading, quoted in QUOTED.items()} == ENTRIES
    for heading, compared in ENTRIES.items():
        assert compared or "output\n" in SECTIONS[heading], heading


@pytest.fixture
def quotes(server, tmp_path):
    """Compare what an action raises with a block of the page."""

    def compare(heading, index, action):
        with pytest.raises(NemotronError) as caught:
            action()
        with (tmp_path / "screen").open("w") as stream:
            said = error_screen(caught.value, screen_of(stream))
        assert said.replace(server.url, "http://SERVER").rstrip() == QUOTED[heading][index]

    return compare


def config(root=None, **run):
    run["wandb"] = {"project": "nemotron", "entity": "team"}
    return {"run": run, "artifacts": {"wandb": True, "manifest": {"root": root}}}


def record_two_versions(folder):
    (folder / "data").mkdir()
    run = wandb.init(project="nemotron", entity="team")
    with setup_artifact_tracking(config()) as tracking, run:
        for step in (1, 2):
            made = Artifact(path=folder / "data", metadata={"step": step})
            log_artifact(made, tracking, name="sft-data")


def test_a_key_that_the_server_does_not_know(quotes, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "b" * 40)
    project = WandbConfig(project="nemotron")
    quotes("“WANDB_API_KEY not found”", 0, lambda: check_wandb_access(project))


def test_an_entity_that_is_not_the_users(quotes):
    other = WandbConfig(project="nemotron", entity="taem")
    quotes("“Project not found”", 0, lambda: check_wandb_access(other))


def test_what_is_not_found_names_what_there_is(quotes, tmp_path):
    record_two_versions(tmp_path)

    def reading(reference):
        return lambda: setup_artifact_tracking(config(data=reference))

    quotes("“Project not found”", 1, reading("team/nemotrno/sft-data:latest"))
    quotes("“Artifact not found”", 0, reading("sft-dta:latest"))
    quotes("Another version than you meant", 0, reading("sft-data:v7"))


def test_a_project_is_made_by_its_first_run(server):
    assert server.state.projects == {}
    check_wandb_access(WandbConfig(project="nemotron", entity="team"))
    with wandb.init(project="nemotron", entity="team"):
        pass
    assert set(server.state.projects) == {("team", "nemotron")}


def test_the_digest_of_a_reference_without_a_checksum(server, tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"w")
    made = wandb.Artifact("model", "model")
    made.add_reference(f"file://{tmp_path}/weights.bin", checksum=False)
    with wandb.init(project="nemotron", entity="team") as run:
        run.log_artifact(made).wait(60)
    message = QUOTED["“Digest mismatch”"][0].removeprefix("ValueError: ")
    with pytest.raises(ValueError, match=re.escape(message)):
        wandb.Api().artifact("team/nemotron/model:v0").download(str(tmp_path / "whole"))


def test_links_that_are_missing(server, tmp_path, caplog):
    beside, alone = QUOTED["Links are missing in the graph"]
    with setup_artifact_tracking(config(str(tmp_path / "store"))):
        patch = patch_wandb_init_for_lineage(["team/nemotron/gone:manifest-v7"])
        wandb.init(project="nemotron", entity="team")
        wandb.finish()
        patch.undo()
    assert beside in caplog.text
    patch = patch_wandb_init_for_lineage(["team/nemotron/gone:v7"])
    with pytest.raises(NemotronError, match=re.escape(alone)):
        wandb.init(project="nemotron", entity="team")
    patch.undo()


def test_the_page_shows_no_key():
    assert KEY not in PAGE.read_text("utf-8")
