from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from omegaconf import OmegaConf

from nemo_runspec.config import apply_hydra_overrides, omegaconf_to_dataclass
from nemo_runspec.config.secrets import find_secrets, redact
from nemo_runspec.errors import ConfigError
from nemo_runspec.redaction import is_secret_key, known_secrets, redact_text, redact_words

TOKEN = "hf_" + "a1B2" * 8
ENVIRON = {"WANDB_API_KEY": "w" * 40, "HOME": "/home/someone", "SHORT_TOKEN": "abc"}


@pytest.mark.parametrize(
    "key",
    [
        *("token", "HF_TOKEN", "hf_token", "api_key", "apikey", "apiKey", "WANDB_API_KEY"),
        *("password", "db_password", "secret", "client_secret", "AWS_SECRET_ACCESS_KEY"),
        *("credentials", "credential", "private_key", "access_token", "NGC_API_KEY"),
    ],
)
def test_names_of_secrets(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize(
    "key",
    [
        *("eos_token", "pad_token", "bos_token_id", "total_tokens", "max_tokens", "tokenizer"),
        *("token_type", "key", "primary_key", "keys", "secretary", "sort_key", "num_tokens", ""),
        *("end_of_turn_token", "image_token", "tokens", "trained_tokens"),
    ],
)
def test_names_of_what_is_no_secret(key: str) -> None:
    assert not is_secret_key(key)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"api_key": "abc"}, ["api_key"]),
        ({"run": {"env": {"env_vars": {"HF_TOKEN": "abc"}}}}, ["run.env.env_vars.HF_TOKEN"]),
        ({"tokens": ["x"], "passwords": 1, "list": [{"password": "p"}]}, ["list.0.password"]),
        ({"note": f"use {TOKEN} here"}, ["note"]),
        ({"url": "https://me:pass@host/x"}, ["url"]),
        ({"url": "https://host/x?sv=1&sig=a%2Fb"}, ["url"]),
        ({"url": "https://host/x?a=1&X-Amz-Signature=ab"}, ["url"]),
        ({"text": "key " + "w" * 40}, ["text"]),
        ({"api_key": "${oc.env:KEY,abc}"}, ["api_key"]),
        ({"secret": ["a", "b"]}, ["secret.0", "secret.1"]),
        ({"api_key": "${oc.env:KEY}"}, []),
        ({"api_key": "${oc.env:KEY,null}"}, []),
        ({"api_key": "${other.key}"}, []),
        ({"api_key": None, "password": "", "token": 3, "secret": "???"}, []),
        ({"url": "https://host/x?page=2&design=3&signed=1"}, []),
        ({"credentials": "/path/to/file.json"}, []),
        ({"eos_token": "</s>", "url": "https://host/x", "abc": "abc"}, []),
    ],
)
def test_literal_secrets_are_found(value: dict[str, object], found: list[str]) -> None:
    secrets = find_secrets(OmegaConf.create(value), ENVIRON)

    assert [secret.key for secret in secrets] == found


def test_redaction_hides_secrets_and_nothing_else() -> None:
    config = OmegaConf.create(
        {
            "api_key": "abc",
            "nested": [{"note": f"x {TOKEN} y", "ref": "${oc.env:KEY}", "n": 1}],
            "url": "https://me:pass@host/x",
        }
    )

    redacted = redact(config, ENVIRON)

    assert OmegaConf.to_container(redacted, resolve=False) == {
        "api_key": "***",
        "nested": [{"note": "x *** y", "ref": "${oc.env:KEY}", "n": 1}],
        "url": "https://me:***@host/x",
    }
    assert config.api_key == "abc"
    assert redact(redacted, ENVIRON) == redacted


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("run.env.HF_TOKEN=abc", "run.env.HF_TOKEN=***"),
        ("+a.api_key='a b'", "+a.api_key=***"),
        ("password: hunter2, user: me", "password: ***, user: me"),
        ("data.eos_token=</s>", "data.eos_token=</s>"),
        ("a.api_key=${oc.env:KEY}", "a.api_key=${oc.env:KEY}"),
        ("wandb said " + "w" * 40, "wandb said ***"),
        (f"Authorization: Bearer {TOKEN}", "Authorization: Bearer ***"),
        ("steps=10", "steps=10"),
    ],
)
def test_redaction_of_text(text: str, redacted: str) -> None:
    assert redact_text(text, ENVIRON) == redacted


def test_redaction_of_a_command_line() -> None:
    words = ["train", "--api-key", "abc", "--token=a,b c", "--config", "x.yaml"]

    assert redact_words(words, ENVIRON) == [
        *("train", "--api-key", "***", "--token=***", "--config", "x.yaml")
    ]


def test_known_secrets_are_long_enough_to_be_told_from_words() -> None:
    assert known_secrets(ENVIRON) == ["w" * 40]


@pytest.mark.parametrize(
    "override", ["api_key.x=1", "~api_key=something-else", "~note=something-else"]
)
def test_an_override_that_fails_shows_no_secret(
    override: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "a-token-of-mine")
    config = OmegaConf.create({"api_key": "literal-secret", "note": "a-token-of-mine"})
    with pytest.raises(ConfigError, match=r"is (the value )?'\*\*\*'") as caught:
        apply_hydra_overrides(config, [override])
    assert not re.search("literal-secret|a-token-of-mine", str(caught.value))


def test_a_value_that_does_not_fit_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "a-token-of-mine")

    @dataclass
    class Config:
        steps: int

    with pytest.raises(ConfigError, match=r"'steps' is '\*\*\*'"):
        omegaconf_to_dataclass(OmegaConf.create({"steps": "a-token-of-mine"}), Config)
