"""Downloads of references that were logged without a checksum.

W&B compares the content of a reference with the digest in the artifact. Where the reference was
logged with ``checksum=False``, as Megatron-Bridge does, that digest is one of the address, so that
``download()`` fails every time. Nothing in these packages downloads references: what needs an
address takes ``entry.ref``, and metadata is fetched with ``download(path_prefix=…)``.
"""

from __future__ import annotations

import base64
import copy
import functools
import hashlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from nemo_runspec.patching import PatchError, Support, locate

if TYPE_CHECKING:
    from wandb.sdk.artifacts.artifact_manifest_entry import ArtifactManifestEntry

HANDLERS = "wandb.sdk.artifacts.storage_handlers"
TARGETS = (
    f"{HANDLERS}.local_file_handler:LocalFileHandler.load_path",
    f"{HANDLERS}.http_handler:HTTPHandler.load_path",
)

_PARAMETERS = ["self", "manifest_entry", "local"]
_MISMATCH = re.compile(r"Digest mismatch for .* but found '(?P<found>[^']*)'")


def supports_target(target: str, wandb_version: str) -> Support:
    """Say whether the installed W&B loads references as those do that the patch was made for.

    Args:
        target: One of :data:`TARGETS`.
        wandb_version: The installed version, for the reason.
    """
    try:
        owner, attribute = locate(target)
    except PatchError as error:
        return Support(supported=False, reason=f"wandb {wandb_version}: {error.what.rstrip('.')}")
    parameters = list(inspect.signature(getattr(owner, attribute)).parameters)
    return Support(
        supported=parameters == _PARAMETERS,
        reason=f"wandb {wandb_version} loads a reference by {', '.join(parameters)}",
    )


def loading_unchecked(original: Callable[..., Any]) -> Callable[..., Any]:
    """Build a ``load_path`` that takes a reference without a checksum as it is.

    A reference that has a checksum, and other content now, stays an error.

    Args:
        original: The client's own method.
    """

    @functools.wraps(original)
    def load_path(self: Any, manifest_entry: ArtifactManifestEntry, local: bool = False) -> Any:  # noqa: FBT001, FBT002 - the client's own signature
        try:
            return original(self, manifest_entry, local)
        except ValueError as error:
            mismatch = _MISMATCH.search(str(error))
            if mismatch is None or not _has_no_checksum(manifest_entry):
                raise
        known = copy.copy(manifest_entry)
        known.digest = mismatch["found"]
        return original(self, known, local)

    return load_path


def _has_no_checksum(entry: ArtifactManifestEntry) -> bool:
    ref = str(entry.ref)
    return entry.digest == ref or entry.digest in _digests_of_the_path(ref)


def _digests_of_the_path(ref: str) -> set[str]:
    parts = urlsplit(ref)
    if parts.scheme != "file":
        return set()
    path = Path(url2pathname(parts.path))
    addresses = {path.absolute().as_uri(), path.resolve().as_uri()}
    return {_md5(address) for address in addresses}


def _md5(text: str) -> str:
    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()
