"""Squash a container image into one file on the cluster, once, instead of at each job's start."""

from __future__ import annotations

import hashlib
import logging
import re
import shlex

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.profiles import Profile, SlurmProfile
from nemo_runspec.execution.shells import ClusterShell, Finished
from nemo_runspec.explaining import last_line

logger = logging.getLogger(__name__)

_IMPORT_TIMEOUT_S = 7200.0
_NO_ENROOT = 46
_SCHEME = "docker://"
_SLUG = re.compile(r"[^A-Za-z0-9.]+")

_SCRIPT = r"""
LC_ALL=C; export LC_ALL
umask 022
case {cache} in "~"|"~/"*) cache="$HOME"{tail} ;; *) cache={cache} ;; esac
mkdir -p "$cache/images" && cd "$cache/images" && folder="$(pwd -P)" || exit
image={name}
if [ -s "$image" ]; then printf '%s\n' "$folder/$image"; exit 0; fi
command -v enroot >/dev/null || exit {no_enroot}
find . -maxdepth 1 -name '.import.*' -mtime +1 -exec rm -rf {{}} +
part="$(mktemp -d "$folder/.import.XXXXXXXX")" || exit
trap 'rm -rf "$part"' EXIT
trap 'exit 1' HUP INT TERM
enroot import -o "$part/$image" {source} </dev/null >&2 || exit
[ -s "$part/$image" ] || {{ echo "enroot made no image" >&2; exit 1; }}
mv "$part/$image" "$image" || exit
printf '%s\n' "$folder/$image"
"""


def place_image(profile: Profile, shell: ClusterShell, cache_dir: str) -> str | None:
    """Squash the profile's image where ``squash_image`` asks for it and enroot is there.

    Args:
        profile: The profile.
        shell: The machine that jobs are submitted on.
        cache_dir: Where images are kept there; ``~`` is the user's home.

    Returns:
        The path of the ``.sqsh`` file there; the image as it is named where nothing is squashed;
        None where there is none.

    Raises:
        ExecutionError: enroot could not import the image; with its own last words.
        TransferError: The machine cannot be reached.
    """
    image = profile.container_image
    if image is None or not _asked_for(profile) or is_file(image):
        return image
    script = _SCRIPT.format(
        cache=shlex.quote(cache_dir),
        tail=shlex.quote(cache_dir.removeprefix("~")),
        name=shlex.quote(_file_name(image)),
        source=shlex.quote(enroot_uri(image)),
        no_enroot=_NO_ENROOT,
    )
    done = shell.run(script, timeout_s=_IMPORT_TIMEOUT_S, check=False)
    if done.code == _NO_ENROOT:
        logger.warning(
            "enroot is not on %s: the image %s is pulled by each job.", shell.where, image
        )
        return image
    if done.code != 0:
        raise _failure(image, shell, done)
    return done.stdout.rstrip("\n")


def is_file(image: str) -> bool:
    """Tell whether an image is a file on the cluster already."""
    return image.startswith(("/", "./", "~")) or image.endswith(".sqsh")


def enroot_uri(image: str) -> str:
    """Spell an image as enroot does: the registry is set apart by ``#``.

    Args:
        image: ``nvcr.io/nvidia/nemo:25.07``, with or without ``docker://``.
    """
    bare = image.removeprefix(_SCHEME)
    first, slash, rest = bare.partition("/")
    is_registry = "." in first or ":" in first or first == "localhost"
    if "#" in bare or not slash or not is_registry:
        return f"{_SCHEME}{bare}"
    return f"{_SCHEME}{first}#{rest}"


def _asked_for(profile: Profile) -> bool:
    return isinstance(profile, SlurmProfile) and profile.squash_image


def _file_name(image: str) -> str:
    """A file for each image that people can tell by its name."""
    bare = enroot_uri(image).removeprefix(_SCHEME)
    digest = hashlib.sha256(bare.encode()).hexdigest()[:8]
    return f"{_SLUG.sub('-', bare).strip('-.')}-{digest}.sqsh"


def _failure(image: str, shell: ClusterShell, done: Finished) -> ExecutionError:
    reason = last_line(done.stderr) or f"exit code {done.code}"
    hint = "Check the image's name, and that enroot there may read it (~/.config/enroot)."
    if "No space left" in done.stderr or "quota" in done.stderr:
        hint = "Free some space there, or name another folder: [cache] dir in env.toml."
    return ExecutionError(
        f"enroot could not import the image {image}: {reason}.", where=shell.where, hint=hint
    )
