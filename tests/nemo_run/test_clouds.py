"""Jobs of clouds and Kubernetes: what they are given, print and end with, and what stays behind.

The engines are stand-ins on the loopback interface that start jobs as processes of this machine;
what speaks to them is NeMo-Run and the engines' own clients.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cloud_doubles import dgxcloud, kubernetes, lepton
from cloud_doubles.containers import Container, write_tools
from cloud_doubles.serving import Cloud, serving
from leptonai.api.v1.types.job import LeptonJobState
from nemo_run.core.execution.dgxcloud import DGXCloudState
from slurm_recipes import KEY, NASTY, make_plan

from nemo_runspec.errors import ProfileError, TransferError
from nemo_runspec.execution.jobs import JobRecord, JobStatus
from nemo_runspec.execution.jobs.engine import EngineBackend
from nemo_runspec.execution.jobs.engines.answering import Asked
from nemo_runspec.execution.jobs.following import Follower, Listener, Pace
from nemo_runspec.execution.jobs.output import read_local_files
from nemo_runspec.execution.jobs.status import OutputPosition
from nemo_runspec.execution.nemo_run.scrubbing import scrub
from nemo_runspec.execution.profiles import read_profile
from nemo_runspec.execution.submission import prepare_submission, submit
from nemo_runspec.run_result import RunResult
from nemotron.cli.job_end import end_of_job
from nemotron.cli.job_panels import completion_panel
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
# What a job's only container is called, where a test started it.
NAMES = ("w-pod", "w-0-abcde")
_READS = 100


@dataclass
class Place:
    """Somebody's folder, and the cloud that its profile leads to."""

    folder: Path
    executor: str
    cloud: Any
    logins: dict[str, str]

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


def status_of(asked: Asked) -> JobStatus:
    """What the process that the command asks would answer."""
    return JobStatus(**asked.answer({"do": "status"}))


def printed_by(asked: Asked, read: int = 0) -> str:
    """All that it would tell of the output of a job with one container, behind a position."""
    positions = dict.fromkeys(NAMES, read)
    printed = b""
    # On a busy machine the first of it may come later than a reader waits.
    for _ in range(_READS):
        parts = asked.answer({"do": "read", "positions": positions})["parts"]
        news = b"".join(base64.b64decode(data) for _name, _start, data in parts)
        if printed and not news:
            break
        printed += news
        positions |= {name: at + len(base64.b64decode(data)) for name, at, data in parts}
    return printed.decode()


def record_of(run_dir: Path, handle: str) -> JobRecord:
    """A job of Kubeflow that somebody else started."""
    return JobRecord(
        id="demo/1",
        recipe="demo",
        output="demo-model",
        run_dir=run_dir,
        profile="lab",
        executor="kubeflow",
        mode="batch",
        submitted_at="2026-11-21T10:00:00+00:00",
        job_dir="/data/jobs/demo",
        log_pattern="/data/jobs/demo/log_*.out",
        scheduler_id=handle,
    )


def handle_of(place: Place) -> str:
    """What a job is called that is there, or is not."""
    return {
        "dgxcloud": f"{place.cloud.url}/api/v1/workloads/trainings/w",
        "lepton": "lepton://w",
        "kubeflow": "kubeflow://team/w",
        "kuberay": "kuberay://team/w",
    }[place.executor]


@pytest.fixture
def place(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    logins: dict[str, str],
) -> Iterator[Place]:
    """The folder of somebody with logins, and a profile of the executor that the test is for."""
    executor = request.param
    tools = write_tools(tmp_path / "tools")
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "DEMO_API_KEY": KEY,
        "DGX_CLIENT_SECRET": SECRET,
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
        yield Place(tmp_path, executor, cloud, logins)


