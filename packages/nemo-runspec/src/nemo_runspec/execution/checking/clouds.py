"""What jobs of clouds need, as far as it can be seen from here."""

from __future__ import annotations

import http.client
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from nemo_runspec.execution.checking.model import Check, failed, passed, unknown
from nemo_runspec.execution.profiles.clouds import (
    DgxCloudProfile,
    LeptonProfile,
    SkypilotProfile,
)
from nemo_runspec.execution.profiles.model import Profile

_TIME_LIMIT_S = 10
_LEPTON_LOGIN = ".cache/lepton/workspace_info.yaml"
_LEPTON_WORKSPACE = "LEPTON_WORKSPACE_ID"
_DGX_NEEDS = (
    *("base_url", "kube_apiserver_url", "client_id", "client_secret", "project_name"),
    "pvc_nemo_run_dir",
)
_LEPTON_NEEDS = ("nemo_run_dir", "node_group")


def check_cloud(profile: SkypilotProfile | DgxCloudProfile | LeptonProfile) -> Iterator[Check]:
    """Look at what the profile must say, at the client and at the login."""
    if isinstance(profile, SkypilotProfile):
        yield _skypilot()
    elif isinstance(profile, DgxCloudProfile):
        yield from _needs(profile, _DGX_NEEDS)
        yield from _volume(profile)
        if profile.base_url is not None:
            yield _answers(profile.base_url)
    else:
        yield from _needs(profile, _LEPTON_NEEDS)
        yield _lepton_login()
    if profile.container_image is not None:
        yield unknown("image", f"{profile.container_image} is looked for when a job starts.")


def _needs(profile: Profile, names: tuple[str, ...]) -> Iterator[Check]:
    missing = [name for name in names if getattr(profile, name) is None]
    if missing:
        yield failed(
            "keys",
            f"The profile has no {', '.join(missing)}.",
            f"Write them under [{profile.name}].",
        )
        return
    yield passed("keys", "The profile has what the executor needs.")


def _volume(profile: DgxCloudProfile) -> Iterator[Check]:
    """NeMo-Run sends the job's files to a volume, which must hold the folder."""
    folder = profile.pvc_nemo_run_dir
    if folder is None:
        return
    places = [str(table.get("path", "")) for table in profile.pvcs]
    if any(Path(folder).is_relative_to(place) for place in places if place):
        yield passed("volume", f"{folder} lies on a volume.")
        return
    yield failed(
        "volume",
        f"No volume of 'pvcs' holds {folder}.",
        "Add { name = …, path = … } to 'pvcs', or move 'pvc_nemo_run_dir'.",
    )


def _answers(url: str) -> Check:
    parts = urlsplit(url)
    made = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = made(parts.hostname or "", parts.port, timeout=_TIME_LIMIT_S)
    try:
        connection.request("GET", parts.path or "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return failed("API", f"{url} does not answer: {reason}.", "Check the name and the network.")
    finally:
        connection.close()
    return passed("API", f"{url} answers.")


def _skypilot() -> Check:
    if importlib.util.find_spec("sky") is None:
        return failed(
            "SkyPilot",
            "It is not installed.",
            "Install it with: pip install 'nemo-run[skypilot]'",
        )
    return passed("SkyPilot", "It is installed; `sky check` tells which clouds it may use.")


def _lepton_login() -> Check:
    if os.environ.get(_LEPTON_WORKSPACE):
        return passed("login", f"{_LEPTON_WORKSPACE} names the workspace.")
    if (Path.home() / _LEPTON_LOGIN).is_file():
        return passed("login", "There is a login of Lepton's client.")
    return failed("login", "There is no login of Lepton's client.", "Log in with: lep login")
