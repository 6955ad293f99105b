"""What the command ``nemo-evaluator`` does of itself, held against the real one in tests/readers.

It lists the tasks of the stand-in harness, runs its command, and writes results.yml.
``DOUBLE`` in the environment makes it end as it should not.
"""

import os
import signal
import subprocess
import sys
from json import loads
from pathlib import Path

import yaml

STANDIN = Path(__file__).parents[1] / "standin"


def list_tasks(tasks):
    sys.stderr.write("[I] Total harness packages discovered: 2 logger=nemo_evaluator.core.input\n")
    if os.environ.get("DOUBLE") == "no-harness":
        sys.exit("NO evaluation packages are installed.")
    for harness, names in {"standin": tasks, "other": ["spelling"]}.items():
        sys.stdout.write("\n".join([f"{harness}: ", *(f"  * {name}" for name in names), ""]))


def run_eval(request, defaults):
    settings, endpoint = request["config"], request["target"]["api_endpoint"]
    folder, task = Path(settings["output_dir"]), settings["type"].rpartition(".")[2]
    wrong = os.environ.get("DOUBLE")
    if wrong == "hang":
        signal.pause()
    if wrong == "nothing":
        return
    assert endpoint["type"] in defaults[task]["config"]["supported_endpoint_types"]
    limit = str(settings["params"].get("limit_samples"))
    words = [endpoint["url"], endpoint["model_id"], task, limit, str(folder)]
    subprocess.run([sys.executable, STANDIN / "ask.py", *words], check=True)
    counted = loads((folder / "counted.json").read_text())
    value = {"micro": {"value": counted["share"], "stats": {"count": counted["asked"]}}}
    whole = {task: {"metrics": {"score": {"scores": value}}}}
    first = {"first": {"metrics": {"exact_match": {"scores": {"exact_match": {"value": 1.0}}}}}}
    versioning = {**request["metadata"]["versioning"], "nemo_evaluator": "0.0.0"}
    results = {"results": {"tasks": whole | first, "groups": whole}}
    document = {**results, "metadata": {"versioning": versioning}}
    (folder / "results.yml").write_text(yaml.safe_dump(document))


def main():
    framework = yaml.safe_load((STANDIN / "core_evals/standin/framework.yml").read_text())
    defaults = {each["name"]: each["defaults"] for each in framework["evaluations"]}
    if sys.argv[1:] == ["ls"]:
        list_tasks(list(defaults))
        return
    command, option, file = sys.argv[1:]
    assert (command, option) == ("run_eval", "--run_config")
    run_eval(yaml.safe_load(Path(file).read_text()), defaults)


if __name__ == "__main__":
    main()