@pytest.mark.parametrize("place", EXECUTORS, indirect=True)
def test_a_job_is_given_what_it_needs_told_of_as_it_ends_and_leaves_no_secret(
    place: Place,
) -> None:
    secrets = [KEY, SECRET, dgxcloud.TOKEN, lepton.TOKEN]
    secrets += [place.logins["WANDB_API_KEY"], place.logins["HF_TOKEN"]]
    written: list[Path] = []
    # While it is submitted there are files that are gone afterwards.
    place.cloud.meanwhile = lambda: written.extend(scrub(place.folder / ".nemotron", secrets))
    record = place.submit("code=7")
    place.cloud.meanwhile = None
    assert place.cloud.asked
    asked = Asked(str(record.scheduler_id), LOGIN)
    place.container.wait()

    printed = place.container.printed.decode()
    [seen] = (place.folder / "volume").rglob("seen-0.json")
    found = json.loads(seen.read_text())["environment"]
    said = {"lower_case": "as it is", "NASTY": NASTY, "DEMO_API_KEY": KEY}
    wanted = {**said, **place.logins}
    assert {name: found.get(name) for name in wanted} == wanted, printed

    ended = status_of(asked)
    tells_the_code = place.executor in {"kubeflow", "kuberay"}
    assert (ended.state, ended.exit_code) == ("failed", 7 if tells_the_code else None)
    assert ended.reason is not None
    if place.executor == "dgxcloud":
        # This machine sees the volume, which NeMo-Run's own script prints into.
        with EngineBackend() as backend:
            assert backend.status(record).exit_code == 7
        assert "steps 3\n" in read_local_files(record.log_pattern, OutputPosition()).data.decode()
    else:
        assert printed_by(asked) == printed
    assert "steps 3\n" in printed

    seen.unlink()  # what the job itself wrote down
    assert written == []
    assert scrub(place.folder / ".nemotron", secrets) == ()
    assert scrub(place.folder / "volume", secrets) == ()

    asked.answer({"do": "end"})
    assert place.cloud.asked[-1].method == "DELETE"
    assert status_of(asked).state == "lost"
    asked.answer({"do": "end"})  # one that is gone is left alone


