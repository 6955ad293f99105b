"""Keep the credentials that URLs carry out of what is written or shown."""

from __future__ import annotations

import re

REDACTED = "***"

_PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):([^/\s@]+)@")
_QUERY = re.compile(
    r"([?&](?:x-(?:amz|goog)-(?:signature|credential|security-token)|signature|sig|jwt"
    r"|awsaccesskeyid|googleaccessid|password|passwd|passphrase|pwd|credentials?|auth|authorization"
    r"|(?:(?:access|api|auth|client|id|private|refresh|session|user)[_-]?)?(?:key|secret|token)"
    r")=)[^&#\s'\"]+",
    re.IGNORECASE,
)


def without_credentials(text: str) -> str:
    """Replace passwords and signatures in the URLs of a text by ``***``.

    Args:
        text: A URL, or any text with URLs in it.
    """
    if "://" in text:
        text = _PASSWORD.sub(rf"\1:{REDACTED}@", text)
    if "=" not in text:
        return text
    return _QUERY.sub(rf"\1{REDACTED}", text)
