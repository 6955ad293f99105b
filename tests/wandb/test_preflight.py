"""What W&B would refuse in the job is said, in one sentence, when the job is submitted."""

from __future__ import annotations

import pytest
from wandb_server import faults
from wandb_server.server import KEY

from nemotron_kit_wandb import WandbCredentialsError
from nemotron_kit_wandb.preflight import advice, preflight

SETTINGS = {"project": "nemotron", "entity": "team"}


def test_the_job_gets_what_it_needs_and_no_text_shows_the_key(server):
    checked = preflight(SETTINGS)
    assert dict(checked.environment) == {
        "WANDB_API_KEY": KEY,
        "WANDB_PROJECT": "nemotron",
        "WANDB_ENTITY": "team",
        "WANDB_BASE_URL": server.url,
    }
    assert (checked.warnings, checked.unreachable) == ((), None)
    assert KEY not in f"{checked!r} {checked.environment!r} {checked.environment}"
    assert [item.name for item in server.served] == ["Viewer"]


def test_the_entity_that_nobody_named_is_the_users_default(server):
    assert preflight({"project": "nemotron"}).environment["WANDB_ENTITY"] == "team"


def test_a_user_without_a_default_entity_has_to_name_one(server):
    server.state.users[KEY].default_entity = ""
    message = (
        r"The entity is missing: the W&B user ada has no default one\. Add `entity = \"NAME\"`"
    )
    with pytest.raises(WandbCredentialsError, match=message):
        preflight({"project": "nemotron"})
    assert preflight(SETTINGS).environment["WANDB_ENTITY"] == "team"


@pytest.mark.parametrize("settings", [{}, {"entity": "team"}, {"project": ""}])
def test_a_missing_project_is_found_without_asking(server, settings):
    message = (
        r"no W&B project is named\. Add `project = \"NAME\"` there, or set artifacts.wandb=false"
    )
    with pytest.raises(WandbCredentialsError, match=message):
        preflight(settings)
    assert server.served == []


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (None, r"No W&B API key was found for http://127.*Run `wandb login`, or set WANDB_API_KEY"),
        ("k" * 39, r"has 39 characters; keys have 40 or more\. Run `wandb login`"),
        ("k" * 39 + "!", r"other characters than letters, digits, '_' and '-'\. Run `wandb login`"),
        ("b" * 40, r"does not know the API key\. Run `wandb login --relogin`"),
    ],
)
def test_a_key_that_opens_nothing_is_one_sentence(server, monkeypatch, key, message):
    monkeypatch.delenv("WANDB_API_KEY")
    if key is not None:
        monkeypatch.setenv("WANDB_API_KEY", key)
    with pytest.raises(WandbCredentialsError, match=message) as caught:
        preflight(SETTINGS)
    assert key is None or key not in str(caught.value)


def test_a_server_that_is_down_is_said_and_the_variables_are_there(server):
    server.down()
    checked = preflight(SETTINGS)
    assert checked.unreachable == f"W&B at {server.url} cannot be asked (Connection refused)."
    assert checked.environment["WANDB_API_KEY"] == KEY


def test_a_slow_server_is_not_waited_for(server):
    hold = faults.Hold()
    server.faults.plan(hold, "Viewer")
    assert "cannot be asked (no answer in time)" in preflight(SETTINGS, timeout_s=0.2).unreachable
    hold.release()


def test_an_answer_of_another_form_is_no_crash(server):
    server.faults.plan(answer(b'{"data": {"viewer": {"username": "ada"}}}'), "Viewer")
    assert "cannot be asked (KeyError)" in preflight(SETTINGS).unreachable


def answer(content):
    def act(exchange):
        exchange.reply(200, content)

    return act


@pytest.mark.parametrize("mode", ["offline", "dryrun", "disabled"])
@pytest.mark.parametrize("where", ["environment", "settings"])
def test_a_client_that_asks_no_server_is_not_checked(server, own_world, monkeypatch, mode, where):
    if where == "environment":
        monkeypatch.setenv("WANDB_MODE", mode)
    else:
        text = f"[default]\nmode = {mode}\n"
        (own_world / "wandb_config_dir" / "settings").write_text(text, "utf-8")
    monkeypatch.delenv("WANDB_API_KEY")
    checked = preflight(SETTINGS)
    assert dict(checked.environment) == {"WANDB_PROJECT": "nemotron", "WANDB_ENTITY": "team"}
    said = "nothing is recorded in W&B" if mode == "disabled" else "kept in its folder"
    assert said in checked.warnings[0]
    assert server.served == []


@pytest.mark.parametrize("section", [None, "[wandb]\nproject = 'nemotron'\n"])
@pytest.mark.parametrize("key", [None, KEY, "short"])
def test_a_key_without_a_section_is_a_hint(server, own_world, monkeypatch, section, key):
    monkeypatch.delenv("WANDB_API_KEY")
    if key is not None:
        monkeypatch.setenv("WANDB_API_KEY", key)
    if section is not None:
        (own_world / "env.toml").write_text(section, "utf-8")
    said = advice()
    assert bool(said) is (key == KEY and section is None)
    assert all("env.toml has no [wandb] section" in text and KEY not in text for text in said)
    assert server.served == []
