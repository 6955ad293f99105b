"""What S3 and stores that speak its protocol do in their own way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import s3fs
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from nemo_runspec.manifest_tracker.files.service import Outcome, Page, Patience, Trouble

_TRY_LATER = "Try again later."
_CHECK_ENDPOINT = "Check the network, and AWS_ENDPOINT_URL where the storage is not Amazon's."
_CHECK_KEYS = "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile in AWS_PROFILE."
_PERMISSIONS = (
    "Ask for s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket there; without "
    "s3:ListBucket, what does not exist looks denied."
)

_WRONG_CREDENTIALS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidSecurity"}
)
_EXPIRED = frozenset({"ExpiredToken", "TokenRefreshRequired"})
_OTHER_REGION = frozenset(
    {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)
_NEVER_SENT = (boto.ConnectTimeoutError, boto.ProxyConnectionError)
_NO_ANSWER = (
    boto.ConnectionError,
    boto.HTTPClientError,
    boto.IncompleteReadError,
    ResponseParserError,
    aiohttp.ClientError,
    OSError,
)
_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.ProfileNotFound,
    boto.ConfigNotFound,
    boto.SSOError,
    boto.TokenRetrievalError,
    boto.UnauthorizedSSOTokenError,
)


class S3:
    """S3 through s3fs. Credentials, region and endpoint are found as by every AWS tool."""

    errors: tuple[type[Exception], ...] = (
        OSError,
        ValueError,
        boto.BotoCoreError,
        boto.ClientError,
        ResponseParserError,
        aiohttp.ClientError,
    )

    def connect(self, patience: Patience) -> Any:
        """Open a private filesystem that caches nothing and makes every request once."""
        filesystem = s3fs.S3FileSystem(
            skip_instance_cache=True,
            use_listings_cache=False,
            config_kwargs={
                "connect_timeout": patience.connect_s,
                "read_timeout": patience.reply_s,
                "retries": {"total_max_attempts": 1},
            },
        )
        filesystem.retries = 1
        return filesystem

    def split(self, filesystem: Any, path: str) -> tuple[str, str]:
        """The bucket (or access point) and the key of a path."""
        bucket, key, _ = filesystem.split_path(path)
        return bucket, key

    def read(self, filesystem: Any, path: str) -> bytes:
        """Read an object with one request: with a start, its size is not asked for first."""
        try:
            return bytes(filesystem.cat_file(path, start=0))
        except OSError as error:
            # No part of an empty object can be asked for.
            if _reply(error).get("Code") == "InvalidRange":
                return b""
            raise

    def page(self, filesystem: Any, bucket: str, prefix: str, following: str | None) -> Page:
        """List what is directly below a prefix, with one request."""
        token = {"ContinuationToken": following} if following else {}
        reply = filesystem.call_s3(
            "list_objects_v2", Bucket=bucket, Prefix=prefix, Delimiter="/", **token
        )
        return Page(
            folders=[folder["Prefix"] for folder in reply.get("CommonPrefixes", ())],
            objects=[item["Key"] for item in reply.get("Contents", ())],
            following=reply.get("NextContinuationToken") if reply.get("IsTruncated") else None,
        )

    def lacks_bucket(self, filesystem: Any, bucket: str) -> bool:  # noqa: ARG002
        """S3 tells an absent bucket from an absent object by itself."""
        return False

    def diagnose(self, error: Exception) -> Trouble:
        """What a failure means."""
        reply = _reply(error)
        return _refusal(reply) if reply else _no_reply(error)


def _reply(error: BaseException) -> Mapping[str, Any]:
    """The error part of the store's reply, with its status; empty where there was none."""
    for candidate in (error, error.__cause__):
        if isinstance(candidate, boto.ClientError):
            response = candidate.response
            metadata = response.get("ResponseMetadata", {})
            return {**response.get("Error", {}), "Status": metadata.get("HTTPStatusCode", 0)}
    return {}


