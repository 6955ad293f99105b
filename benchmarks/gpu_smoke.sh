#!/usr/bin/env bash
# Pretrain a tiny model on one GPU, fine-tune from its checkpoint, and check where the result says
# that it comes from. A report of the run is left in the folder.
#
# Usage: benchmarks/gpu_smoke.sh [FOLDER]
#
# PYTHON names the interpreter that has nemotron, torch and Megatron-Bridge (python3).
# Exit code: 0 all steps passed, 1 a step failed, 2 no nemotron, 3 no GPU, 4 no framework.
set -euo pipefail

python=${PYTHON:-python3}
tuned=nano3-sft-model-sample
pretrained=nano3-pretrain-model-sample

fail() {
    printf 'gpu_smoke: %s\n' "$2" >&2
    exit "$1"
}

# Says in one line why a piece of Python fails; nothing where it does not.
problem() {
    local said
    said=$("$python" -c "$1" 2>&1 >/dev/null) || printf '%s' "${said##*$'\n'}"
}

# require CODE PYTHON WHAT_IS_MISSING CURE
require() {
    local found
    found=$(problem "$2")
    [[ -z $found ]] || fail "$1" "$3 (${found}): $4."
}

require 2 'import nemotron, nemotron_data_prep, nemotron_kit_megatron' \
    "nemotron is not installed for $python" 'install nemotron[data,megatron]'
require 3 'import torch; assert torch.cuda.is_available(), "torch sees no CUDA device"' \
    'there is no GPU to run on' 'start this on a machine with a CUDA GPU and a torch built for it'
require 4 'import megatron.bridge.training.gpt_step' \
    'Megatron-Bridge cannot be imported' \
    'install it with Transformer Engine, or start this in its container'

folder=${1:-$(mktemp -d -t gpu_smoke.XXXXXX)}
mkdir -p "$folder/logs"
folder=$(cd "$folder" && pwd)
cd "$folder"
export NEMOTRON_ARTIFACTS_ROOT="$folder/artifacts"
unset NEMOTRON_ENV NEMOTRON_RUN_DIR

nemotron() {
    "$python" -m nemotron "$@"
}

timings=()

# Runs one step with a log of its own: step NAME WORD...
step() {
    local name=$1 log="$folder/logs/$1.log" start=$SECONDS
    shift
    printf '%s …\n' "$name"
    if ! nemotron "$@" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        fail 1 "The step $name failed; its log is $log."
    fi
    timings+=("| $name | $((SECONDS - start)) |")
}

step prepare-text nano3 data prep pretrain -c sample
step prepare-conversations nano3 data prep sft -c sample
step pretrain nano3 pretrain -c sample "checkpoint.save=$folder/pretrain"
step fine-tune nano3 sft -c sample "run.model=$pretrained:latest" "checkpoint.save=$folder/sft"

nemotron artifacts lineage "$tuned:latest" --direction up --json >lineage.json
"$python" - lineage.json "$pretrained" nano3-pretrain-data-sample nano3-sft-data-sample <<'PYTHON' ||
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    nodes = json.load(file)["nodes"]
names = {node["ref"].partition(":")[0] for node in nodes if node["node"] == "artifact"}
missing = set(sys.argv[2:]) - names
raw = [node for node in nodes if node["node"] == "raw"]
if missing or not raw:
    sys.exit(f"lineage.json lacks {', '.join(sorted(missing)) or 'the raw files'}")
PYTHON
    fail 1 "The lineage of $tuned is not whole; see $folder/lineage.json."

losses() {
    grep -oE 'lm loss: *[0-9.E+-]+' "$folder/logs/$1.log" | tail -n 1 || printf 'none was logged'
}

{
    printf '# A tiny run on a GPU\n\n%s\n\n' "$(date -u +%Y-%m-%d)"
    "$python" - <<'PYTHON'
import platform
from importlib.metadata import PackageNotFoundError, version

import torch

print("- GPU:", torch.cuda.get_device_name(0))
print("- Python:", platform.python_version())
for name in ("torch", "megatron-bridge", "megatron-core", "transformer-engine", "nemotron"):
    try:
        print(f"- {name}: {version(name)}")
    except PackageNotFoundError:
        print(f"- {name}: not installed by that name")
PYTHON
    printf '\n| step | wall_s |\n| --- | --- |\n'
    printf '%s\n' "${timings[@]}"
    printf '\n- last loss of pretraining: %s\n' "$(losses pretrain)"
    printf -- '- last loss of fine-tuning: %s\n\n' "$(losses fine-tune)"
    # shellcheck disable=SC2016 # the backquotes are Markdown's
    printf '```text\n%s\n```\n' "$(nemotron artifacts lineage "$tuned:latest" --direction up)"
} >report.md

printf 'All steps passed, and the lineage is whole. The report is %s.\n' "$folder/report.md"
