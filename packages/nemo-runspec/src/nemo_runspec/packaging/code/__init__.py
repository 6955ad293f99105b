"""Code packaging: the working tree as git sees it, as an archive or on another machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.packaging.code.packager import CodePackager as CodePackager
    from nemo_runspec.packaging.code.ssh.sending import SentCode as SentCode
    from nemo_runspec.packaging.code.ssh.sending import prune_trees as prune_trees
    from nemo_runspec.packaging.code.ssh.target import SshTarget as SshTarget
    from nemo_runspec.packaging.code.tree import CodeTree as CodeTree
    from nemo_runspec.packaging.code.tree import TreeEntry as TreeEntry

EXPORTS = {
    "CodePackager": "nemo_runspec.packaging.code.packager:CodePackager",
    "CodeTree": "nemo_runspec.packaging.code.tree:CodeTree",
    "SentCode": "nemo_runspec.packaging.code.ssh.sending:SentCode",
    "SshTarget": "nemo_runspec.packaging.code.ssh.target:SshTarget",
    "TreeEntry": "nemo_runspec.packaging.code.tree:TreeEntry",
    "prune_trees": "nemo_runspec.packaging.code.ssh.sending:prune_trees",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
