"""Keep secrets out of everything that is written or shown."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from nemo_runspec.secret_names import PATHLIKE, is_secret_key, is_secret_variable
from nemo_runspec.url_secrets import REDACTED, without_credentials

_SHAPES = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}"
    r"|sk-[A-Za-z0-9_-]{24,}|nvapi-[\w-]{24,}|xox[abprs]-[\w-]{20,})"
)
# What tells a credential from the next word of a sentence.
_NO_WORD = r"(?=[^\s'\",]*(?:[\d_=]|[A-Z]{2}|[a-z][A-Z]))[^\s'\",}]{8,}"
_HEADERS = (
    re.compile(
        r"((?i:\bauthorization['\"]?\s*[:=]\s*['\"]?(?:bearer|basic|digest|token)\s+))"
        r"(?!\$\{|\*)[^\s'\",}]+"
    ),
    re.compile(rf"((?i:\bauthorization['\"]?\s*[:=]\s*['\"]?))(?!\$\{{|\*){_NO_WORD}"),
    re.compile(rf"(\b[Bb]earer\s+)(?!\$\{{|\*){_NO_WORD}"),
)
_PAIR = re.compile(r"([\w.$-]+)(=|:\s*)(?:\$\{[^}]*\}|'[^']*'|\"[^\"]*\"|[^\s,}\]]+)")
_INTERPOLATION_ONLY = re.compile(
    r"\s*(?:(?:Bearer|Basic|Token)\s+)?\$\{\s*(?:oc\.env\s*:\s*\w+(?:\s*,\s*(?:null|''|\"\")?)?|[\w.\[\]]+)\s*\}\s*"
)
_SHORTEST_KNOWN = 8
# Overrides of the job's variables: of one, and of several in a mapping.
_VARIABLE = re.compile(r"(?:.*[:+~ ])?run[.\[\]]+env[.\[\]]+env_vars[.\[\]]+(\w+)\]?=")
_VARIABLES = re.compile(r"(?:.*[:+~ ])?run(?:[.\[\]]+env(?:[.\[\]]+env_vars)?)?\]?=\s*\{")
_VARIABLE_ENTRY = re.compile(
    r"""(\w+)(['"]?\s*:\s*)"""
    r"""(\$\{[^}]*\}|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^\s,{}\[\]'"](?:\\.|[^,{}\\])*)"""
)


def known_secrets(environ: Mapping[str, str] | None = None) -> list[str]:
    """List the values of the environment variables that hold secrets, the longest first."""
    variables = os.environ if environ is None else environ
    values = {
        value
        for name, value in variables.items()
        if is_secret_key(name) and len(value) >= _SHORTEST_KNOWN and not value.startswith("/")
    }
    return sorted(values, key=lambda value: (-len(value), value))


def redact_values(content: Any, environ: Mapping[str, str] | None = None) -> Any:
    """Replace every secret in plain mappings and lists by ``***``.

    Args:
        content: JSON values; they are not changed.
        environ: The environment whose secrets are looked for; by default the process's own.
    """
    return _redacted(content, (), known_secrets(environ))


def redact_value(path: Sequence[str], value: Any, known: Sequence[str]) -> Any:
    """Replace the secret in one value by ``***``.

    Args:
        path: The keys that lead to it.
        value: Anything; what is no text is returned as it is.
        known: Values that are secrets, see :func:`known_secrets`.
    """
    if not isinstance(value, str) or value in ("", "???", REDACTED):
        return value
    name = next((part for part in reversed(path) if not part.isdecimal()), "")
    if is_secret_key(name) and not _is_harmless(name, value):
        return REDACTED
    return _redact_known(value, known)


def redact_text(text: str, environ: Mapping[str, str] | None = None) -> str:
    """Replace every secret in a line of text by ``***``.

    Args:
        text: A command-line word, a log line, a message.
        environ: The environment whose secrets are looked for; by default the process's own.
    """
    return _PAIR.sub(_redact_pair, _redact_known(text, known_secrets(environ)))


def redact_word(word: str, environ: Mapping[str, str] | None = None) -> str:
    """Replace the secrets in one word of a command line by ``***``.

    Args:
        word: An override or option; of ``x.api_key=…`` everything after the sign is hidden.
        environ: The environment whose secrets are looked for; by default the process's own.
    """
    word = _without_variables(word)
    key, equals, value = word.partition("=")
    name = key.rpartition(".")[2]
    if equals and value and is_secret_key(name) and not _is_harmless(name, value.strip("'\"")):
        return f"{key}={REDACTED}"
    return redact_text(word, environ)


def redact_words(words: Sequence[str], environ: Mapping[str, str] | None = None) -> list[str]:
    """Replace every secret in a command line by ``***``.

    Args:
        words: The command line; ``--api-key VALUE`` hides the value.
        environ: The environment whose secrets are looked for; by default the process's own.
    """
    redacted: list[str] = []
    hide_next = False
    for word in words:
        redacted.append(REDACTED if hide_next else redact_word(word, environ))
        hide_next = word.startswith("-") and "=" not in word and is_secret_key(word)
    return redacted


def may_be_shown(name: str, value: Any) -> bool:
    """Tell whether a variable's value, as written, may stand in a file or a panel.

    Args:
        name: The variable.
        value: What is written for it: a text, interpolations kept, or a number.
    """
    if not is_secret_variable(name) or value is None or value in ("", "???", REDACTED):
        return True
    return isinstance(value, str) and _is_harmless(name, value)


def _without_variables(word: str) -> str:
    """Hide what the command line says of variables whose names read like a secret's."""
    one = _VARIABLE.match(word)
    if one is not None:
        return word if may_be_shown(one[1], word[one.end() :].strip("'\"")) else one[0] + REDACTED
    several = _VARIABLES.match(word)
    if several is None:
        return word
    return several[0] + _VARIABLE_ENTRY.sub(_redact_entry, word[several.end() :])


def _redact_entry(match: re.Match[str]) -> str:
    name, colon, value = match.groups()
    return match[0] if may_be_shown(name, value.strip("'\"")) else f"{name}{colon}{REDACTED}"


def _redacted(value: Any, path: tuple[str, ...], known: Sequence[str]) -> Any:
    if isinstance(value, dict):
        keys = _redacted_keys(value, known)
        return {keys[key]: _redacted(item, (*path, str(key)), known) for key, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item, (*path, str(at)), known) for at, item in enumerate(value)]
    return redact_value(path, value, known)


