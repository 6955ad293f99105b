"""A Ray job of KubeRay: what NeMo-Run asks Kubernetes for, and where the driver finds its code."""

from __future__ import annotations

from pathlib import Path

import pytest
from kubernetes.config import kube_config
from rendering.golden import matches

from nemo_runspec.execution import RecipeRequest, build_executor, plan_recipe, read_profile
from nemo_runspec.execution.nemo_run.start import give_secrets
from nemo_runspec.execution.submission import prepare_submission
from nemo_runspec.runspec import parse

GOLDEN = Path(__file__).parent / "golden"
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
users: [{name: test, user: {token: none}}]
"""
ENV = """\
[lab]
executor = "kuberay"
image = "rayproject/ray:2.46.0"
ray_version = "2.46.0"
namespace = "team"
nodes = 2
volumes = [{ name = "data", persistentVolumeClaim = { claimName = "data" } }]
volume_mounts = [{ name = "data", mountPath = "/data" }]

[lab.env_vars]
lower = 'a "b" $HOME'
"""
RECIPE = """\
# /// script
# dependencies = ["ray"]
# [tool.runspec]
# schema = "1"
# name = "demo/rl"
# [tool.runspec.run]
# launch = "ray"
# packager = "self_contained"
# ///
import ray
"""


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cluster that is never spoken to, and somebody with a login of the Hub."""
    config = tmp_path / "kubeconfig"
    config.write_text(KUBECONFIG)
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "Some.Body")
    monkeypatch.setenv("HF_TOKEN", "hf_$x")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)


def test_a_driver_is_started_where_its_code_is_put(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from nemo_run.run.ray.job import RayJob

    (tmp_path / "env.toml").write_text(ENV)
    (tmp_path / "recipe.py").write_text(RECIPE)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "default.yaml").write_text("steps: 1\n")
    recipe = parse(tmp_path / "recipe.py")
    plan = plan_recipe(RecipeRequest(recipe, cwd=tmp_path, profile="lab"))
    profile = read_profile(plan.job, recipe, name="lab")

    prepared = prepare_submission(plan, profile, mode="batch", folder=tmp_path / "runs" / "one")
    executor = build_executor(profile, env_vars={})
    give_secrets("kuberay", executor, prepared.environment.secrets)
    job = RayJob(name="demo-rl", executor=executor)
    launch = f"{prepared.place.seen_code_dir}/launch.sh"
    # What is synced is the experiment's folder, whose name the place on the volume ends with.
    sent = str(prepared.contents)
    job.start(command=f"bash {launch}", workdir=sent, dryrun=True)

    assert launch.startswith(f"/data/some-body/code/{Path(sent).name}/")
    assert "export lower='a \"b\" $HOME'" in prepared.launch_script
    assert "RAY_JOB_CONFIG_JSON_ENV_VAR" in prepared.launch_script
    assert "hf_$x" not in prepared.launch_script
    assert matches(GOLDEN / "kuberay_ray_job.yaml", capsys.readouterr().out)
