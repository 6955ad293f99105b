"""Clone a repository at a commit into a cache, once, on the machine that jobs are submitted on.

What lies in the cache is never changed: a branch that moves is another commit, and another
folder. Two submissions at once may both clone; the first one's folder stays.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from urllib.parse import urlsplit

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.shells import ClusterShell, Finished
from nemo_runspec.explaining import KnownFailure, last_line, line_of, recognize
from nemo_runspec.resolvers.auto_mount import AutoMount

_CLONE_TIMEOUT_S = 1800.0
_NOT_FOUND = 44
_NO_GIT = 45
_SLUG = re.compile(r"[^A-Za-z0-9]+")

_SCRIPT = r"""
LC_ALL=C; export LC_ALL
umask 022
command -v git >/dev/null || exit {no_git}
GIT_TERMINAL_PROMPT=0
GIT_SSH_COMMAND="${{GIT_SSH_COMMAND:-ssh}} -o BatchMode=yes -o ConnectTimeout=20"
export GIT_TERMINAL_PROMPT GIT_SSH_COMMAND
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
url={url} ref={ref}
case {cache} in "~"|"~/"*) cache="$HOME"{tail} ;; *) cache={cache} ;; esac
folder="$cache"/git/{name}
mkdir -p "$folder" && cd "$folder" && folder="$(pwd -P)" || exit
find . -maxdepth 1 -name '.clone.*' -mtime +1 -exec rm -rf {{}} +
is_commit() {{ case "$1" in *[!0-9a-f]*) return 1 ;; esac; [ "${{#1}}" -eq 40 ]; }}
commit="$ref"
if ! is_commit "$commit"; then
  tag="refs/tags/$ref"
  listed="$(git ls-remote -- "$url" "refs/heads/$ref" "$tag" "$tag^{{}}")" || exit
  # Of a tag with a message the commit that it stands for is listed, too, and last.
  commit="$(printf '%s\n' "$listed" | sed -n 's/^\([0-9a-f]\{{40\}}\).*/\1/p' | tail -n 1)"
fi
if is_commit "$commit" && [ -d "$commit" ]; then printf '%s\n' "$folder/$commit"; exit 0; fi
part="$(mktemp -d "$folder/.clone.XXXXXXXX")" || exit
trap 'rm -rf "$part"' EXIT
trap 'exit 1' HUP INT TERM
here() {{ git -C "$part" "$@" </dev/null >&2; }}
here init -q && here remote add origin "$url" || exit
if ! is_commit "$commit" || ! here fetch -q --depth 1 origin "$commit" 2>/dev/null; then
  here fetch -q --tags origin '+refs/heads/*:refs/remotes/origin/*' || exit
fi
commit="$(git -C "$part" rev-parse -q --verify "${{commit:-$ref}}^{{commit}}")" || exit {not_found}
here -c advice.detachedHead=false checkout -q "$commit" || exit
if [ -f "$part/.gitmodules" ]; then here submodule -q update --init --recursive || exit; fi
chmod 755 "$part" || exit
mv -T "$part" "$commit" 2>/dev/null || [ -d "$commit" ] || {{ mv -T "$part" "$commit"; exit; }}
printf '%s\n' "$folder/$commit"
"""


# Filled in is {line}.
_FAILURES = (
    KnownFailure(
        re.compile(r"No space left on device|Disk quota exceeded"),
        "The disk of the cache is full.",
        "Free some space there, or name another folder: [cache] dir in env.toml.",
    ),
    KnownFailure(
        re.compile(
            r"Authentication failed|could not read (?:Username|Password)|terminal prompts disabled"
            r"|Permission denied \("
        ),
        "git may not read the repository: {line}.",
        "Let git there find credentials (a credential helper, a key in ssh-agent); no password is "
        "asked for.",
    ),
    KnownFailure(
        re.compile(r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED"),
        "The host key of the repository's host is not the one that is known: {line}.",
        "Compare it and keep it there: ssh-keyscan HOST >> ~/.ssh/known_hosts",
    ),
    KnownFailure(
        re.compile(
            r"Could not resolve host|Connection refused|timed out|No route to host"
            r"|Network is unreachable|Failed to connect"
        ),
        "The host of the repository cannot be reached: {line}.",
        "Check the name and the network; a ref that is a whole commit needs none once it is "
        "cloned.",
    ),
    KnownFailure(
        re.compile(r"[Rr]epository .*not found|does not (?:appear to be a git repository|exist)"),
        "There is no such repository: {line}.",
        "Correct the URL.",
    ),
    KnownFailure(
        re.compile(r"Permission denied|Read-only file system"),
        "The cache cannot be written to: {line}.",
        "Name another folder: [cache] dir in env.toml.",
    ),
)


def clone_once(mount: AutoMount, shell: ClusterShell, cache_dir: str) -> str:
    """Clone a repository, unless its commit is in the cache already.

    Args:
        mount: The repository and the branch, tag or commit.
        shell: The machine that jobs are submitted on; its git and its credentials are used.
        cache_dir: The cache there; ``~`` is the user's home.

    Returns:
        The folder of the commit there, an absolute path.

    Raises:
        ExecutionError: git is not there, refuses, or knows no such ref; with the cure.
        TransferError: The machine cannot be reached.
    """
    script = _SCRIPT.format(
        no_git=_NO_GIT,
        not_found=_NOT_FOUND,
        url=shlex.quote(mount.url),
        ref=shlex.quote(mount.ref),
        cache=shlex.quote(cache_dir),
        tail=shlex.quote(cache_dir.removeprefix("~")),
        name=shlex.quote(_folder_name(mount.url)),
    )
    done = shell.run(script, timeout_s=_CLONE_TIMEOUT_S, check=False)
    if done.code != 0:
        raise _failure(mount, shell, done)
    return done.stdout.rstrip("\n")


def _folder_name(url: str) -> str:
    """A folder for each repository that people can tell by its name."""
    last = urlsplit(url).path.rstrip("/").rpartition("/")[2].removesuffix(".git")
    digest = hashlib.sha256(url.encode()).hexdigest()[:12]
    return f"{_SLUG.sub('-', last).strip('-') or 'repository'}-{digest}"


def _failure(mount: AutoMount, shell: ClusterShell, done: Finished) -> ExecutionError:
    where = f"{mount.url}@{mount.ref}, on {shell.where}"
    if done.code == _NO_GIT:
        return ExecutionError(
            "git is not installed.", where=shell.where, hint="Install it, or load its module."
        )
    if done.code == _NOT_FOUND:
        return ExecutionError(
            f"The repository has no branch, tag or commit {mount.ref!r}.",
            where=where,
            hint="Correct the part behind '@'; a commit is written with all 40 digits.",
        )
    recognized = recognize(_FAILURES, done.stderr)
    if recognized is not None:
        failure, match = recognized
        what = failure.what.format(line=line_of(match))
        return ExecutionError(what, where=where, hint=failure.hint)
    reason = last_line(done.stderr) or f"exit code {done.code}"
    return ExecutionError(f"git could not clone the repository: {reason}.", where=where)