def _redacted_keys(mapping: Mapping[Any, Any], known: Sequence[str]) -> dict[Any, Any]:
    """The keys without the secrets in them, each still another: URLs are keys, too."""
    shown: dict[Any, Any] = {}
    taken = set(mapping)
    for key in mapping:
        plain = _redact_known(key, known) if isinstance(key, str) else key
        if plain != key:
            plain = _untaken(plain, taken)
            taken.add(plain)
        shown[key] = plain
    return shown


def _untaken(text: str, taken: AbstractSet[Any]) -> str:
    number = 2
    free = text
    while free in taken:
        free = f"{text} ({number})"
        number += 1
    return free


def _is_harmless(name: str, value: str) -> bool:
    if _INTERPOLATION_ONLY.fullmatch(value):
        return True
    return name.lower().rpartition("_")[2] in PATHLIKE and value.startswith(("/", "~", "."))


def _redact_known(text: str, known: Sequence[str]) -> str:
    for secret in known:
        text = text.replace(secret, REDACTED)
    text = _SHAPES.sub(REDACTED, text)
    for header in _HEADERS:
        text = header.sub(rf"\1{REDACTED}", text)
    return without_credentials(text)


def _redact_pair(match: re.Match[str]) -> str:
    name = match[1].rpartition(".")[2]
    if name.lower().endswith("authorization"):
        # Its value is two words, which were looked at before.
        return match[0]
    value = match[0][len(match[1]) + len(match[2]) :]
    if not is_secret_key(name) or _is_harmless(name, value.strip("'\"")) or value == REDACTED:
        return match[0]
    return f"{match[1]}{match[2]}{REDACTED}"
