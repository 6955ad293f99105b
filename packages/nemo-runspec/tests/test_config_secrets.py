from __future__ import annotations

import copy
import re
from dataclasses import dataclass

import pytest
from omegaconf import OmegaConf

from nemo_runspec.config import apply_hydra_overrides, omegaconf_to_dataclass
from nemo_runspec.config.secrets import find_secrets, redact, refer_in_override
from nemo_runspec.errors import ConfigError, NemotronError
from nemo_runspec.redaction import known_secrets, redact_text, redact_values, redact_words
from nemo_runspec.secret_names import is_secret_key

TOKEN = "hf_" + "a1B2" * 8
ENVIRON = {"WANDB_API_KEY": "w" * 40, "HOME": "/home/someone", "SHORT_TOKEN": "abc"}


@pytest.mark.parametrize(
    "key",
    [
        *("token", "HF_TOKEN", "hf_token", "api_key", "apikey", "apiKey", "WANDB_API_KEY"),
        *("password", "db_password", "secret", "client_secret", "AWS_SECRET_ACCESS_KEY"),
        *("credentials", "credential", "private_key", "access_token", "NGC_API_KEY"),
        *("Authorization", "Proxy-Authorization", "proxy_authorization"),
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


def test_variables_that_may_be_secrets_are_referred_to_and_not_refused() -> None:
    variables = {"A_TOKEN": "s-e", "SORT_KEY": "asc", "N_KEY": 12, "PLAIN": "x", "EMPTY_KEY": ""}
    variables |= {"REF_KEY": "${.PLAIN}", "MIXED_KEY": "a${.PLAIN}", "MY_CREDENTIALS": "/a/file"}
    config = OmegaConf.create({"run": {"env": {"env_vars": variables}}, "sort_key": "asc"})

    assert find_secrets(config, ENVIRON) == []
    assert OmegaConf.to_container(redact(config, ENVIRON), resolve=False) == {
        "run": {
            "env": {
                "env_vars": {
                    **variables,
                    "A_TOKEN": "${oc.env:A_TOKEN}",
                    "SORT_KEY": "${oc.env:SORT_KEY}",
                    "N_KEY": "${oc.env:N_KEY}",
                    "MIXED_KEY": "${oc.env:MIXED_KEY}",
                }
            }
        },
        "sort_key": "asc",
    }


OVERRIDES_OF_VARIABLES = [
    ("run.env.env_vars.A_TOKEN={}", "abc"),
    ("++run.env.env_vars.A_TOKEN={}", "'a b'"),
    ("run.env.env_vars[A_TOKEN]={}", "12"),
    ("run.env.env_vars={{A_TOKEN: {}, B: c}}", "a:b c"),
    ("run.env.env_vars={{'A_TOKEN': {}}}", "'a, b'"),
    ("run.env={{executor: local, env_vars: {{B: c, A_TOKEN: {}}}}}", r"a\,b"),
    ("run={{env: {{env_vars: {{A_TOKEN: {}}}}}}}", "abc"),
]


@pytest.mark.parametrize(("override", "value"), OVERRIDES_OF_VARIABLES)
@pytest.mark.parametrize("stage", ["", "data/prep/sft:"])
def test_a_command_line_hides_variables_that_may_be_secrets(
    override: str, value: str, stage: str
) -> None:
    [shown] = redact_words([stage + override.format(value)], ENVIRON)

    assert shown == stage + override.format("***")
    assert redact_words([override.format("${oc.env:X}")], ENVIRON) == [
        override.format("${oc.env:X}")
    ]


@pytest.mark.parametrize(("override", "value"), OVERRIDES_OF_VARIABLES)
def test_an_override_that_is_read_again_refers_to_the_variable(override: str, value: str) -> None:
    kept = refer_in_override(override.format(value))

    read = apply_hydra_overrides(OmegaConf.create({"run": {}}), [kept])
    variables = OmegaConf.to_container(read.run.env.env_vars, resolve=False)
    assert variables == {"A_TOKEN": "${oc.env:A_TOKEN}"} | ({"B": "c"} if "B" in override else {})
    assert refer_in_override(kept) == kept


@pytest.mark.parametrize("text", ["a.b=1", "run.env.nodes=2", "run.env.env_vars.B=c", "~run.env.x"])
def test_other_overrides_stay_as_they_are(text: str) -> None:
    assert refer_in_override(text) == text
    assert redact_words([text], ENVIRON) == [text]


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
        ("curl -H 'Authorization: Bearer short' x", "curl -H 'Authorization: Bearer ***' x"),
        ('{"authorization": "Basic dXNlcg=="}', '{"authorization": "Basic ***"}'),
        ("Authorization: AbC123456789", "Authorization: ***"),
        ("sent Bearer eyJhbGciOi.J9-_ to it", "sent Bearer *** to it"),
        ("Authorization: Bearer ${oc.env:KEY}", "Authorization: Bearer ${oc.env:KEY}"),
        (
            "https://h/z?password=p&key=k&auth=a&x=1",
            "https://h/z?password=***&key=***&auth=***&x=1",
        ),
        ("https://h/z?client_secret=p#key=1", "https://h/z?client_secret=***#key=1"),
        ("redis://:pw@host/0", "redis://:***@host/0"),
    ],
)
def test_redaction_of_text(text: str, redacted: str) -> None:
    assert redact_text(text, ENVIRON) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "key=1, tokenizer=gpt2, max_tokens=10",
        "the bearer certificates. Authorization: required",
        "https://host/x?tokenizer=a&max_tokens=3&keys=2&monkey=1&design=2",
        "auth=none a?b:c",
    ],
)
def test_redaction_leaves_ordinary_text_alone(text: str) -> None:
    assert redact_text(text, ENVIRON) == text


def test_keys_are_redacted_too_and_stay_apart() -> None:
    urls = [f"https://h/{name}?sig={n}" for name, n in (("x", 1), ("x", 2), ("y", 1))]
    document = {"weights": {url: n for n, url in enumerate(urls)}, "key": "a", TOKEN: 1}

    assert redact_values(document, ENVIRON) == {
        "weights": {
            "https://h/x?sig=***": 0,
            "https://h/x?sig=*** (2)": 1,
            "https://h/y?sig=***": 2,
        },
        "key": "a",
        "***": 1,
    }


def test_the_header_that_authorizes_is_a_secret() -> None:
    headers = {"Authorization": "Bearer abc", "Proxy-Authorization": "Bearer ${oc.env:KEY}"}
    assert redact_values(headers, ENVIRON) == headers | {"Authorization": "***"}


def test_an_error_shows_no_credentials_of_urls() -> None:
    url = "https://me:word@host/d?X-Amz-Signature=abc&part=2"
    error = copy.copy(NemotronError(f"No {url}.", where=url, hint=f"See {url}"))
    shown = "https://me:***@host/d?X-Amz-Signature=***&part=2"
    assert (error.what, error.where, error.hint) == (f"No {shown}.", shown, f"See {shown}")
    assert str(error) == f"{shown}: No {shown}. See {shown}"


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
