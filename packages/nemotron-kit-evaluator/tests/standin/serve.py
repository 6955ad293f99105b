"""A server that answers as OpenAI's API does: "yes" to even questions."""

import argparse
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps, loads
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("model", type=Path)
parser.add_argument("--port", type=int)
parser.add_argument("--alive", type=Path)
parser.add_argument("--never-ready", action="store_true")
parser.add_argument("--die-at", type=int, default=-1)
options = parser.parse_args()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(503 if options.never_ready else 200, {})

    def do_POST(self):
        asked = loads(self.rfile.read(int(self.headers["Content-Length"])))
        question = asked["prompt"] if "prompt" in asked else asked["messages"][-1]["content"]
        number = int(question.split()[-1]) if question.split()[-1].isdigit() else 0
        if number == options.die_at:
            sys.stderr.write("CUDA out of memory\n")
            os._exit(9)
        text = "yes" if number % 2 == 0 else "no"
        choice = {"text": text} if "prompt" in asked else {"message": {"content": text}}
        self.answer(200, {"choices": [choice], "model": asked["model"]})

    def answer(self, status, document):
        body = dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if not (options.model / "config.json").is_file():
    sys.exit(f"no config.json in {options.model}")
if options.alive:
    # Open for as long as this or the worker lives, as servers have them.
    alive = os.open(options.alive, os.O_WRONLY)
    subprocess.Popen(["sleep", "600"], pass_fds=[alive])
sys.stderr.write(f"serving {options.model}\n")
ThreadingHTTPServer(("", options.port), Handler).serve_forever()
