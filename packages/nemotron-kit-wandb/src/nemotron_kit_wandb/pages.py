"""Addresses of pages that people open. The client is imported for them, and asked nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import quote

from nemotron_kit_wandb.credentials import find_server


def artifact_page(
    owner: str, kind: str, name: str, version: str, environ: Mapping[str, str] | None = None
) -> str:
    """The page of one version.

    Args:
        owner: ``entity/project``.
        kind: W&B's type, such as ``model``.
        name: The artifact's name.
        version: Its version, such as ``v3``.
        environ: The environment; by default the process's own.
    """
    return _page(environ, owner, "artifacts", kind, name, version)


def run_page(owner: str, run_id: str, environ: Mapping[str, str] | None = None) -> str:
    """The page of a run; the client of 0.24 knows none after it had a disabled one.

    Args:
        owner: ``entity/project``.
        run_id: The run's id.
        environ: The environment; by default the process's own.
    """
    return _page(environ, owner, "runs", run_id)


def find_site(environ: Mapping[str, str] | None = None) -> str:
    """The address of W&B's pages, which the client makes of its server's.

    Args:
        environ: The environment; by default the process's own.
    """
    from wandb.util import api_to_app_url

    variables = os.environ if environ is None else environ
    site = variables.get("WANDB_APP_URL") or str(api_to_app_url(find_server(variables)))
    return site.rstrip("/")


def _page(environ: Mapping[str, str] | None, *parts: str) -> str:
    return "/".join((find_site(environ), *map(quote, parts)))
