"""NeMo-Run keeps what it does in a home of its own, which it looks up as it is imported."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ["NEMORUN_HOME"] = tempfile.mkdtemp(prefix="nemorun-")


@pytest.fixture(autouse=True)
def empty_stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """NeMo-Run passes its own input on to the commands that it runs."""
    with Path(os.devnull).open(encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        yield


@pytest.fixture
def logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Somebody who is logged in with the programs of both services, and no variable says so.

    The server of W&B is one of their own, at a port that the file of logins names too.
    """
    key, server = "0123456789abcdef" * 3, "wandb.example.com:8443"
    names = ("WANDB_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HOME", "HF_TOKEN_PATH")
    for name in (*names, "XDG_CACHE_HOME", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_BASE_URL", f"https://{server}")
    file = tmp_path / ".netrc"
    file.write_text(
        f"machine wandb.example.com login user password other\n"
        f"machine {server} login user password {key}\n"
    )
    file.chmod(0o600)
    token = tmp_path / ".cache/huggingface/token"
    token.parent.mkdir(parents=True)
    token.write_text("hf_" + "a1B2" * 8 + "\n")
    return {
        "WANDB_API_KEY": key,
        "WANDB_BASE_URL": f"https://{server}",
        "HF_TOKEN": "hf_" + "a1B2" * 8,
    }