def _refusal(reply: Mapping[str, Any]) -> Trouble:
    code, status = str(reply.get("Code", "")), int(reply["Status"])
    by_code = _by_code(code)
    if by_code is not None:
        return by_code
    named = f"{status} {code}" if code and code != str(status) else str(status)
    by_status = {
        401: Trouble(Outcome.REFUSED, f"The credentials are not accepted ({named}).", _CHECK_KEYS),
        403: Trouble(Outcome.REFUSED, f"Access is denied ({named}).", _PERMISSIONS),
        404: Trouble(Outcome.ABSENT),
        409: Trouble(Outcome.UNKNOWN, f"Another write was under way ({named}).", _TRY_LATER),
        412: Trouble(Outcome.TAKEN),
        429: Trouble(Outcome.BUSY, f"The storage is overloaded ({named}).", _TRY_LATER),
        501: Trouble(Outcome.UNSUPPORTED, f"The storage cannot do this ({named})."),
        503: Trouble(Outcome.BUSY, f"The storage is overloaded ({named}).", _TRY_LATER),
    }
    if status in by_status:
        return by_status[status]
    if status >= 500:  # noqa: PLR2004
        return Trouble(Outcome.UNKNOWN, f"The storage failed ({named}).", _TRY_LATER)
    return Trouble(Outcome.REFUSED, f"The storage refused the request ({named}).", _CHECK_ENDPOINT)


def _by_code(code: str) -> Trouble | None:
    refused = Outcome.REFUSED
    if code in _WRONG_CREDENTIALS:
        what = f"The storage does not accept these AWS credentials ({code})."
        return Trouble(refused, what, _CHECK_KEYS)
    if code in _EXPIRED:
        return Trouble(refused, f"The AWS credentials expired ({code}).", "Log in again.")
    if code in _OTHER_REGION:
        what = f"The bucket lies in another region ({code})."
        return Trouble(refused, what, "Set AWS_DEFAULT_REGION to the bucket's region.")
    return {
        "NoSuchBucket": Trouble(Outcome.NO_BUCKET),
        "RequestTimeTooSkewed": Trouble(refused, "This machine's clock is wrong.", "Set it."),
        "RequestTimeout": Trouble(Outcome.UNKNOWN, "The data came too slowly.", _TRY_LATER),
    }.get(code)


def _no_reply(error: Exception) -> Trouble:
    if isinstance(error, _NO_CREDENTIALS):
        return Trouble(Outcome.REFUSED, "No usable AWS credentials were found.", _CHECK_KEYS)
    if isinstance(error, boto.ParamValidationError):
        what = "The artifact root is no valid bucket and key."
        return Trouble(Outcome.REFUSED, what, "Correct artifacts.manifest.root.")
    if isinstance(error, _NO_ANSWER):
        return _no_connection(error)
    what = f"The settings of the AWS client are not valid ({type(error).__name__})."
    return Trouble(Outcome.REFUSED, what, "Check AWS_ENDPOINT_URL and AWS_DEFAULT_REGION.")


def _no_connection(error: Exception) -> Trouble:
    if isinstance(error, boto.SSLError):
        what = f"No secure connection to {_place(error)} could be made."
        return Trouble(Outcome.REFUSED, what, "Check AWS_ENDPOINT_URL and AWS_CA_BUNDLE.")
    if isinstance(error, _NEVER_SENT) or _was_refused(error):
        return Trouble(
            Outcome.BUSY, f"No connection to {_place(error)} could be made.", _CHECK_ENDPOINT
        )
    return Trouble(Outcome.UNKNOWN, f"No answer came from {_place(error)}.", _CHECK_ENDPOINT)


def _was_refused(error: Exception) -> bool:
    """Tell a connection that was never made from one that broke: both have the same name."""
    settings = getattr(error, "kwargs", {})
    return isinstance(settings.get("error"), aiohttp.ClientConnectorError)


def _place(error: Exception) -> str:
    settings = getattr(error, "kwargs", {})
    url = urlsplit(str(settings.get("endpoint_url") or settings.get("proxy_url") or ""))
    if not url.hostname:
        return "the storage"
    return f"{url.hostname}:{url.port}" if url.port else url.hostname
