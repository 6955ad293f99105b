"""Requests to the Hugging Face Hub, through the session of its own client.

The session brings log-in, proxies, certificates and offline mode. The client's ``create_commit``
is not used: it has no time limit, waits as long as a 429 says, takes a request more, and leaves out
without a word what the repository's ``.gitignore`` names. The cache is not used either: a manifest
is small, and its reader wants what others wrote a moment ago.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from nemo_runspec.errors import StoreError, UnknownOutcomeError
from nemo_runspec.manifest_tracker.files.hub_address import HubAddress
from nemo_runspec.manifest_tracker.files.hub_patience import Patience, asked_wait_s
from nemo_runspec.manifest_tracker.files.hub_refusals import error_code, refusal

_OK = 200
_NOT_FOUND = 404
_TOO_MANY = 429
_BUSY = frozenset({408, 429, 500, 502, 503, 504})
_OVERTAKEN = frozenset({409, 412})
_HEAD = "X-Repo-Commit"

_session_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was at a commit.

    Attributes:
        content: Its content; None where it did not exist.
        head: The commit.
    """

    content: bytes | None
    head: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit does.

    Attributes:
        summary: Its message.
        files: Content by path below the root.
        removed: Paths below the root.
        parent: The only commit that it may follow; None where it may follow any.
    """

    summary: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    parent: str | None = None


class HubClient:
    """A repository on the Hub.

    Args:
        address: The repository.
        patience: How long to go on.
    """

    def __init__(self, address: HubAddress, patience: Patience) -> None:
        self._hub: Any = importlib.import_module("huggingface_hub")
        self._errors: Any = importlib.import_module("huggingface_hub.errors")
        # httpx, and from huggingface_hub 2 on httpx2.
        self._http: Any = importlib.import_module(
            self._errors.HfHubHTTPError.__mro__[1].__module__.partition(".")[0]
        )
        self._address = address
        self._patience = patience

    def read(self, path: str) -> bytes | None:
        """A file's content now; None where it does not exist."""
        return self._download(path, self._address.revision)[0]

    def look(self, path: str) -> Seen:
        """A file, and the head of the branch that it was looked for at."""
        content, head = self._download(path, self._address.revision)
        if head is not None:
            return Seen(content, head)
        # Some mirrors tell the commit only with files that exist.
        head = self._head(path)
        return Seen(self._download(path, head)[0], head)

    def entries(self, path: str) -> list[tuple[str, str]]:
        """The kinds (``file`` or ``directory``) and names of what lies in a folder."""
        found: list[tuple[str, str]] = []
        query: Any = {"recursive": "false", "expand": "false"}
        while query is not None:
            reply = self._get(self._address.tree_route(path), path, query)
            if _is_missing(reply):
                return found
            self._accept(reply, path)
            found += [
                (str(entry["type"]), str(entry["path"]).rpartition("/")[2])
                for entry in reply.json()
            ]
            following = reply.links.get("next", {}).get("url")
            # Only the query is taken from the reply: the token goes nowhere else.
            query = urlsplit(following).query if following else None
        return found

    def commit(self, change: Change, where: str) -> bool:
        """Make a commit, once the Hub has time for it.

        Args:
            change: What it does.
            where: The path it is about.

        Returns:
            False where another commit came first.

        Raises:
            UnknownOutcomeError: It is not known whether the commit was made.
            StoreError: The Hub refused it.
        """
        pauses = self._patience.between_tries()
        unsure = False
        while (reply := self._post(change, where)).status_code in _BUSY:
            # Of an error of the server's own it is not known when it happened. Trying again does
            # no harm: what was committed meets its own work as an overtaking commit.
            unsure = unsure or reply.status_code != _TOO_MANY
            if not pauses.wait(asked_wait_s(reply.headers)):
                break
        if reply.status_code in _OVERTAKEN or _is_missing(reply):
            return False
        if unsure and reply.status_code in _BUSY:
            raise UnknownOutcomeError(
                f"The Hub failed while it made a commit ({reply.status_code}).",
                where=self._address.locate(where),
            )
        self._accept(reply, where)
        return True

    def _download(self, path: str, revision: str) -> tuple[bytes | None, str | None]:
        reply = self._get(self._address.file_route(path, revision), path)
        # The download of a large file is redirected; the commit is told on the way.
        told = [hop.headers[_HEAD] for hop in (*reply.history, reply) if _HEAD in hop.headers]
        head = str(told[0]) if told else None
        if _is_missing(reply):
            return None, head
        self._accept(reply, path)
        return bytes(reply.content), head

    def _head(self, path: str) -> str:
        reply = self._get(self._address.revision_route, path)
        self._accept(reply, path)
        return str(reply.json()["sha"])

    def _get(self, route: str, path: str, query: Any = None) -> Any:
        pauses = self._patience.between_tries()
        while True:
            try:
                reply = self._request("GET", route, path, self._patience.reply_s, params=query)
            except self._http.RequestError as error:
                if not pauses.wait():
                    raise self._unreachable(error, path) from error
                continue
            if reply.status_code not in _BUSY or not pauses.wait(asked_wait_s(reply.headers)):
                return reply

    def _post(self, change: Change, where: str) -> Any:
        route, lines = self._address.commit_route, _commit_lines(self._address, change)
        headers = {"Content-Type": "application/x-ndjson"}
        not_sent = (self._http.ConnectError, self._http.ConnectTimeout, self._http.PoolTimeout)
        try:
            return self._request(
                "POST", route, where, self._patience.commit_s, headers=headers, content=lines
            )
        except not_sent as error:
            raise self._unreachable(error, where) from error
        except self._http.RequestError as error:
            raise UnknownOutcomeError(
                f"The Hub's reply to a commit was lost ({type(error).__name__}).",
                where=self._address.locate(where),
            ) from error

    def _request(
        self,
        method: str,
        route: str,
        path: str,
        reply_s: float,
        *,
        headers: Any = None,
        **body: Any,
    ) -> Any:
        url = f"{self._endpoint()}/{route}"
        with _session_lock:
            # Of threads that ask first at once, older releases give each a session that leaks.
            session = self._hub.get_session()
        try:
            return session.request(
                method,
                url,
                headers={**self._headers(), **(headers or {})},
                timeout=self._http.Timeout(reply_s, connect=self._patience.connect_s),
                follow_redirects=True,
                **body,
            )
        except self._errors.OfflineModeIsEnabled as error:
            raise StoreError(
                "The Hugging Face Hub is switched off by HF_HUB_OFFLINE.",
                where=self._address.locate(path),
                hint="Unset HF_HUB_OFFLINE, or choose another artifacts.manifest.root.",
            ) from error
        except (self._http.InvalidURL, self._http.UnsupportedProtocol) as error:
            raise StoreError(
                f"HF_ENDPOINT is no URL: {self._page()}.",
                where=self._address.locate(path),
                hint="Write it like https://huggingface.co",
            ) from error

    def _headers(self) -> dict[str, str]:
        # Not the client's own: making those asks the Hub for something else, and keeps a file.
        agent = {"User-Agent": f"nemo-runspec; hf_hub/{self._hub.__version__}"}
        token = self._hub.get_token()
        log_in = {"Authorization": f"Bearer {token}"} if token else {}
        return {**agent, **log_in, "Cache-Control": "no-cache"}

    def _accept(self, reply: Any, path: str) -> None:
        if reply.status_code == _OK:
            if "html" not in reply.headers.get("Content-Type", ""):
                return
            raise StoreError(
                f"The server at {self._page()} answers with a page, not as the Hub does.",
                where=self._address.locate(path),
                hint="Check HF_ENDPOINT and the proxy.",
            )
        raise refusal(
            reply,
            self._address,
            self._page(),
            where=self._address.locate(path),
            token="authorization" in reply.request.headers,
        )

    def _unreachable(self, error: Exception, path: str) -> StoreError:
        return StoreError(
            f"The Hugging Face Hub does not answer at {self._page()} ({type(error).__name__}).",
            where=self._address.locate(path),
            hint="Check the network, the proxy and HF_ENDPOINT.",
        )

    def _endpoint(self) -> str:
        endpoint = os.environ.get("HF_ENDPOINT") or self._hub.constants.ENDPOINT
        return str(endpoint).rstrip("/")

    def _page(self) -> str:
        """The repository's page, without a name and password that the endpoint may hold."""
        scheme, separator, rest = self._endpoint().rpartition("://")
        return f"{scheme}{separator}{rest.rpartition('@')[2]}/{self._address.page}"


def _is_missing(reply: Any) -> bool:
    return reply.status_code == _NOT_FOUND and error_code(reply) == "EntryNotFound"


def _commit_lines(address: HubAddress, change: Change) -> bytes:
    """The commit as the Hub reads it: JSON documents, one a line."""
    header: dict[str, Any] = {"summary": change.summary, "description": ""}
    if change.parent is not None:
        header["parentCommit"] = change.parent
    lines = [{"key": "header", "value": header}]
    for path, data in change.files.items():
        content = base64.b64encode(data).decode()
        value = {"path": address.path_in_repo(path), "content": content, "encoding": "base64"}
        lines.append({"key": "file", "value": value})
    lines += [
        {"key": "deletedFile", "value": {"path": address.path_in_repo(path)}}
        for path in change.removed
    ]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)
