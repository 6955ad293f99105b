"""Files that hold credentials: they are never sent anywhere, tracked or not."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from fnmatch import translate
from pathlib import Path

from nemo_runspec.errors import PackagingError

_logger = logging.getLogger(__name__)

_NAMES = (
    *("env.toml", ".env*"),
    *(".netrc", "_netrc", "netrc", ".git-credentials", ".pgpass", ".pypirc", ".htpasswd"),
    *("id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk"),
    *("*.pem", "*.key", "*.ppk", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx"),
    *("credentials", "credentials.*", "*_credentials.json", "*-credentials.json"),
    *("client_secret*.json", "service_account*.json", "service-account*.json"),
    *("secrets.toml", "secrets.yaml", "secrets.yml", "secrets.json", "kubeconfig"),
)
_NAME = re.compile("|".join(translate(pattern) for pattern in _NAMES))
_CODE = (".py", ".pyi", ".md", ".rst")
_KEY_OPENING = b"-----BEGIN "
_KEY_WORDS = b"PRIVATE KEY"
_LISTED = 5
_IGNORED = (
    "Ignore or remove them with .gitignore and `git rm --cached`, or name them in 'exclude'; jobs "
    "get secrets as environment variables."
)
KEPT_OUT = "Take the secret out of what is packaged; jobs get secrets as environment variables."


def is_secret_name(path: str) -> bool:
    """Tell by its name whether a file holds credentials, as ``env.toml`` and ``id_rsa`` do.

    Args:
        path: Relative path with slashes. A folder ``.env`` counts for all that lies in it, and
            ``credentials.py`` is code.
    """
    *folders, name = path.lower().split("/")
    if any(folder.startswith(".env") for folder in folders):
        return True
    if name.startswith("credentials.") and name.endswith(_CODE):
        return False
    return _NAME.match(name) is not None


def is_private_key(head: bytes) -> bool:
    """Tell by its first line whether a file is a private key, whatever it is named.

    Args:
        head: The beginning of the file.
    """
    first = head[:80].lstrip().partition(b"\n")[0]
    return first.startswith(_KEY_OPENING) and _KEY_WORDS in first


def holds(content: str | bytes, secrets: Iterable[str]) -> bool:
    """Tell whether a file's content has one of the secrets in it.

    Args:
        content: Its text or bytes.
        secrets: See :func:`nemo_runspec.redaction.known_secrets`.
    """
    if isinstance(content, str):
        return any(secret in content for secret in secrets)
    return any(secret.encode() in content for secret in secrets)


def warn_of_secrets(paths: Iterable[str]) -> None:
    """Warn of files that look like credentials, where what is sent was named file by file.

    Args:
        paths: What is sent.
    """
    found = [path for path in paths if is_secret_name(path)]
    if found:
        _logger.warning("%s may hold credentials and is sent along.", ", ".join(found[:_LISTED]))


def refuse_secrets(paths: Sequence[str], root: Path, hint: str = _IGNORED) -> None:
    """Raise one error that names the files which may not be sent.

    Args:
        paths: What was found; nothing happens where it is empty.
        root: The folder that the paths are relative to.
        hint: What to do.

    Raises:
        PackagingError: There are some.
    """
    if not paths:
        return
    shown = ", ".join(repr(path) for path in paths[:_LISTED])
    more = f" and {len(paths) - _LISTED} more" if len(paths) > _LISTED else ""
    verb = "holds" if len(paths) == 1 else "hold"
    raise PackagingError(
        f"{shown}{more} {verb} credentials and would be sent along with the code.",
        where=str(root),
        hint=hint,
    )
