"""The Kubernetes cluster of this machine's login, and what its pods tell of a job's end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from nemo_runspec.errors import TransferError
from nemo_runspec.execution.jobs.engines.engine import (
    SILENCE_LIMIT_S,
    TIME_LIMIT_S,
    Output,
    refused,
    unanswered,
)
from nemo_runspec.execution.jobs.reasons import SIGNAL_BASE, signal_name
from nemo_runspec.execution.jobs.status import JobStatus
from nemo_runspec.exports import require

_WANTED = "asking about a job"
_INDEX = "batch.kubernetes.io/job-completion-index"
_NOT_FOUND = 404

GONE = JobStatus("lost", reason="The cluster does not have the job any more.")


class Cluster:
    """A Kubernetes cluster.

    Raises:
        TransferError: There is no login.
    """

    def __init__(self) -> None:
        kubernetes = require("kubernetes", wanted=_WANTED, install="kubernetes")
        http = require("urllib3.exceptions", wanted=_WANTED)
        self.broken: tuple[type[Exception], ...] = (
            *(http.HTTPError, kubernetes.client.ApiException),
        )
        settings = kubernetes.client.Configuration()
        _log_in(kubernetes, settings)
        # Whoever asks comes again.
        settings.retries = False
        self._host = settings.host
        api = kubernetes.client.ApiClient(settings)
        self._core = kubernetes.client.CoreV1Api(api)
        self._objects = kubernetes.client.CustomObjectsApi(api)

    def find(self, kind: Mapping[str, str], namespace: str, name: str) -> dict[str, Any] | None:
        """Read a custom object; None where there is none.

        Args:
            kind: Its ``group``, ``version`` and ``plural``.
            namespace: Its namespace.
            name: Its name.
        """
        get = self._objects.get_namespaced_custom_object
        found: dict[str, Any] | None = self._ask(get, **kind, namespace=namespace, name=name)
        return found

    def delete(self, kind: Mapping[str, str], namespace: str, name: str) -> None:
        """Delete a custom object, where it is there; what belongs to it goes with it."""
        delete = self._objects.delete_namespaced_custom_object
        self._ask(delete, **kind, namespace=namespace, name=name)

    def pods(self, namespace: str, selector: str) -> list[Any]:
        """List the pods that have labels, by their index in the job."""
        listed = self._ask(
            self._core.list_namespaced_pod, namespace=namespace, label_selector=selector
        )
        return sorted([] if listed is None else listed.items, key=_order)

    def outputs(self, pods: Iterable[Any], container: str | None = None) -> dict[str, Output]:
        """Say how to read what the pods print, those that print something.

        Args:
            pods: The pods.
            container: Which of their containers; None for the first.
        """
        return {
            pod.metadata.name: Output(
                partial(self._open, pod, container), goes_on=pod.status.phase == "Running"
            )
            for pod in pods
            if pod.status.phase not in {None, "Pending"}
        }

    def _open(self, pod: Any, container: str | None) -> Iterator[bytes]:
        response = self._core.read_namespaced_pod_log(
            pod.metadata.name,
            pod.metadata.namespace,
            container=container or pod.spec.containers[0].name,
            follow=True,
            _preload_content=False,
            _request_timeout=(TIME_LIMIT_S, SILENCE_LIMIT_S),
        )
        chunks: Iterator[bytes] = response.stream(amt=None)
        return chunks

    def _ask(self, call: Callable[..., Any], **words: Any) -> Any:
        try:
            return call(**words, _request_timeout=TIME_LIMIT_S)
        except self.broken as error:
            code = getattr(error, "status", None)
            if code == _NOT_FOUND:
                return None
            place = f"The cluster at {self._host}"
            if code:
                raise refused(place, code, "Log in to the cluster again.") from error
            raise unanswered(place, error) from error


class ClusterJob:
    """A job that is a custom object of a cluster.

    Args:
        cluster: Its cluster.
        namespace: Its namespace.
        name: Its name.
    """

    kind: ClassVar[Mapping[str, str]]

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.name = name

    def find(self) -> dict[str, Any] | None:
        """Read it; None where the cluster does not have it any more."""
        return self.cluster.find(self.kind, self.namespace, self.name)

    def end(self) -> None:
        """Delete it, and what belongs to it."""
        self.cluster.delete(self.kind, self.namespace, self.name)

    def pods(self, selector: str) -> list[Any]:
        """List those of its pods that have labels."""
        return self.cluster.pods(self.namespace, selector)


def exit_of(pods: Iterable[Any], container: str | None = None) -> tuple[int | None, str | None]:
    """How the first pod that failed ended: its exit code, and a sentence.

    Args:
        pods: A job's pods.
        container: Which of their containers counts; None for all.
    """
    for pod in pods:
        for status in _containers(pod, container):
            ended = status.state.terminated or (status.last_state and status.last_state.terminated)
            if ended and ended.exit_code:
                return ended.exit_code, _how(pod, ended)
        if pod.status.phase == "Failed" and pod.status.reason:
            return None, _sentence(pod.status.reason, pod.status.message)
    return None, None


def waits_for(pods: Iterable[Any]) -> str | None:
    """Why pods do not run, in a sentence; None where nothing says so."""
    for pod in pods:
        for status in _containers(pod, None):
            waiting = status.state.waiting
            if waiting and waiting.reason not in {None, "ContainerCreating", "PodInitializing"}:
                return _sentence(waiting.reason, waiting.message)
        for condition in pod.status.conditions or ():
            if condition.type == "PodScheduled" and condition.status == "False":
                return _sentence(condition.reason, condition.message)
    return None


def _how(pod: Any, ended: Any) -> str:
    signal = signal_name(ended.exit_code - SIGNAL_BASE)
    if ended.reason not in {None, "Error"}:
        why = _sentence(ended.reason, ended.message).rstrip(".")
    else:
        why = "It failed" if signal is None else f"{signal} ended it"
    return f"{why} (exit code {ended.exit_code} of {pod.metadata.name})."


def _sentence(reason: str | None, message: str | None) -> str:
    said = ": ".join(part.strip() for part in (reason, message) if part)
    return f"{said.partition(chr(10))[0].rstrip('.')}."


def _containers(pod: Any, name: str | None) -> list[Any]:
    listed = pod.status.container_statuses or []
    return [item for item in listed if name in {None, item.name}]


def _order(pod: Any) -> tuple[int, str]:
    labels = pod.metadata.labels or {}
    return int(labels.get(_INDEX, 0)), pod.metadata.name


def _log_in(kubernetes: Any, settings: Any) -> None:
    try:
        kubernetes.config.load_kube_config(client_configuration=settings)
    except kubernetes.config.ConfigException as error:
        try:
            kubernetes.config.load_incluster_config(client_configuration=settings)
        except kubernetes.config.ConfigException:
            raise TransferError(
                f"There is no Kubernetes configuration: {str(error).rstrip('.')}.",
                hint="Log in to the cluster, or name the file in KUBECONFIG.",
            ) from error
