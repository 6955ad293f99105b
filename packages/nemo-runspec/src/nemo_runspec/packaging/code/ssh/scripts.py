"""What is run in the shell of the other machine: POSIX, on one line, in the C locale.

The folder has ``trees/DIGEST`` for each tree that is there, complete, and ``jobs/NAME`` for each
job. What is being filled has a name that starts with a dot and is renamed when it is complete.
"""

from __future__ import annotations

import re
import shlex

from nemo_runspec.packaging.code.launcher import CODE_FOLDER
from nemo_runspec.packaging.code.ssh.target import SshTarget

WORD = "nemotron:"
_BASES = 5
_RESUMED = 3
_DIGEST = re.compile(r"[0-9a-f]{64}")


def ask(target: SshTarget, digest: str, job: str | None) -> str:
    """Ask whether a tree is there; if so, make the job's folder from the archive on stdin.

    Prints ``root FOLDER``, then ``found``, or ``exists`` where the job does; or ``rsync``,
    ``base TREE`` and ``part NAME`` for what a transfer can build upon.
    """
    placed = f"{_touch(digest)}; {_place(digest, job)} && echo '{WORD}found'"
    bases = _each(f"ls -1t trees | head -n {_BASES}", "base")
    parts = _each(f"ls -1t -A trees | grep '^[.]{digest}[.]' | head -n {_RESUMED}", "part")
    rsync = f"if command -v rsync >/dev/null 2>&1; then echo '{WORD}rsync'; fi"
    return _in_root(
        target, f"if [ -d trees/{digest} ]; then {placed}; else {rsync}; {bases}; {parts}; fi"
    )


def receive_rsync(target: SshTarget) -> str:
    """What rsync starts there in place of itself."""
    return f"cd {target.quoted_root} && rsync"


def receive_archive(target: SshTarget, part: str) -> str:
    """Unpack the archive on stdin into a folder that is not complete yet."""
    locked = f"find trees/{part} -type f -exec chmod a-w '{{}}' +"
    return _in_root(target, f"mkdir -p trees/{part} && tar -xzf - -C trees/{part} && {locked}")


def finish(target: SshTarget, digest: str, part: str, job: str | None) -> str:
    """Give a complete tree its name, and make the job's folder from the archive on stdin.

    Of two that finish the same tree one wins, and both go on with it.
    """
    named = f"{{ mv -T trees/{part} trees/{digest} 2>/dev/null || [ -d trees/{digest} ]; }}"
    stale = "find trees -mindepth 1 -maxdepth 1 -name '.*' -mtime +1 -exec rm -rf '{}' +"
    rest = f"rm -rf trees/{part}; {stale}; {_place(digest, job)} && echo '{WORD}found'"
    return _in_root(target, f"touch trees/{part} && {named} && {{ {rest}; }}")


def probe(target: SshTarget, part: str, size_bytes: int) -> str:
    """Write as much as a file needs, to hear why it could not be written."""
    file = f"trees/{part}/.probe"
    written = f"mkdir -p trees/{part} && head -c {size_bytes} /dev/zero > {file}"
    return _in_root(target, f"{written}; code=$?; rm -f {file}; [ $code -eq 0 ]")


def discard(target: SshTarget, part: str) -> str:
    """Remove what was not completed."""
    return _in_root(target, f"rm -rf trees/{part}")


def prune(target: SshTarget, unused_days: int) -> str:
    """Remove the trees that no job was sent for since; prints ``gone TREE`` for each.

    A tree is renamed first and looked at again, for a job that was just sent.
    """
    old = f"-maxdepth 0 -mtime +{unused_days - 1}" if unused_days else "-maxdepth 0"
    again = f'[ -n "$(find trees/.gone.$tree {old})" ]'
    remove = f'rm -rf "trees/.gone.$tree"; echo "{WORD}gone $tree"'
    back = 'mv -T "trees/.gone.$tree" "trees/$tree"'
    each = (
        f'[ -n "$(find trees/$tree {old})" ] && mv -T "trees/$tree" "trees/.gone.$tree" && '
        f"if {again}; then {remove}; else {back}; fi"
    )
    return _in_root(target, f"for tree in $(ls -1 trees); do {each}; done; true")


def answers(printed: str) -> dict[str, list[str]]:
    """Read what a script answered, among whatever else the shell's start-up files print."""
    found: dict[str, list[str]] = {}
    for line in printed.splitlines():
        if line.startswith(WORD):
            word, _, rest = line.removeprefix(WORD).partition(" ")
            found.setdefault(word, []).append(rest)
    return found


def is_digest(text: str) -> bool:
    """Tell whether a name that the other machine answered is that of a tree."""
    return _DIGEST.fullmatch(text) is not None


def _in_root(target: SshTarget, script: str) -> str:
    entered = f"mkdir -p {target.quoted_root}/trees && cd {target.quoted_root}"
    root = f'printf "{WORD}root %s\\n" "$(pwd -P)"'
    whole = f"LC_ALL=C; export LC_ALL; umask 022; {entered} && {root} && {{ {script}; }}"
    return f"exec /bin/sh -c {shlex.quote(whole)}"


def _touch(digest: str) -> str:
    return f"touch -c trees/{digest} 2>/dev/null"


def _place(digest: str, job: str | None) -> str:
    if job is None:
        return "true"
    part, link = f"jobs/.{job}.$$", f"../../trees/{digest}"
    filled = f"mkdir -p {part} && tar -xzf - -C {part} && ln -s {link} {part}/{CODE_FOLDER}"
    return (
        f"{filled} && {{ mv -T {part} jobs/{job} 2>/dev/null || "
        f"{{ rm -rf {part}; echo '{WORD}exists'; false; }}; }}"
    )


def _each(command: str, word: str) -> str:
    return f'for name in $({command}); do echo "{WORD}{word} $name"; done'
