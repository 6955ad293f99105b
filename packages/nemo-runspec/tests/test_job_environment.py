"""The variables of a job: what is found, what is said, who wins, and that no secret shows."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_runspec.artifacts import backends
from nemo_runspec.artifacts.backends import SimpleBackend
from nemo_runspec.config import load_omegaconf_yaml, save_configs
from nemo_runspec.errors import ConfigError
from nemo_runspec.execution import RecipePlan, RecipeRequest, plan_recipe
from nemo_runspec.execution.environment import (
    JobEnvironment,
    build_env_vars,
    collect_environment,
)
from nemo_runspec.execution.profiles import load_profile, read_profile
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.runspec import parse

TOKEN = "hf_" + "a1B2" * 8
KEY = "0123456789abcdef" * 3
HEADER = """\
# /// script
# [tool.runspec]
# schema = "1"
# name = "demo/train"
# [tool.runspec.env.env_vars]
# FROM_ALL = "runspec"
# FROM_RUNSPEC = "runspec"
# ///
"""
CONFIG = """
run:
  env:
    env_vars:
      FROM_ALL: config
      FROM_CONFIG: config
"""
ENV_TOML = """
[here]
executor = "local"

[here.env_vars]
FROM_ALL = "profile"
FROM_PROFILE = "profile"
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A user with a home of their own, who is logged in nowhere."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HOME", "WANDB_API_KEY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    # The packages' own tests run with and without the adapter: here its place is taken.
    monkeypatch.setitem(
        backends._registered, "wandb", SimpleBackend(lambda: ManifestTracker(str(tmp_path)))
    )
    return {"HOME": str(tmp_path)}


def plan(
    tmp_path: Path, *overrides: str, config: str = CONFIG, env: str = ENV_TOML, header: str = HEADER
) -> RecipePlan:
    (tmp_path / "recipe.py").write_text(header)
    (tmp_path / "config").mkdir(exist_ok=True)
    (tmp_path / "config" / "default.yaml").write_text(textwrap.dedent(config))
    (tmp_path / "env.toml").write_text(env)
    recipe = parse(tmp_path / "recipe.py")
    return plan_recipe(RecipeRequest(recipe, overrides=overrides, cwd=tmp_path, profile="here"))


def collect(made: RecipePlan, environ: Mapping[str, str]) -> JobEnvironment:
    profile = read_profile(made.job, made.recipe, name="here")
    return collect_environment(made, profile, environ=environ)


def sources(environment: JobEnvironment) -> dict[str, tuple[str, str]]:
    return {item.name: (item.value, item.source) for item in environment.variables}


def test_who_wins(tmp_path: Path, home: dict[str, str]) -> None:
    made = plan(tmp_path, "+run.env.env_vars.FROM_COMMAND=command", "run.env.env_vars.FROM_ALL=top")

    found = collect(made, home)

    assert sources(found) == {
        "FROM_ALL": ("top", "command line"),
        "FROM_COMMAND": ("command", "command line"),
        "FROM_CONFIG": ("config", "config"),
        "FROM_PROFILE": ("profile", "profile here"),
        "FROM_RUNSPEC": ("runspec", "runspec"),
    }
    row = next(row for row in found.rows() if row.name == "FROM_ALL")
    assert [(other.source, other.shown) for other in row.overruled] == [
        ("profile here", "profile"),
        ("config", "config"),
        ("runspec", "runspec"),
    ]
    assert json.loads(json.dumps(row.as_dict()))["overruled"][0] == {
        "source": "profile here",
        "value": "profile",
    }


@pytest.mark.parametrize(
    "override",
    [
        "run.env.env_vars={FROM_ALL: top}",
        "run.env={executor: local, env_vars: {FROM_ALL: top}}",
        "++run.env.env_vars.FROM_ALL=top",
    ],
)
def test_the_command_line_may_set_the_whole_section(
    tmp_path: Path, home: dict[str, str], override: str
) -> None:
    found = collect(plan(tmp_path, override), home)

    assert sources(found)["FROM_ALL"] == ("top", "command line")


def test_what_is_said_wins_over_what_is_found(tmp_path: Path, home: dict[str, str]) -> None:
    made = plan(tmp_path, "+run.env.env_vars.HF_TOKEN=${oc.env:HOME}")

    found = collect(made, {**home, "HF_TOKEN": TOKEN})

    assert sources(found)["HF_TOKEN"] == (str(tmp_path), "command line")
    row = next(row for row in found.rows() if row.name == "HF_TOKEN")
    assert (row.value, row.overruled[0].source, row.overruled[0].shown) == (
        "***",
        "environment",
        "***",
    )


