"""What the processes of a real Slurm see: their variables, and a Ray cluster of their own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from slurm_cluster import SlurmCluster
from slurm_commands import PROFILES, Workplace, make_workplace, write

TOKEN = "hf_" + "a1B2" * 8
KEY = "0123456789abcdef" * 3
OTHER = "dt_9876543210"
LITERAL, TYPED = "written 'out'", "typed-by-hand"
EXACT = {
    "lower": "a b",
    "QUOTES": 'it\'s "so"',
    "DOLLAR": "$HOME ${HOME} $(exit 3) `exit 3`",
    "LINES": "one\ntwo\n",
    "UNICODE": "üñ→😀",
    "BACKSLASH": "a\\nb\\",
    "EMPTY": "",
}
# A literal string of TOML has no escapes; NAME of the job's own interpolation is kept with one.
_VARIABLES = "".join(
    f"{name} = {json.dumps(value.replace('${', chr(92) + '${'), ensure_ascii=False)}\n"
    for name, value in EXACT.items()
)
_SEE = """
# /// script
# dependencies = ["nemo-runspec"]
# [tool.runspec]
# schema = "1"
# name = "demo/see"
# [tool.runspec.run]
# packager = "self_contained"
# [tool.runspec.config]
# dir = "config/see"
# ///
import json
import os
from pathlib import Path

from nemo_runspec.config import load_omegaconf_yaml, parse_config_and_overrides

config = load_omegaconf_yaml(parse_config_and_overrides()[0])
Path(config.seen).write_text(json.dumps(dict(os.environ)))
"""
_RAY = """
# /// script
# dependencies = ["nemo-runspec", "ray"]
# [tool.runspec]
# schema = "1"
# name = "demo/ray"
# [tool.runspec.run]
# launch = "ray"
# packager = "self_contained"
# [tool.runspec.config]
# dir = "config/see"
# [tool.runspec.resources]
# nodes = 2
# ///
import json
import os
import sys
from pathlib import Path

import ray

from nemo_runspec.config import load_omegaconf_yaml, parse_config_and_overrides


@ray.remote(num_cpus=1)
def look():
    import time

    time.sleep(2)
    return dict(os.environ)


def main():
    config = load_omegaconf_yaml(parse_config_and_overrides()[0])
    ray.init()
    seen = ray.get([look.remote() for _ in range(2)])
    Path(config.seen).write_text(json.dumps(seen))
    sys.exit(config.code)


if __name__ == "__main__":
    main()
"""


@pytest.fixture(params=PROFILES)
def workplace(request: pytest.FixtureRequest, cluster: SlurmCluster, tmp_path: Path) -> Workplace:
    return prepared(make_workplace(tmp_path, cluster, request.param))


@pytest.fixture
def place(cluster: SlurmCluster, tmp_path: Path) -> Workplace:
    return prepared(make_workplace(tmp_path, cluster, "far"))


def prepared(place: Workplace) -> Workplace:
    """Recipes that look, variables in the profile, and somebody who is logged in everywhere."""
    write(place.folder / "recipes/demo/see.py", _SEE)
    write(place.folder / "recipes/demo/on_ray.py", _RAY)
    seen = place.folder / "seen.json"
    write(place.folder / "recipes/demo/config/see/default.yaml", f"seen: {seen}\ncode: 0\n")
    with (place.folder / "env.toml").open("a") as file:
        file.write(f'\n[here.env_vars]\n{_VARIABLES}OTHER_NAME = "${{oc.env:MY_DATA_TOKEN}}"\n')
        file.write(f'A_TOKEN = "{LITERAL}"\n')
    home = place.folder / "home"
    write(home / ".cache/huggingface/token", TOKEN)
    more = {"HF_HOME": str(home / ".cache/huggingface"), "WANDB_API_KEY": KEY}
    shell = {"MY_DATA_TOKEN": OTHER, "OF_THE_SHELL": "alone"}
    return Workplace(
        place.folder, place.cluster, place.profile, {**place.environment, **more, **shell}
    )


def seen_by(place: Workplace) -> Any:
    return json.loads((place.folder / "seen.json").read_text())


def given(environ: dict[str, str]) -> dict[str, str | None]:
    secrets = ("HF_TOKEN", "WANDB_API_KEY", "OTHER_NAME", "A_TOKEN", "MY_PASS")
    return {name: environ.get(name) for name in (*EXACT, *secrets)}


LOGINS = {"HF_TOKEN": TOKEN, "WANDB_API_KEY": KEY, "OTHER_NAME": OTHER}
EXPECTED = EXACT | LOGINS | {"A_TOKEN": LITERAL, "MY_PASS": TYPED}


def test_variables_and_logins_reach_the_job_and_no_file(workplace: Workplace) -> None:
    done = workplace.run("demo", "see", f"run.env.env_vars.MY_PASS={TYPED}")

    assert done.code == 0, done.out + done.err
    environ = seen_by(workplace)
    assert given(environ) == EXPECTED
    assert not {"OF_THE_SHELL", "MY_DATA_TOKEN"} & set(environ)
    assert files_with_secrets(workplace) == {"seen.json", "token", "env.toml"}
    assert not [
        text
        for text in (done.out, done.err)
        if any(each in text for each in (TOKEN, OTHER, LITERAL, TYPED))
    ]


def files_with_secrets(place: Workplace) -> set[str]:
    secrets = [text.encode() for text in (TOKEN, KEY, OTHER, LITERAL, TYPED)]
    files = (Path(folder, name) for folder, _, names in os.walk(place.folder) for name in names)
    return {
        file.name
        for file in files
        if file.is_file() and any(secret in file.read_bytes() for secret in secrets)
    }


@pytest.mark.xdist_group("ray")
def test_a_ray_job_has_a_cluster_over_its_machines(place: Workplace) -> None:
    store = f"--object-store-memory={80 << 20}"

    options = f"+run.env.env_vars.NEMOTRON_RAY_OPTIONS='{store}'"
    done = place.run("demo", "ray", "code=3", options, f"run.env.env_vars.MY_PASS={TYPED}")

    assert done.code == 3, done.out + done.err
    seen = seen_by(place)
    # Ray itself would change a value that it handed on; these come with the processes.
    assert [given(environ) for environ in seen] == [EXPECTED] * 2
    assert {environ["SLURMD_NODENAME"] for environ in seen} == {"n1", "n2"}
