"""What an ``hf://`` root means: a repository on the Hub, a revision and a folder in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from nemo_runspec.errors import StoreError

_SCHEME = "hf://"
_KINDS = {"models": "model", "datasets": "dataset"}
_ROOT = re.compile(
    r"""
    (?: (?P<kind> models | datasets ) / )?
    (?! (?: models | datasets | spaces | kernels | buckets ) / )
    (?P<repo> [\w.-]+ / [\w.-]+ )
    (?: @ (?P<revision> refs/convert/[\w.-]+ | refs/pr/\d+ | [^/@]+ ) )?
    (?: / (?P<folder> .* ) )?
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class HubAddress:
    """A folder of a repository, at a revision.

    Attributes:
        root: The root as the user gave it, without a slash at its end.
        kind: ``model`` or ``dataset``.
        repo: ``organisation/name``.
        revision: A branch, or ``refs/pr/1`` and the like.
        folder: The folder in the repository; empty for all of it.
    """

    root: str
    kind: str
    repo: str
    revision: str
    folder: str

    def locate(self, path: str) -> str:
        """The full URL of a file below the root, as fsspec reads it."""
        return f"{self.root}/{path}" if path else self.root

    def path_in_repo(self, path: str) -> str:
        """A path below the root as the repository knows it."""
        return "/".join(part for part in (self.folder, path) if part)

    @property
    def page(self) -> str:
        """The repository's page, relative to the Hub."""
        return self.repo if self.kind == "model" else f"{self.kind}s/{self.repo}"

    def file_route(self, path: str, revision: str | None = None) -> str:
        """Where a file below the root is downloaded from."""
        at = quote(revision or self.revision, safe="")
        return f"{self.page}/resolve/{at}/{quote(self.path_in_repo(path))}"

    def tree_route(self, path: str) -> str:
        """Where a folder below the root is listed."""
        folder = quote(self.path_in_repo(path), safe="")
        return f"{self._api_route('tree')}/{folder}" if folder else self._api_route("tree")

    @property
    def commit_route(self) -> str:
        """Where commits are sent."""
        return self._api_route("commit")

    @property
    def revision_route(self) -> str:
        """Where the revision's commit is told."""
        return self._api_route("revision")

    def _api_route(self, what: str) -> str:
        return f"api/{self.kind}s/{self.repo}/{what}/{quote(self.revision, safe='')}"


def parse_hub_root(root: str) -> HubAddress:
    """Read ``hf://org/repo[@revision][/folder]`` or ``hf://datasets/org/repo…``.

    Raises:
        StoreError: It names no repository that keeps commits.
    """
    text = root.rstrip("/")
    match = _ROOT.fullmatch(text.removeprefix(_SCHEME))
    if match is None:
        raise StoreError(
            "This is no model or dataset repository on the Hugging Face Hub.",
            where=root,
            hint="Write hf://ORG/REPO, hf://ORG/REPO/FOLDER or hf://datasets/ORG/REPO.",
        )
    folder = match["folder"] or ""
    if any(part in {"", ".", ".."} for part in folder.split("/") if folder):
        raise StoreError("The root's folder has an empty part, or one of dots.", where=root)
    return HubAddress(
        root=text,
        kind=_KINDS[match["kind"] or "models"],
        repo=match["repo"],
        revision=unquote(match["revision"] or "main"),
        folder=folder,
    )
