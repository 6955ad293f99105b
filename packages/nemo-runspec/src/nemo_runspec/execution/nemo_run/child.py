"""Start the process that has NeMo-Run in it: bounded in time, with nobody to ask."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from nemo_runspec.errors import ExecutionError, MissingDependencyError, NemotronError
from nemo_runspec.execution.nemo_run.library import INSTALL
from nemo_runspec.execution.nemo_run.relayed_errors import heard
from nemo_runspec.explaining import last_line
from nemo_runspec.packaging.code.ssh.process import Finished, TooSlowError, run_bounded
from nemo_runspec.redaction import redact_text
from nemo_runspec.url_secrets import REDACTED

RENDER = "nemo_runspec.execution.nemo_run.render"
START = "nemo_runspec.execution.nemo_run.start"
ASK = "nemo_runspec.execution.jobs.engines.answering"
HOME_VARIABLE = "NEMORUN_HOME"
_TIME_LIMIT_S = 300.0
# Of this process's variables those go on that say where things are, and none with a secret.
_KEPT = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ"),
    *("LD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE"),
    *("KUBECONFIG", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"),
)
# Whoever speaks to an engine needs the network, and this machine's logins there.
_NETWORK = (
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)
_LOGINS = ("AWS_", "AZURE_", "CLOUDSDK_", "GOOGLE_", "LEPTON_", "OCI_", "SKYPILOT_")


def require_nemo_run() -> None:
    """Check that NeMo-Run is installed, without importing it.

    Raises:
        MissingDependencyError: It is not.
    """
    if importlib.util.find_spec("nemo_run") is None:
        raise MissingDependencyError(
            "Jobs are submitted through NeMo-Run, which is not installed.",
            hint=f"Install it with: {INSTALL}",
        )


def run_with_nemo_run(
    module: str,
    request: Path,
    home: Path,
    *,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = _TIME_LIMIT_S,
) -> Finished:
    """Run one of our modules that imports NeMo-Run, and wait for its end.

    What it prints is kept for the case that it fails.

    Args:
        module: The module's name.
        request: The file that says what it is to do.
        home: NeMo-Run's folder.
        environment: Variables beside the few that say where things are.
        timeout_s: How long it may take.

    Raises:
        MissingDependencyError: NeMo-Run is not installed.
        ExecutionError: It failed, or did not end in time.
        NemotronError: What of ours failed in it.
    """
    require_nemo_run()
    try:
        done = run_bounded(
            [sys.executable, "-W", "ignore", "-m", module, str(request), str(home)],
            timeout_s=timeout_s,
            cwd=request.parent,
            environment={**child_environment(module, home), **(environment or {})},
        )
    except TooSlowError as error:
        raise ExecutionError(
            f"NeMo-Run did not end within {timeout_s:g} s.",
            hint="Try again when this machine is less busy.",
        ) from error
    if done.code != 0:
        raise explain(done, hidden=(environment or {}).values())
    return done


def child_environment(module: str, home: Path) -> dict[str, str]:
    """What one of our modules that imports NeMo-Run gets of this process's environment.

    Args:
        module: The module's name.
        home: NeMo-Run's folder.
    """
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    if module != RENDER:
        wanted = (name for name in os.environ if name in _NETWORK or name.startswith(_LOGINS))
        kept |= {name: os.environ[name] for name in wanted}
    return {**kept, HOME_VARIABLE: str(home)}


def explain(done: Finished, *, hidden: Iterable[str]) -> NemotronError:
    """Say why a process with NeMo-Run in it failed: our own error, or the last that it printed.

    Args:
        done: How it ended.
        hidden: Values that nobody is to see.
    """
    own = heard(done.stderr)
    if own is not None:
        return own
    last = last_line(_hidden(done.stderr, hidden)) or f"exit code {done.code}"
    error = ExecutionError(
        f"NeMo-Run could not do it: {last}.", hint="Add --debug to see all that it printed."
    )
    error.add_note(_hidden(f"{done.stdout}\n{done.stderr}", hidden))
    return error


def _hidden(printed: str, values: Iterable[str]) -> str:
    """What was printed, without any value that the process was given."""
    for value in sorted(filter(None, values), key=len, reverse=True):
        printed = printed.replace(value, REDACTED)
    return redact_text(printed)
