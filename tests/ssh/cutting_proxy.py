"""A ProxyCommand that breaks the line: `cutting_proxy.py HOST PORT BYTES_TO_SEND`."""

from __future__ import annotations

import os
import selectors
import socket
import sys


def main(host: str, port: str, limit: str) -> None:
    left = int(limit)
    with socket.create_connection((host, int(port))) as server, selectors.DefaultSelector() as wait:
        wait.register(0, selectors.EVENT_READ)
        wait.register(server, selectors.EVENT_READ)
        while True:
            for key, _ in wait.select():
                data = os.read(key.fd, 1 << 16)
                if not data or (key.fd == 0 and left <= len(data)):
                    return
                if key.fd == 0:
                    left -= len(data)
                    server.sendall(data)
                else:
                    os.write(1, data)


main(*sys.argv[1:])
