"""Serves moto's S3 on `127.0.0.1:PORT`, create-only writes one at a time.

moto looks whether an object exists and stores it in two steps of a thread of each request, so that
two of many writers at once may both be told that they created it. S3 tells exactly one.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class CreatesOneAtATime:
    """A WSGI application in front of moto's that lets one create-only write in at a time."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._creating = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("HTTP_IF_NONE_MATCH") != "*":
            return self._app(environ, start_response)
        # Read before the lock: a client that stops in the middle of its body keeps nobody waiting.
        length = int(environ.get("CONTENT_LENGTH") or 0)
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))
        with self._creating:
            return self._app(environ, start_response)


if __name__ == "__main__":
    app = CreatesOneAtATime(DomainDispatcherApplication(create_backend_app))
    run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True)
