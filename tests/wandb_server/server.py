"""A W&B server on a port of its own, for the unmodified client.

It can go down and come back on the same port with what it knew, and spoil the requests that a
test chooses.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from . import routes
from .faults import Faults
from .state import Refused, State

KEY = "a" * 40
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Served:
    """A request that came in.

    Attributes:
        name: The GraphQL operation, or the kind of the request (see `routes.ROUTES`).
        status: The status of the reply; None where there was none, or where it broke off.
    """

    name: str
    status: int | None


class WandbServer:
    """A server; `up` and `down` may be called as often as a test likes.

    Attributes:
        state: What it knows.
        faults: What happens to the next requests.
        served: The requests so far.
        unexpected: Those that it did not understand; tests fail on them.
    """

    def __init__(self, port: int = 0) -> None:
        self.state = State()
        self.faults = Faults()
        self.served: list[Served] = []
        self.unexpected: list[str] = []
        self.closing = threading.Event()
        self._changed = threading.Condition()
        # Keeps the port while the server is down, without listening: connections are refused.
        self._reserved = _bound(port)
        self._http: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port, the same for as long as this object lives."""
        return int(self._reserved.getsockname()[1])

    @property
    def url(self) -> str:
        """The address that clients know as the base URL."""
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        """Take connections; nothing changes where it does already."""
        if self._http is not None:
            return
        self.closing.clear()
        self._http = _Server(self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def down(self) -> None:
        """Refuse connections, and reset those that are open; what the server knows stays."""
        if self._http is None or self._thread is None:
            return
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        self._http.reset_connections()
        self._http = None

    def close(self) -> None:
        """Go down for ever."""
        self.faults.heal()
        self.down()
        self._reserved.close()

    def count(self, name: str) -> int:
        """How many requests of this name came in."""
        return sum(item.name == name for item in tuple(self.served))

    def note(self, served: Served) -> None:
        """Record a request, and look again for whoever waits for something."""
        with self._changed:
            self.served.append(served)
            self._changed.notify_all()

    def wait_until(self, condition: Callable[[], bool], timeout_s: float = 60) -> None:
        """Wait until a condition on the server's state holds.

        Raises:
            TimeoutError: It does not come to hold.
        """
        with self._changed:
            if not self._changed.wait_for(condition, timeout_s):
                names = [item.name for item in self.served]
                raise TimeoutError(f"not after {timeout_s} s; served: {names}")


@contextlib.contextmanager
def running(port: int = 0) -> Iterator[WandbServer]:
    """A server that is up until the block ends."""
    server = WandbServer(port)
    server.up()
    try:
        yield server
    finally:
        server.close()


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(("127.0.0.1", port))
    return made


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, owner: WandbServer) -> None:
        super().__init__(("127.0.0.1", owner.port), _Handler, bind_and_activate=False)
        self.owner = owner
        self.connections: set[socket.socket] = set()
        self.socket.close()
        self.socket = _bound(owner.port)
        self.server_address = ("127.0.0.1", owner.port)
        self.server_activate()

    def reset_connections(self) -> None:
        for connection in tuple(self.connections):
            _reset(connection)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def _serve(self) -> None:
        self._left = int(self.headers.get("Content-Length") or 0)
        path = urlsplit(self.path).path
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._request = routes.Request(self.command, path, headers, self.server.owner.url)
        self._served_as, self._is_noted = path, False
        try:
            self._served_as = self._name()
            fault = self.server.owner.faults.strike(self._served_as)
            self.answer() if fault is None else fault(self)
        except routes.UnexpectedError as error:
            self._complain(str(error))

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - http.server's names

    def _name(self) -> str:
        kind, self._answer, self._parts = routes.find(self.command, self._request.path)
        if kind != routes.GRAPHQL:
            return kind
        self._read()
        return routes.operation_name(self._request)

    @property
    def closing(self) -> threading.Event:
        return self.server.owner.closing

    def answer(self) -> None:
        self.reply(*self.work())

    def work(self) -> tuple[int, bytes]:
        self._read()
        state = self.server.owner.state
        try:
            with state.lock:
                return self._answer(state, self._request, self._parts)
        except Refused as refused:
            return refused.status, str(refused).encode()
        except routes.UnexpectedError:
            raise
        except Exception as error:  # a fault of this server, which the test has to hear of
            raise routes.UnexpectedError(traceback.format_exc()) from error

    def reply(self, status: int, content: bytes, *, sent: int | None = None) -> None:
        self._read()  # else the next request on this connection would begin with it
        # Before the client has the reply: what it does next may be to look here.
        self._note(status if sent is None else None)
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:sent])

    def read_half(self) -> None:
        self.rfile.read(self._left // 2)

    def hang_up(self) -> None:
        self._note(None)
        self.close_connection = True
        _reset(self.connection)

    def _note(self, status: int | None) -> None:
        if not self._is_noted:
            self._is_noted = True
            self.server.owner.note(Served(self._served_as, status))

    def _read(self) -> None:
        body = self.rfile.read(self._left)
        if len(body) < self._left:
            raise ConnectionAbortedError("the client was ended in the middle of its request")
        self._request.body += body
        self._left = 0

    def _complain(self, what: str) -> None:
        self.server.owner.unexpected.append(what)
        self.reply(400, b'{"errors":[{"message":"the test server does not know this"}]}')


def _reset(connection: socket.socket) -> None:
    """Reset a connection, as a machine that fails does."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