@pytest.mark.parametrize("place", ["kubeflow"], indirect=True)
def test_the_command_shows_what_a_pod_prints_and_ends_as_it_does(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_plan(place.folder)
    monkeypatch.setenv("NEMOTRON_RECIPES", str(place.folder))

    code = main(["demo", "train", "--run", "lab", "code=7"])

    said = capsys.readouterr()
    assert code == 7, said.err
    assert "\nsteps 3\n" in said.out
    assert "It failed (exit code 7 of demo-train-" in said.out
    assert KEY not in said.out + said.err

    assert main(["jobs", "logs"]) == 0
    assert capsys.readouterr().out == place.container.printed.decode()

    # Either release of the trainer mounts the volume.
    [request] = place.cloud.requests("POST", kubernetes.TRAIN_JOBS)
    spec = request.body["spec"]
    [older], [newer] = spec["podTemplateOverrides"], spec["runtimePatches"]
    [job] = newer["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    assert job == {"name": "node", "template": {"spec": {"template": {"spec": older["spec"]}}}}
    [container] = older["spec"]["containers"]
    assert str(place.folder / "volume") in {item["mountPath"] for item in container["volumeMounts"]}


@pytest.mark.parametrize(
    ("root", "told"),
    [
        ("s3://team/store", "nemotron artifacts show demo-model --root s3://team/store"),
        (None, "not recorded: artifacts.manifest.root is not set"),
    ],
)
def test_a_result_that_this_machine_does_not_see_is_said_to_be_elsewhere(
    tmp_path: Path, root: str | None, told: str
) -> None:
    record = replace(record_of(tmp_path, "kubeflow://team/w"), manifest_root=root)
    end = end_of_job(record, JobStatus("succeeded", 0), RunResult(), (), tmp_path)
    assert completion_panel(end).rows == [
        ("Result:", "/data/jobs/demo on kubeflow, not seen from here"),
        ("Artifact:", told),
    ]
    assert end.as_dict()["manifest_missing"] == "not seen from here: it is on kubeflow"


@pytest.mark.parametrize("place", ["kubeflow"], indirect=True)
def test_an_outage_is_told_and_survived(place: Place) -> None:
    place.cloud.run("w", ["sh", "-c", "echo one; echo two"])
    place.container.wait()
    place.cloud.down = True
    told: list[str] = []
    printed = bytearray()

    def tell(sentence: str) -> None:
        told.append(sentence)
        place.cloud.down = False

    record = record_of(place.folder, handle_of(place))
    with EngineBackend() as backend:
        pace = Pace(retry_s=0.01)
        ended = Follower(record, backend, Listener(printed.extend, tell), pace).follow()

    assert ended.state == "succeeded"
    assert printed == b"one\ntwo\n"
    assert re.fullmatch(
        r"The cluster at http://127\.0\.0\.1:\d+ does not answer: Remote end closed connection "
        r"without response\. The job goes on; trying again until it answers\.",
        told[0],
    )


@pytest.mark.parametrize("place", ["kubeflow", "lepton"], indirect=True)
def test_output_whose_connection_was_closed_goes_on_where_it_was(place: Place) -> None:
    place.cloud.run("w", ["sh", "-c", "echo one; while [ ! -e go ]; do sleep 0.05; done; echo two"])
    place.container.cut = True
    asked = Asked(handle_of(place), LOGIN)
    assert printed_by(asked) == "one\n"
    (place.folder / "go").touch()
    place.container.wait()
    assert printed_by(asked, read=4) == "two\n"


@pytest.mark.parametrize("place", ["dgxcloud"], indirect=True)
def test_the_login_of_dgx_cloud_is_read_when_it_is_needed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.cloud.run("w", ["sleep", "60"])
    # Nothing but the login is needed of the profile.
    monkeypatch.delenv("DEMO_API_KEY")
    run_dir = place.folder / ".nemotron/runs/demo/1"
    run_dir.mkdir(parents=True)
    record = replace(record_of(run_dir, handle_of(place)), executor="dgxcloud")
    with EngineBackend() as backend:
        running = backend.status(record)
        assert running.state == "running"
        assert running.reason is not None
        assert "/data/jobs/demo/log_*.out there" in running.reason
        backend.cancel(record)
        assert place.cloud.workloads == {}
        assert backend.status(record).state == "cancelled"

        monkeypatch.delenv("DGX_CLIENT_SECRET")
        with pytest.raises(ProfileError, match="DGX_CLIENT_SECRET"):
            backend.status(record)
        file = place.folder / "env.toml"
        file.write_text(re.sub("client_secret = .*", "", file.read_text()))
        with pytest.raises(ProfileError, match="has no 'client_secret' any more"):
            backend.status(record)
    assert scrub(run_dir, [SECRET]) == ()


@pytest.mark.parametrize("place", EXECUTORS, indirect=True)
def test_an_engine_that_does_not_answer_is_an_error_that_may_pass(place: Place) -> None:
    asked = Asked(handle_of(place), LOGIN)
    assert status_of(asked).state == "lost"
    place.cloud.down = True
    for do in ("status", "end"):
        with pytest.raises(TransferError, match=r"(Lepton|at http://127.+) does not answer: \S+"):
            asked.answer({"do": do})
    place.cloud.down = False
    assert status_of(asked).state == "lost"


@pytest.mark.parametrize("place", ["dgxcloud"], indirect=True)
def test_every_phase_of_dgx_cloud_has_a_meaning(place: Place) -> None:
    place.cloud.run("w", ["true"])
    asked = Asked(handle_of(place), LOGIN)
    meant = {}
    for phase in DGXCloudState:
        place.cloud.phase = phase
        status = status_of(asked)
        assert status.scheduler_state == phase.value
        meant[phase.value] = status.state
    assert meant == {
        **dict.fromkeys(("Creating", "Initializing", "Pending", "Resuming"), "pending"),
        **dict.fromkeys(("Running", "Updating", "Degraded"), "running"),
        **dict.fromkeys(("Stopping", "Deleting", "Terminating"), "running"),
        "Stopped": "cancelled",
        "Failed": "failed",
        "Completed": "succeeded",
        "Unknown": "unknown",
    }


@pytest.mark.parametrize("place", ["dgxcloud"], indirect=True)
def test_a_token_of_dgx_cloud_that_ran_out_is_asked_for_again(place: Place) -> None:
    place.cloud.run("w", ["true"])
    asked = Asked(handle_of(place), LOGIN)
    assert status_of(asked).state != "lost"
    place.cloud.token = f"{dgxcloud.TOKEN}-2"
    assert status_of(asked).state != "lost"
    wrong = Asked(handle_of(place), {**LOGIN, "client_secret": "another"})
    with pytest.raises(
        TransferError, match=r"DGX Cloud at \S+ refuses the login \(HTTP 401\)"
    ) as caught:
        status_of(wrong)
    assert "another" not in str(caught.value)


@pytest.mark.parametrize("place", ["lepton"], indirect=True)
def test_every_state_of_lepton_has_a_meaning(place: Place) -> None:
    place.cloud.run("w", ["true"])
    asked = Asked(handle_of(place), LOGIN)
    meant = {}
    for state in LeptonJobState:
        place.cloud.said = {"state": state, "ready": 1, "active": 1, "succeeded": 1}
        status = status_of(asked)
        assert status.scheduler_state == state.value
        meant[state.name] = status.state
    assert meant == {
        **dict.fromkeys(("Starting", "Queueing", "Awaiting"), "pending"),
        **dict.fromkeys(("PendingRetry", "Restarting"), "pending"),
        **dict.fromkeys(("Running", "Stopping", "Deleting"), "running"),
        **dict.fromkeys(("Completed", "Archived"), "succeeded"),
        **dict.fromkeys(("Stopped", "Deleted"), "cancelled"),
        "Failed": "failed",
        "Unknown": "unknown",
    }
    place.cloud.said = {"state": LeptonJobState.Archived, "failed": 1}
    assert status_of(asked).state == "failed"
    place.cloud.said = {"state": LeptonJobState.Running, "ready": 1, "active": 2}
    assert status_of(asked).reason == "1 of 2 workers are ready."
    place.cloud.said = {"state": LeptonJobState.Failed}
    assert status_of(asked).reason == "Lepton says so: BackoffLimitExceeded."


@pytest.mark.parametrize("place", ["kuberay"], indirect=True)
def test_what_operators_of_kubernetes_write_down_has_a_meaning(place: Place) -> None:
    asked = Asked(handle_of(place), LOGIN)
    place.cloud.run("w", ["true"], kind="RayJob")
    for said, wanted in RAY_JOBS:
        place.cloud.said = said
        status = status_of(asked)
        assert (status.state, status.exit_code, status.reason) == wanted
    place.cloud.waiting = "ImagePullBackOff"
    place.cloud.said = {"jobDeploymentStatus": "Initializing", "rayClusterName": "w"}
    assert status_of(asked).reason == "ImagePullBackOff: back-off of nemo."

    trained = Asked("kubeflow://team/w", LOGIN)
    place.cloud.waiting = None
    for said, state in TRAIN_JOBS:
        place.cloud.said = said
        assert status_of(trained).state == state


RAY_JOBS: list[tuple[dict[str, Any], tuple[str, int | None, str | None]]] = [
    ({}, ("pending", None, None)),
    ({"jobStatus": "RUNNING", "jobDeploymentStatus": "Running"}, ("running", None, None)),
    ({"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"}, ("succeeded", 0, None)),
    ({"jobStatus": "STOPPED"}, ("cancelled", None, None)),
    ({"jobStatus": "FAILED", "jobDeploymentStatus": "Retrying"}, ("pending", None, None)),
    (
        {
            "jobStatus": "FAILED",
            "jobDeploymentStatus": "Failed",
            "message": "Job entrypoint command failed with exit code -9, last available logs",
        },
        ("failed", 137, "SIGKILL ended it (exit code 137)."),
    ),
    (
        {"jobStatus": "", "jobDeploymentStatus": "Failed", "reason": "DeadlineExceeded"},
        ("failed", None, "DeadlineExceeded."),
    ),
    ({"jobStatus": "FAILED"}, ("failed", None, "KubeRay says so.")),
]
TRAIN_JOBS: list[tuple[dict[str, Any], str]] = [
    ({}, "pending"),
    ({"conditions": [{"type": "Suspended", "status": "True"}]}, "pending"),
    ({"jobsStatus": [{"name": "node", "active": 1}]}, "running"),
    ({"jobsStatus": [{"name": "node", "failed": 1}]}, "failed"),
    ({"conditions": [{"type": "Failed", "status": "True", "message": "late"}]}, "failed"),
    ({"conditions": [{"type": "Failed", "status": "False"}]}, "pending"),
    ({"conditions": [{"type": "Complete", "status": "True"}]}, "succeeded"),
]
