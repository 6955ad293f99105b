"""What a refusal of the Hub means, in one sentence with its cure."""

from __future__ import annotations

from typing import Any, Protocol

from nemo_runspec.errors import StoreError
from nemo_runspec.manifest_tracker.files.hub_address import HubAddress
from nemo_runspec.manifest_tracker.files.hub_patience import asked_wait_s

_UNAUTHORIZED = 401
_FORBIDDEN = 403
_NOT_FOUND = 404
_TOO_MANY = 429
_SERVER_ERROR = 500
_TOLD = 300
_LOG_IN = "Log in with: hf auth login (or set HF_TOKEN)."
_LOG_IN_AGAIN = "Check HF_TOKEN, or log in again with: hf auth login"
_WRITE_ACCESS = "Use a token with write access: https://huggingface.co/settings/tokens"
_SETTINGS = "Check the repository's settings, and artifacts.manifest.root."


class Reply(Protocol):
    """The part of the HTTP library's response that is read here."""

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Any:
        """The headers, with names in any case."""
        ...

    def json(self) -> Any:
        """The body read as JSON."""
        ...


def error_code(reply: Reply) -> str:
    """The Hub's own name of the error, such as ``EntryNotFound``; empty where it gives none."""
    return str(reply.headers.get("X-Error-Code", ""))


def refusal(reply: Reply, address: HubAddress, page: str, *, where: str, token: bool) -> StoreError:
    """The error that a reply of the Hub stands for.

    Args:
        reply: A reply with an error's status.
        address: The root.
        page: The URL of the repository's page.
        where: The file or folder it was about.
        token: Whether the request carried a token.
    """
    what, hint = _reason(reply, address, page, token=token)
    return StoreError(what, where=where, hint=hint)


def _reason(reply: Reply, address: HubAddress, page: str, *, token: bool) -> tuple[str, str]:
    """What went wrong, and the cure."""
    code, status = error_code(reply), reply.status_code
    if code == "GatedRepo":
        return f"{page} is gated, and you have no access.", f"Ask for it on that page. {_LOG_IN}"
    if code == "RevisionNotFound":
        return f"{page} has no branch {address.revision!r}.", f"Create it with: {_branch(address)}"
    if status == _UNAUTHORIZED and "invalid" in _told(reply).lower():
        return f"The Hub does not accept the token that was sent for {page}.", _LOG_IN_AGAIN
    if code == "RepoNotFound" or status in {_UNAUTHORIZED, _NOT_FOUND}:
        return _no_repository(address, page, token=token)
    return _not_now(reply, page)


def _not_now(reply: Reply, page: str) -> tuple[str, str]:
    told = _told(reply)
    if reply.status_code == _FORBIDDEN:
        return f"You have no permission for this on {page}: {told}.", _WRITE_ACCESS
    if reply.status_code == _TOO_MANY:
        wait_s = asked_wait_s(reply.headers)
        again = f"Try again in {wait_s:.0f} seconds." if wait_s else "Try again later."
        limit = "A repository takes a limited number of commits an hour."
        return f"The Hub takes no more requests for {page}: {told}.", f"{again} {limit}"
    if reply.status_code >= _SERVER_ERROR:
        return f"The Hub is out of order ({reply.status_code}) for {page}.", "Try again later."
    return f"The Hub refused the request for {page} ({reply.status_code}): {told}.", _SETTINGS


def _no_repository(address: HubAddress, page: str, *, token: bool) -> tuple[str, str]:
    create = f"Create it with: hf repos create {address.repo}{_kind_option(address)} --private"
    missing = f"There is no {address.kind} repository {page}"
    if token:
        return f"{missing} that your token may see.", create
    return f"{missing}, or it is private and you are not logged in.", f"{_LOG_IN} {create}"


def _branch(address: HubAddress) -> str:
    return f"hf repos branch create {address.repo} {address.revision}{_kind_option(address)}"


def _kind_option(address: HubAddress) -> str:
    return "" if address.kind == "model" else f" --repo-type {address.kind}"


def _told(reply: Reply) -> str:
    """What the Hub says itself, on one line."""
    told = reply.headers.get("X-Error-Message") or _error_in_body(reply)
    return " ".join(str(told).split())[:_TOLD].rstrip(".") or "it does not say why"


def _error_in_body(reply: Reply) -> str:
    try:
        body = reply.json()
    except ValueError:
        return ""
    return str(body.get("error", "")) if isinstance(body, dict) else ""
