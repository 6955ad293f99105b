"""What jobs of a Kubernetes cluster need: the cluster, the namespace, the operator."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
from collections.abc import Iterator
from typing import Any

from nemo_runspec.execution.checking.model import Check, failed, passed, unknown
from nemo_runspec.execution.profiles.kubernetes import KubeflowProfile, KubeRayProfile

_TIME_LIMIT_S = 10
_FORBIDDEN = (401, 403)
_ABSENT = 404
_OPERATORS = {
    "kubeflow": ("trainer.kubeflow.org", "Kubeflow's Training Operator 2"),
    "kuberay": ("ray.io", "the KubeRay operator"),
}


def check_kubernetes(profile: KubeflowProfile | KubeRayProfile) -> Iterator[Check]:
    """Look at the client, the login, the namespace and the operator."""
    if importlib.util.find_spec("kubernetes") is None:
        yield failed(
            "client",
            "The package kubernetes is not installed.",
            "Install it with: pip install 'nemo-run[kubeflow]'",
        )
        return
    yield _kubectl()
    library: Any = importlib.import_module("kubernetes")
    settings = library.client.Configuration()
    # Of a cluster that does not answer it is enough to hear once.
    settings.retries = False
    try:
        library.config.load_kube_config(client_configuration=settings)
    except library.config.ConfigException as error:
        yield failed(
            "login",
            f"There is no Kubernetes configuration: {str(error).rstrip('.')}.",
            "Log in to the cluster, or name the file in KUBECONFIG.",
        )
        return
    yield from _cluster(library, library.client.ApiClient(settings), profile)
    if profile.container_image is not None:
        yield unknown("image", f"{profile.container_image} is looked for when a pod starts.")


def _cluster(library: Any, api: Any, profile: KubeflowProfile | KubeRayProfile) -> Iterator[Check]:
    group, operator = _OPERATORS[profile.executor]
    unreachable = importlib.import_module("urllib3.exceptions").HTTPError
    try:
        version = _once(library.client.VersionApi(api).get_code)
        yield passed("cluster", f"Kubernetes {version.git_version} answers.")
        groups = {item.name for item in _once(library.client.ApisApi(api).get_api_versions).groups}
        yield _operator(operator, found=group in groups)
        yield _namespace(library, api, profile.namespace)
    except library.client.ApiException as error:
        yield failed("login", f"The cluster refuses the login: {error.reason}.", "Log in again.")
    except unreachable as error:
        reason = type(getattr(error, "reason", None) or error).__name__
        yield failed("cluster", f"It does not answer: {reason}.", "Check the network and the VPN.")


def _kubectl() -> Check:
    if shutil.which("kubectl") is None:
        return failed(
            "kubectl",
            "It is not installed; NeMo-Run sends a job's files to the cluster with it.",
            "Install kubectl.",
        )
    return passed("kubectl", "It is installed.")


def _operator(name: str, *, found: bool) -> Check:
    if found:
        return passed("operator", f"The cluster has {name}.")
    return failed("operator", f"The cluster does not have {name}.", "Have it installed there.")


def _namespace(library: Any, api: Any, name: str) -> Check:
    core = library.client.CoreV1Api(api)
    try:
        _once(core.read_namespace, name)
    except library.client.ApiException as error:
        if error.status == _ABSENT:
            return failed("namespace", f"There is no namespace {name}.", "Correct 'namespace'.")
        if error.status in _FORBIDDEN:
            return unknown("namespace", f"{name} may not be looked at.")
        raise
    return passed("namespace", f"{name} is there.")


def _once(call: Any, *words: Any) -> Any:
    return call(*words, _request_timeout=_TIME_LIMIT_S)
