"""The harness itself: ask an endpoint, count what was answered."""

import json
import sys
import urllib.request
from pathlib import Path

QUESTIONS = 8


def ask(url, model, question):
    message = {"model": model, "messages": [{"role": "user", "content": question}]}
    body = message if url.endswith("/chat/completions") else {"model": model, "prompt": question}
    request = urllib.request.Request(  # noqa: S310 - the server of the test
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - likewise
        choice = json.load(answer)["choices"][0]
    return choice["message"]["content"] if "message" in choice else choice["text"]


def main():
    url, model, task, limit, folder = sys.argv[1:]
    if task == "broken":
        sys.exit("the grader is missing")
    asked = QUESTIONS if limit == "None" else int(limit)
    right = sum(ask(url, model, f"{task} {number}") == "yes" for number in range(asked))
    counted = {"task": task, "asked": asked, "share": right / asked}
    Path(folder, "counted.json").write_text(json.dumps(counted))


if __name__ == "__main__":
    main()
