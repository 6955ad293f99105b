"""What ssh, rsync and the far shell complain about, as one sentence with its cure."""

from __future__ import annotations

import re

from nemo_runspec.errors import TransferError
from nemo_runspec.explaining import KnownFailure, line_of, recognize
from nemo_runspec.packaging.code.ssh.target import SshTarget

# GNU tar has words of its own for it.
_FULL = re.compile(r"No space left on device|Disk quota exceeded|Wrote only \d+ of \d+ bytes")


# Filled in are {host}, {port} (as an option), {known} (the host in known_hosts), {part} (what
# matched) and {line} (the whole line).
_FAILURES = (
    KnownFailure(
        _FULL,
        "The disk of {host} is full: {part}.",
        "Free some space there. `nemotron profiles prune PROFILE` removes code that no job uses.",
    ),
    KnownFailure(
        re.compile(r"is your shell clean|protocol version mismatch"),
        "The shell of {host} prints something as it starts, which rsync cannot read.",
        "Let its start-up files print on a terminal only.",
    ),
    KnownFailure(
        re.compile(r"REMOTE HOST IDENTIFICATION HAS CHANGED|host key .* has changed"),
        "The host key of {host} is not the one that is known.",
        "Find out why; if the new one is right: ssh-keygen -R {known}",
    ),
    KnownFailure(
        re.compile(r"Host key verification failed|No .* host key is known"),
        "The host key of {host} is not known.",
        "Compare it and keep it: ssh-keyscan {port}{host} >> ~/.ssh/known_hosts",
    ),
    KnownFailure(
        re.compile(r"Permission denied \([\w,-]*\)|Too many authentication failures"),
        "{host} refuses the key: {line}.",
        "Name the user and the key's file, or add the key to ssh-agent; no password is asked for.",
    ),
    KnownFailure(
        re.compile(
            r"Could not resolve hostname|Connection refused|[Cc]onnect(?:ion)? .*timed out"
            r"|No route to host|Network is unreachable|kex_exchange_identification"
        ),
        "{host} cannot be reached: {line}.",
        "Check the name, the port and the network.",
    ),
    KnownFailure(
        re.compile(
            r"Permission denied|Read-only file system|Operation not permitted"
            r"|cannot create directory [^:]*: (?:No such file or directory|Not a directory)"
        ),
        "The folder on {host} cannot be written to: {part}.",
        "Choose a folder that you may write to.",
    ),
    KnownFailure(
        re.compile(
            r"Broken pipe|connection unexpectedly closed|Connection (?:to|reset|closed)"
            r"|Timeout, server|timeout in data send/receive|closed by remote host"
        ),
        "The connection to {host} was lost: {line}.",
        "Run it again: what has arrived is kept.",
    ),
)


def is_disk_full(complaint: str) -> bool:
    """Tell whether the far disk or quota is full."""
    return _FULL.search(complaint) is not None


def explain(target: SshTarget, complaint: str, *, task: str = "take the code") -> TransferError:
    """Turn what was printed on standard error into an error.

    Args:
        target: The machine that was asked.
        complaint: All that ssh or rsync printed there.
        task: What it was asked to do, for a complaint that is not understood.
    """
    recognized = recognize(_FAILURES, complaint)
    if recognized is not None:
        failure, match = recognized
        facts = _facts(target, match)
        what, hint = failure.what.format(**facts), failure.hint.format(**facts)
        return TransferError(what, where=str(target), hint=hint)
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    reason = _bare(lines[0]) if lines else "no reason given"
    return TransferError(f"{target.host} did not {task}: {reason}.", where=str(target))


def too_slow(target: SshTarget, limit_s: float, *, task: str = "take the code") -> TransferError:
    """The error for something that took too long.

    Args:
        target: The machine that was asked.
        limit_s: How long it was given.
        task: What it was asked to do.
    """
    hint = "Run it again: what has arrived is kept. Or raise timeout_s."
    return TransferError(
        f"{target.host} did not {task} within {limit_s:g} s.",
        where=str(target),
        hint=hint if task == "take the code" else "Try again when it is less busy.",
    )


def _facts(target: SshTarget, match: re.Match[str]) -> dict[str, str]:
    port = target.port
    return {
        "host": target.host,
        "port": "" if port is None else f"-p {port} ",
        "known": target.host if port is None else f"'[{target.host}]:{port}'",
        "part": match[0],
        "line": _bare(line_of(match)),
    }


def _bare(line: str) -> str:
    return line.strip().removeprefix("ssh: ").rstrip(".\r")
