"""Tell by a name whether it is one of a secret."""

from __future__ import annotations

import re

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
_ALWAYS = {
    *("password", "passwd", "passphrase", "secret", "secrets", "apikey", "credential"),
    "authorization",
}
PATHLIKE = {"credentials"}
_KEY_OF = {"api", "secret", "private", "access", "encryption", "signing", "ssh"}
_TOKEN_OF = {
    *("access", "api", "auth", "authentication", "bearer", "bot", "client", "gh", "git", "github"),
    *("gitlab", "hf", "hub", "huggingface", "id", "jwt", "ngc", "oauth", "personal", "read"),
    *("refresh", "secret", "security", "service", "session", "user", "wandb", "write"),
}
# In a configuration ``eos_token`` is none; a variable of an environment is one sooner than not.
_VARIABLE_ENDINGS = ("TOKEN", "KEY", "PASS", "PWD", "PAT", "AUTH", "CREDENTIALS")


def is_secret_key(key: str) -> bool:
    """Tell by its name whether a key holds a secret: ``HF_TOKEN`` does, ``eos_token`` does not.

    Args:
        key: The last part of a key, or an environment variable's name.
    """
    words = [word.lower() for word in _WORDS.findall(key)]
    if not words:
        return False
    last, before = words[-1], words[-2] if len(words) > 1 else None
    if last in _ALWAYS or last in PATHLIKE:
        return True
    if last == "key":
        return before in _KEY_OF
    return last == "token" and (before is None or before in _TOKEN_OF)


def is_secret_variable(name: str) -> bool:
    """Tell by its name whether a variable of an environment may hold a secret.

    Args:
        name: The variable: ``A_TOKEN`` may, and ``SORT_KEY``, of which only its user knows better.
    """
    return is_secret_key(name) or name.upper().rpartition("_")[2] in _VARIABLE_ENDINGS
