"""Find the token of the Hugging Face Hub where its client would, without importing it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from nemo_runspec.execution.environment.model import JobVariable
from nemo_runspec.redaction import redact_text

logger = logging.getLogger(__name__)

LOGIN = "Hugging Face login"
ENVIRONMENT = "environment"
_TOKEN = "HF_TOKEN"  # noqa: S105 - a name
_OLD_TOKEN = "HUGGING_FACE_HUB_TOKEN"  # noqa: S105 - a name
_ENDPOINT = "HF_ENDPOINT"


def find_huggingface(environ: Mapping[str, str]) -> tuple[JobVariable, ...]:
    """Find what lets a job read from the Hub: the token, and the Hub's address if it is another.

    The places are the client's own, in its order: ``HF_TOKEN``, the older
    ``HUGGING_FACE_HUB_TOKEN``, and the file that a login leaves.

    Args:
        environ: The submitting process's environment.
    """
    found: list[JobVariable] = []
    token, source = _token(environ)
    if token:
        found.append(JobVariable(_TOKEN, token, secret=True, source=source))
    if endpoint := environ.get(_ENDPOINT):
        secret = redact_text(endpoint, {}) != endpoint
        found.append(JobVariable(_ENDPOINT, endpoint, secret=secret, source=ENVIRONMENT))
    return tuple(found)


def _token(environ: Mapping[str, str]) -> tuple[str | None, str]:
    for name in (_TOKEN, _OLD_TOKEN):
        if token := _clean(environ.get(name)):
            return token, ENVIRONMENT
    return _clean(_stored(_token_file(environ))), LOGIN


def _token_file(environ: Mapping[str, str]) -> Path:
    if named := environ.get("HF_TOKEN_PATH"):
        return _expanded(named, environ)
    if home := environ.get("HF_HOME"):
        return _expanded(home, environ) / "token"
    cache = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return _expanded(cache, environ) / "huggingface" / "token"


def _expanded(path: str, environ: Mapping[str, str]) -> Path:
    home = environ.get("HOME") or str(Path.home())
    for variable in ("$HOME", "${HOME}", "~"):
        if path == variable or path.startswith(f"{variable}/"):
            return Path(home + path.removeprefix(variable))
    return Path(path)


def _stored(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        logger.warning(
            "The Hugging Face token in %s cannot be read (%s).", file, type(error).__name__
        )
        return None


def _clean(token: str | None) -> str | None:
    """The token without the line ends that editors and secret stores leave around it."""
    return None if token is None else token.replace("\r", "").replace("\n", "").strip() or None
