"""Ray jobs of KubeRay, Lepton and DGX Cloud, as far as NeMo-Run renders them without an engine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from rendering.golden import matches

from nemo_runspec.errors import ExecutionError, ProfileError
from nemo_runspec.execution import load_profile
from nemo_runspec.execution.launching import LaunchRequest, render_launch_script
from nemo_runspec.execution.nemo_run.ray_jobs import place_ray_job, ray_job_name, start_ray_job

kube_config = pytest.importorskip("kubernetes.config.kube_config")

GOLDEN = Path(__file__).parent / "golden"
PROFILES = Path(__file__).parent / "profiles.toml"
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
users: [{name: test, user: {token: none}}]
"""
VARIABLES = {"lower": "a 'b' $HOME", "HF_TOKEN": "hf_x"}


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "kubeconfig"
    config.write_text(KUBECONFIG)
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "Some.Body")
    monkeypatch.setenv("NEMOTRON_ENV", str(PROFILES))
    monkeypatch.setenv("DGX_CLIENT_SECRET", "none")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sent = tmp_path / "20261121T000000Z-abc123"
    sent.mkdir()
    (sent / "main.py").write_text("")
    return sent


def test_a_job_of_kuberay(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    profile = load_profile("kuberay")

    start_ray_job(profile, name="demo-rl", folder=folder, env_vars=VARIABLES, dryrun=True)

    printed = capsys.readouterr().out
    place = place_ray_job(profile, name="demo-rl", folder=folder)
    assert place.workdir == "/data/some-body/code/20261121T000000Z-abc123"
    assert f"entrypoint: bash {place.workdir}/launch.sh" in printed
    assert matches(GOLDEN / "kuberay_ray_job.yaml", printed)


def test_a_job_of_dgx_cloud_starts_the_launch_script_on_its_head(
    folder: Path, tmp_path: Path
) -> None:
    from nemo_run.run.ray.dgxcloud import build_ray_bootstrap_script

    place = place_ray_job(load_profile("dgxcloud"), name="demo-rl", folder=folder)
    script = build_ray_bootstrap_script(place.command, gpus_per_node=8, num_nodes=2)

    assert place.workdir == "/workspace/nemo_run/demo-rl"
    assert "\n    bash /workspace/nemo_run/demo-rl/launch.sh\n    EXIT_CODE=$?\n" in script
    (tmp_path / "bootstrap.sh").write_text(script)
    assert subprocess.run(["bash", "-n", "bootstrap.sh"], check=False).returncode == 0
    assert matches(GOLDEN / "dgxcloud_ray_bootstrap.sh", script)


def test_a_job_of_lepton_runs_where_ray_puts_the_folder(folder: Path) -> None:
    place = place_ray_job(load_profile("lepton"), name="demo-rl", folder=folder)
    request = LaunchRequest(
        launch="ray",
        words=("main.py",),
        workdir=place.workdir,
        run_dir=place.workdir,
        executor="lepton",
        nodes=2,
    )
    (folder / "main.py").write_text("import os; print(os.getcwd())")
    (folder / "launch.sh").write_text(render_launch_script(request))

    done = subprocess.run(
        place.command.split(), cwd=folder, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout.strip()) == (0, str(folder)), done.stderr


def test_an_executor_without_ray_jobs_is_refused(folder: Path) -> None:
    with pytest.raises(ExecutionError, match="no Ray jobs on the executor 'docker'"):
        place_ray_job(load_profile("docker"), name="demo-rl", folder=folder)


def test_code_needs_a_volume(folder: Path) -> None:
    with pytest.raises(ProfileError, match="put on a volume, and the profile has none"):
        place_ray_job(load_profile("groups"), name="demo-rl", folder=folder)


@pytest.mark.parametrize(
    ("recipe", "stamp", "name"),
    [
        ("nano3/rl", "20261121T000000Z-abc123", "nano3-rl-0000z-abc123"),
        ("a" * 80, "20261121T000000Z-abc123", "a" * 21 + "-0000z-abc123"),
        ("Demo_X/y.z", "1", "demo-x-y-z-1"),
    ],
)
def test_names_are_those_that_kubernetes_takes(recipe: str, stamp: str, name: str) -> None:
    assert ray_job_name(recipe, stamp) == name
    assert len(name) <= 35
