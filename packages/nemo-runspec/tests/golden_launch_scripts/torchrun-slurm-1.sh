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
if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
  NEMOTRON_RUN_DIR="$NEMOTRON_RUN_DIR/task_$SLURM_ARRAY_TASK_ID"
  mkdir -p "$NEMOTRON_RUN_DIR" || exit
fi
cd /nemo_run/code || exit
nemotron_python=python; command -v python >/dev/null || nemotron_python=python3
if [ "${SLURM_NTASKS:-1}" != 1 ]; then
  echo "nemotron: torchrun is started once on each machine, and Slurm started" \
    "$SLURM_NTASKS tasks for 1 of them: set nodes = 1 and ntasks_per_node = 1." >&2
  exit 1
fi
exec "$nemotron_python" -m torch.distributed.run --standalone --nproc-per-node 8 main.py --config config.yaml
