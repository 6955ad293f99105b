"""An HTTP server that answers as a cloud does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """What a client asked."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    token: str | None


@dataclass(frozen=True)
class Reply:
    """What it is answered: JSON, or a stream of lines as they come."""

    content: Any = None
    status: int = 200
    stream: Iterator[bytes] | None = None


@dataclass
class Cloud:
    """A cloud: each subclass has its own routes."""

    asked: list[Request] = field(default_factory=list)
    down: bool = False
    url: str = ""
    # Called whenever somebody asks something.
    meanwhile: Callable[[], None] | None = None

    def answer(self, request: Request) -> Reply:
        raise NotImplementedError

    def requests(self, method: str, path: str) -> list[Request]:
        """What was asked of one path."""
        return [item for item in self.asked if (item.method, item.path) == (method, path)]

    def close(self) -> None:
        """End what it started."""


C = TypeVar("C", bound=Cloud)


def handler_of(cloud: Cloud) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            place = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if cloud.down:
                return  # the connection is closed without a word
            query = {name: values[-1] for name, values in parse_qs(place.query).items()}
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
            body = json.loads(content) if content else None
            request = Request(self.command, place.path, query, body, token)
            cloud.asked.append(request)
            if cloud.meanwhile is not None:
                cloud.meanwhile()
            self._send(cloud.answer(request))

        do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 - what the server calls

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            self.send_header("Content-Type", "application/json")
            if reply.stream is None:
                body = b"" if reply.content is None else json.dumps(reply.content).encode()
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return
            self.end_headers()
            try:
                for data in reply.stream:
                    self.wfile.write(data)
                    self.wfile.flush()
            except (BrokenPipeError, ConnectionResetError):
                return

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    return Handler


@contextmanager
def serving(cloud: C) -> Iterator[C]:
    """Serve a cloud for the length of a ``with`` block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(cloud)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        cloud.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield cloud
        finally:
            cloud.close()
            server.shutdown()
            thread.join()