def test_null_takes_a_variable_away(tmp_path: Path, home: dict[str, str]) -> None:
    made = plan(tmp_path, "+run.env.env_vars.HF_TOKEN=null", "run.env.env_vars.FROM_ALL=null")

    found = collect(made, {**home, "HF_TOKEN": TOKEN})

    assert not {"HF_TOKEN", "FROM_ALL"} & {item.name for item in found.variables}
    rows = {row.name: (row.value, row.source) for row in found.rows()}
    assert rows["HF_TOKEN"] == ("(not sent)", "command line")
    assert rows["FROM_ALL"] == ("(not sent)", "command line")


def test_what_is_set_for_each_job_cannot_be_overruled(tmp_path: Path, home: dict[str, str]) -> None:
    env = '[here]\nexecutor = "local"\nenv_vars = {NEMOTRON_RUN_DIR = "/mine", RANK = "3"}\n'

    found = collect(plan(tmp_path, env=env), home)

    assert not {"NEMOTRON_RUN_DIR", "RANK"} & set(sources(found))
    rows = {row.name: row for row in found.rows()}
    assert rows["NEMOTRON_RUN_DIR"].source == "nemotron"
    assert rows["NEMOTRON_RUN_DIR"].overruled[0].shown == "/mine"
    assert found.warnings == (
        "NEMOTRON_RUN_DIR of the profile here does not count: it is set for each job.",
        "RANK of the profile here does not count: it is set for each job.",
    )


