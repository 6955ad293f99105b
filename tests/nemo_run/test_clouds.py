"""Jobs of clouds and Kubernetes: what they are given, print and end with, and what stays behind.

The engines are stand-ins on the loopback interface that start jobs as processes of this machine;
what speaks to them is NeMo-Run and the engines' own clients.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cloud_doubles import dgxcloud, kubernetes, lepton
from cloud_doubles.containers import Container, write_tools
from cloud_doubles.serving import Cloud, serving
from slurm_recipes import KEY, NASTY, make_plan

from nemo_runspec.errors import TransferError
from nemo_runspec.execution.jobs import JobRecord, JobStatus
from nemo_runspec.execution.nemo_run.ask import Asked
from nemo_runspec.execution.nemo_run.scrubbing import scrub
from nemo_runspec.execution.profiles import read_profile
from nemo_runspec.execution.submission import prepare_submission, submit
from nemotron.cli.main import main

SECRET = dgxcloud.CLIENT["clientSecret"]
LOGIN = {"client_id": dgxcloud.CLIENT["clientId"], "client_secret": SECRET}
VARIABLES = """
[lab.env_vars]
lower_case = "as it is"
NASTY = {nasty}
DEMO_API_KEY = "${{oc.env:DEMO_API_KEY}}"
"""
VOLUME = """
volumes = [{{ name = "data", persistentVolumeClaim = {{ claimName = "data" }} }}]
volume_mounts = [{{ name = "data", mountPath = "{volume}" }}]
"""
PROFILES = {
    "dgxcloud": """
base_url = "{url}/api/v1"
kube_apiserver_url = "{url}"
client_id = "nemotron"
client_secret = "${{oc.env:DGX_CLIENT_SECRET}}"
project_name = "llm"
pvc_nemo_run_dir = "{volume}"
pvcs = [{{ name = "team", path = "{volume}" }}]
launched_from_cluster = true
""",
    "lepton": """
nemo_run_dir = "{volume}"
node_group = "h100"
resource_shape = "cpu.small"
storage_mounts = [{{ path = "/", mount_path = "{volume}", from = "node-nfs:team" }}]
""",
    "kubeflow": 'namespace = "team"\nworkdir_pvc = "data"\nworkdir_pvc_path = "{volume}"\n'
    + VOLUME,
    "kuberay": 'namespace = "team"\n' + VOLUME,
}
MAKE: dict[str, Callable[[Path], Cloud]] = {
    "dgxcloud": lambda tools: dgxcloud.DgxCloud(tools=tools),
    "lepton": lambda tools: lepton.Lepton(tools=tools),
    "kubeflow": lambda tools: kubernetes.Cluster(tools=tools),
    "kuberay": lambda tools: kubernetes.Cluster(tools=tools),
}
EXECUTORS = tuple(PROFILES)


@dataclass
class Place:
    """Somebody's folder, and the cloud that its profile leads to."""

    folder: Path
    executor: str
    cloud: Any

    @property
    def container(self) -> Container:
        """The job's container."""
        running = getattr(self.cloud, "containers", None) or self.cloud.workloads
        return list(running.values())[-1]

    def submit(self, *overrides: str) -> JobRecord:
        plan = make_plan(self.folder, *overrides)
        profile = read_profile(plan.job, plan.recipe, name="lab")
        run_dir = self.folder / ".nemotron/runs/demo-train/one"
        return submit(prepare_submission(plan, profile, mode="batch", folder=run_dir))


def asked_about(record: JobRecord) -> Asked:
    """What the process is that the command asks, in this process."""
    return Asked(str(record.scheduler_id), LOGIN)


def status_of(record: JobRecord) -> JobStatus:
    return JobStatus(**asked_about(record).answer({"do": "status"}))


@pytest.fixture
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """A folder with a profile of the executor that the test is for."""
    executor = request.param
    tools = write_tools(tmp_path / "tools")
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "DEMO_API_KEY": KEY,
        "DGX_CLIENT_SECRET": SECRET,
        "HOME": str(tmp_path),
        "LOGNAME": "me",
        "PATH": f"{tools}:{os.environ['PATH']}",
    }.items():
        monkeypatch.setenv(name, value)
    with ExitStack() as stack:
        cloud = stack.enter_context(serving(MAKE[executor](tools)))
        if isinstance(cloud, kubernetes.Cluster):
            file = cloud.kubeconfig(tmp_path / "kubeconfig")
            monkeypatch.setenv("KUBECONFIG", str(file))
            monkeypatch.setattr(
                "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file)
            )
        for name, value in getattr(cloud, "login", {}).items():
            monkeypatch.setenv(name, value)
        lines = PROFILES[executor].format(url=cloud.url, volume=tmp_path / "volume")
        head = f'[lab]\nexecutor = "{executor}"\ncontainer_image = "nemo:25"\n'
        variables = VARIABLES.format(nasty=json.dumps(NASTY))
        (tmp_path / "env.toml").write_text(head + lines + variables)
        yield Place(tmp_path, executor, cloud)


@pytest.mark.parametrize("place", EXECUTORS, indirect=True)
def test_a_job_gets_its_variables_exactly_and_nothing_that_is_kept_has_a_secret(
    place: Place,
) -> None:
    record = place.submit()
    place.container.wait()

    printed = place.container.printed.decode()
    assert "steps 3\n" in printed
    [seen] = (place.folder / "volume").rglob("seen-0.json")
    found = json.loads(seen.read_text())["environment"]
    wanted = {"lower_case": "as it is", "NASTY": NASTY, "DEMO_API_KEY": KEY}
    assert {name: found.get(name) for name in wanted} == wanted, printed
    assert status_of(record).state == "succeeded"
    tokens = (dgxcloud.TOKEN, lepton.TOKEN)
    seen.unlink()  # what the job itself wrote down
    assert scrub(place.folder / ".nemotron", [KEY, SECRET, *tokens]) == ()
    assert scrub(place.folder / "volume", [KEY, SECRET, *tokens]) == ()
