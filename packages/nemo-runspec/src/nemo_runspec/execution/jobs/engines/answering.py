"""Ask about jobs that NeMo-Run started, or end them: run as a module, in a process of its own.

It reads one question a line from its standard input, and answers each with a line on its standard
output, until there are no more.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import IO, Any

from nemo_runspec.execution.jobs.engines.cluster import Cluster
from nemo_runspec.execution.jobs.engines.dgxcloud import DgxCloudJob
from nemo_runspec.execution.jobs.engines.engine import AskedJob
from nemo_runspec.execution.jobs.engines.kubeflow import KubeflowJob
from nemo_runspec.execution.jobs.engines.kuberay import KubeRayJob
from nemo_runspec.execution.jobs.engines.lepton import LeptonJob
from nemo_runspec.execution.jobs.engines.streams import Streams
from nemo_runspec.execution.jobs.engines.torchx import TorchxJob
from nemo_runspec.execution.nemo_run.handles import DGXCLOUD, KUBEFLOW, KUBERAY, LEPTON
from nemo_runspec.execution.nemo_run.relayed_errors import told

_IN_CLUSTERS: Mapping[str, Callable[[Cluster, str, str], AskedJob]] = {
    KUBEFLOW: KubeflowJob,
    KUBERAY: KubeRayJob,
}


class Asked:
    """One job that is asked about, perhaps often.

    Args:
        handle: What was written down that it is called.
        login: What its engine wants to know of who asks.
    """

    def __init__(self, handle: str, login: Mapping[str, str]) -> None:
        self._job, broken = open_job(handle, login)
        self._streams = Streams(broken)

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a question: ``status``, ``end`` or ``read``.

        Args:
            question: What to ``do``, and the ``positions`` to read behind.
        """
        if question["do"] == "status":
            return asdict(self._job.status())
        if question["do"] == "end":
            self._job.end()
            return {}
        news = self._streams.read(self._job.printed(), question["positions"])
        parts = [(name, start, base64.b64encode(data).decode()) for name, start, data in news]
        return {"parts": parts}


def open_job(handle: str, login: Mapping[str, str]) -> tuple[AskedJob, tuple[type[Exception], ...]]:
    """Find who knows about a job.

    Args:
        handle: What was written down that it is called.
        login: What its engine wants to know of who asks.

    Returns:
        The job, and the exceptions that its connections end with.
    """
    scheme, _, rest = handle.partition("://")
    if scheme in _IN_CLUSTERS:
        cluster = Cluster()
        namespace, _, name = rest.partition("/")
        return _IN_CLUSTERS[scheme](cluster, namespace, name), cluster.broken
    if scheme == LEPTON:
        job = LeptonJob(rest)
        return job, job.broken
    if scheme in DGXCLOUD:
        return DgxCloudJob(handle, login), ()
    return TorchxJob(handle), ()


def answer_all(questions: IO[str], answers: IO[str]) -> None:
    """Answer one question a line.

    Args:
        questions: Each names the job by its ``handle``, and has the ``login``.
        answers: Gets a line for each.
    """
    asked: dict[str, Asked] = {}
    for line in questions:
        question = json.loads(line)
        handle = question["handle"]
        if handle not in asked:
            asked[handle] = Asked(handle, question["login"])
        answers.write(f"{json.dumps(asked[handle].answer(question))}\n")
        answers.flush()


if __name__ == "__main__":
    # What else is printed goes where nobody takes it for an answer.
    own_output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with told():
        answer_all(sys.stdin, own_output)
    # Some of NeMo-Run's schedulers leave threads behind that never end.
    os._exit(0)
