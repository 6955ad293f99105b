#!/bin/bash
# Starts this job on one of its machines. Secrets come in the environment.
export NCCL_DEBUG=INFO
export lower='a '"'"'quoted'"'"' $value'
for nemotron_name in HF_TOKEN WANDB_API_KEY; do
  [ -n "${!nemotron_name+set}" ] ||
    echo "nemotron: $nemotron_name did not reach this job." >&2
done
set -e
trap 'echo "nemotron: a startup command ended with exit code $?." >&2' ERR
eval 'source /opt/venv/bin/activate'
trap - ERR
set +e
export NEMOTRON_RUN_DIR=/nemo_run
cd /nemo_run/code || exit
nemotron_python=python; command -v python >/dev/null || nemotron_python=python3
nemotron_node="${SKYPILOT_NODE_RANK:?}"
nemotron_head="${SKYPILOT_NODE_IPS:?}" && nemotron_head="${nemotron_head%%$'\n'*}"
nemotron_port="$(printf %s "${SKYPILOT_TASK_ID:-}" | cksum)"
nemotron_port=$((20000 + ${nemotron_port%% *} % 10000))
export RANK="$nemotron_node" WORLD_SIZE=2 LOCAL_RANK=0 LOCAL_WORLD_SIZE=1
export NODE_RANK="$nemotron_node" MASTER_ADDR="$nemotron_head" MASTER_PORT="$nemotron_port"
exec "$nemotron_python" main.py --config config.yaml