def test_secrets_are_told_from_what_may_be_written(
    tmp_path: Path, home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_API_KEY", "abcd-efgh-1234")
    monkeypatch.setenv("PLAIN", "a b")
    made = plan(
        tmp_path,
        "+run.env.env_vars.OTHER_NAME=${oc.env:MY_API_KEY}",
        "+run.env.env_vars.INSIDE='x ${oc.env:MY_API_KEY} y'",
        "+run.env.env_vars.COPY=${oc.env:PLAIN}",
    )

    found = collect(made, {**home, "HF_TOKEN": TOKEN, "MY_API_KEY": "abcd-efgh-1234"})

    assert set(found.secrets) == {"OTHER_NAME", "INSIDE", "HF_TOKEN"}
    assert found.public["COPY"] == "a b"
    texts = [repr(found), str(found.secrets), repr(found.variables), json.dumps(_rows(found))]
    assert not [text for text in texts if "abcd-efgh" in text or TOKEN in text]


@pytest.mark.parametrize(
    ("name", "written", "shown"),
    [
        ("DATA_TOKEN", "'plain words'", "***"),
        ("sort_key", "abc", "***"),
        ("ANY", "${oc.env:DATA_TOKEN}", "***"),
        ("TOKENIZERS_PARALLELISM", "'false'", "false"),
        ("KEY_FILE", "/home/me/key", "/home/me/key"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/home/me/key", "/home/me/key"),
    ],
)
def test_a_variable_is_a_secret_sooner_than_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, written: str, shown: str
) -> None:
    monkeypatch.setenv("DATA_TOKEN", "dt_0123456789")

    found = collect(plan(tmp_path, f"+run.env.env_vars.{name}={written}"), {})

    assert (name in found.secrets) is (shown == "***")
    assert next(row.value for row in found.rows() if row.name == name) == shown


def test_a_literal_secret_reaches_the_job_and_no_configuration(
    tmp_path: Path, home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {"A_TOKEN": "'seven' ${dwarfs}", "MY_PASS": "over \\ hills", "SORT_KEY": "ascending"}
    config = """
    header: "Bearer ${run.env.env_vars.A_TOKEN}"
    run:
      env:
        env_vars:
          MY_PASS: 'over \\ hills'
    """
    env = """
    [here]
    executor = "local"
    [here.env_vars]
    A_TOKEN = "'seven' \\\\${dwarfs}"
    HEADER = "Bearer ${.A_TOKEN}"
    """
    override = "run.env.env_vars.SORT_KEY=ascending"

    made = plan(tmp_path, override, config=config, env=textwrap.dedent(env))
    found = collect(made, home)
    save_configs(made.job, made.train, tmp_path / "run")

    assert found.secrets == {**secrets, "HEADER": f"Bearer {secrets['A_TOKEN']}"}
    assert sources(found)["SORT_KEY"][1] == "command line"
    written = "".join(file.read_text() for file in (tmp_path / "run").iterdir())
    shown = json.dumps([row.as_dict() for row in found.rows()]) + repr(found)
    assert not [word for word in ("dwarfs", "hills", "ascending") if word in written + shown]
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    seen = load_omegaconf_yaml(tmp_path / "run/train.yaml")
    assert seen.header == f"Bearer {secrets['A_TOKEN']}"
    assert seen.run.env.env_vars.SORT_KEY == "ascending"


def test_what_was_overruled_is_hidden_as_well(tmp_path: Path, home: dict[str, str]) -> None:
    env = '[here]\nexecutor = "local"\nenv_vars = {DATA_TOKEN = "dt_0123456789"}\n'

    found = collect(plan(tmp_path, "run.env.env_vars.DATA_TOKEN=other", env=env), home)

    assert "dt_0123456789" not in json.dumps(_rows(found))


def _rows(environment: JobEnvironment) -> list[dict[str, object]]:
    return [row.as_dict() for row in environment.rows()]


def test_whole_numbers_and_texts_are_taken_as_they_are(
    tmp_path: Path, home: dict[str, str]
) -> None:
    config = """
    run:
      env:
        env_vars: {INT: 3, ZEROS: "007", EMPTY: "", lower: "x y", TRUTH: "False"}
    """

    found = collect(plan(tmp_path, config=config), home).public

    expected = {"INT": "3", "ZEROS": "007", "EMPTY": "", "lower": "x y", "TRUTH": "False"}
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("override", "says", "where"),
    [
        ("+run.env.env_vars={'a b': '1'}", "cannot be the name", "run.env.env_vars.a b"),
        ("+run.env.env_vars.UID=1", "belongs to the shell", "run.env.env_vars.UID"),
        ("+run.env.env_vars.X=[1]", "is a text, and this is", "run.env.env_vars.X"),
        ("+run.env.env_vars.X=true", "is a text, and this is True", "run.env.env_vars.X"),
        ("+run.env.env_vars.X=1.10", "is a text, and this is 1.1", "run.env.env_vars.X"),
        ("+run.env.env_vars.X_KEY=1.10", r"and this is \*\*\*", "run.env.env_vars.X_KEY"),
        ("+run.env.env_vars.X=${oc.env:NOT_SET}", "NOT_SET", "run.env.env_vars.X"),
    ],
)
def test_variables_that_cannot_be_are_refused_with_their_key(
    tmp_path: Path, home: dict[str, str], override: str, says: str, where: str
) -> None:
    made = plan(tmp_path, override)
    profile = load_profile("here")

    with pytest.raises(ConfigError, match=says) as refusal:
        collect_environment(made, profile, environ=home)

    assert refusal.value.where == where


@pytest.mark.parametrize(
    ("variables", "file"),
    [
        ({"HF_TOKEN_PATH": "{home}/kept/here"}, "kept/here"),
        ({"HF_HOME": "{home}/hub"}, "hub/token"),
        ({"HF_HOME": "~/hub"}, "hub/token"),
        ({"HF_HOME": "$HOME/hub"}, "hub/token"),
        ({"XDG_CACHE_HOME": "{home}/cache"}, "cache/huggingface/token"),
        ({}, ".cache/huggingface/token"),
    ],
)
def test_the_token_of_a_hugging_face_login_is_found(
    tmp_path: Path, home: dict[str, str], variables: dict[str, str], file: str
) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(f"  {TOKEN}\r\n")
    environ = home | {name: path.format(home=tmp_path) for name, path in variables.items()}

    found = collect(plan(tmp_path), environ)

    assert sources(found)["HF_TOKEN"] == (TOKEN, "Hugging Face login")
    assert found.secrets == {"HF_TOKEN": TOKEN}


@pytest.mark.parametrize("name", ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"])
def test_the_environment_wins_over_the_login(
    tmp_path: Path, home: dict[str, str], name: str
) -> None:
    (tmp_path / ".cache" / "huggingface").mkdir(parents=True)
    (tmp_path / ".cache" / "huggingface" / "token").write_text("hf_old")

    found = collect(plan(tmp_path), {**home, name: TOKEN, "HF_ENDPOINT": "https://hub.example"})

    assert sources(found)["HF_TOKEN"] == (TOKEN, "environment")
    assert sources(found)["HF_ENDPOINT"] == ("https://hub.example", "environment")


def test_a_token_that_cannot_be_read_is_told_of(
    tmp_path: Path, home: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".cache" / "huggingface" / "token").mkdir(parents=True)

    found = collect(plan(tmp_path), home)

    assert "HF_TOKEN" not in sources(found)
    assert "cannot be read (IsADirectoryError)" in caplog.text


@pytest.mark.parametrize("place", ["environment", "netrc"])
def test_a_wandb_login_is_found_without_the_adapter(
    tmp_path: Path, home: dict[str, str], place: str
) -> None:
    env = ENV_TOML + '\n[wandb]\nproject = "nemotron"\nentity = "team"\n'
    environ = dict(home)
    if place == "environment":
        environ["WANDB_API_KEY"] = KEY
    else:
        (tmp_path / ".netrc").write_text(
            f"machine api.wandb.ai login user password {KEY}\n"
            "machine other login user password wrong\n"
        )

    found = collect(plan(tmp_path, env=env), environ)

    assert found.secrets["WANDB_API_KEY"] == KEY
    assert found.public["WANDB_PROJECT"] == "nemotron"
    assert found.public["WANDB_ENTITY"] == "team"
    assert sources(found)["WANDB_API_KEY"][1] == "W&B login"


def test_a_key_for_another_server_goes_with_its_address(
    tmp_path: Path, home: dict[str, str]
) -> None:
    (tmp_path / ".netrc").write_text(f"machine wandb.local:8080 login user password {KEY}\n")
    environ = {**home, "WANDB_BASE_URL": "http://wandb.local:8080/", "WANDB_MODE": "offline"}

    found = collect(plan(tmp_path), environ)

    assert found.secrets == {"WANDB_API_KEY": KEY}
    assert found.public["WANDB_BASE_URL"] == "http://wandb.local:8080"
    assert found.public["WANDB_MODE"] == "offline"


def test_build_env_vars_gives_what_is_found_and_the_profiles_own(
    tmp_path: Path, home: dict[str, str]
) -> None:
    (tmp_path / "env.toml").write_text(
        ENV_TOML + '\n[wandb]\nproject = "nemotron"\n\n[bare]\nexecutor = "local"\n'
    )
    environ = {**home, "HF_TOKEN": TOKEN, "WANDB_API_KEY": KEY}

    built = build_env_vars("here", environ=environ)

    assert built == {
        "FROM_ALL": "profile",
        "FROM_PROFILE": "profile",
        "HF_TOKEN": TOKEN,
        "WANDB_API_KEY": KEY,
        "WANDB_PROJECT": "nemotron",
    }
    assert TOKEN not in f"{built} {built!r}"
    assert build_env_vars(load_profile("here"), environ=environ) == built
    assert build_env_vars({"env_vars": {"FROM_ALL": "x", "HF_TOKEN": None}}, environ=environ) == {
        "FROM_ALL": "x",
        "WANDB_API_KEY": KEY,
        "WANDB_PROJECT": "nemotron",
    }
    assert set(build_env_vars(environ=environ)) == {"HF_TOKEN", "WANDB_API_KEY", "WANDB_PROJECT"}


@given(secret=st.text(st.characters(exclude_categories=("Cs",)), min_size=1))
def test_no_text_shows_a_secret(secret: str) -> None:
    from nemo_runspec.execution.environment import JobVariable

    marked = f"<{secret}>"
    variable = JobVariable("ANY", marked, secret=True, source="config")
    environment = JobEnvironment(variables=(variable,))

    texts = [repr(environment), repr(environment.secrets), str(environment.secrets), variable.shown]
    assert not [text for text in texts if marked in text]
    assert environment.secrets == {"ANY": marked}


def test_build_env_vars_names_what_is_wrong(home: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="NOT_SET") as refusal:
        build_env_vars({"env_vars": {"A": "${oc.env:NOT_SET}"}}, environ=home)
    assert refusal.value.where == "env_vars.A"
    with pytest.raises(ConfigError, match="must be a table"):
        build_env_vars({"env_vars": ["A"]}, environ=home)
    with pytest.raises(ConfigError, match="cannot be the name"):
        build_env_vars({"env_vars": {"a-b": "1"}}, environ=home)
