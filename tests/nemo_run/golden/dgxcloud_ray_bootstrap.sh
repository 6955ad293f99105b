#!/bin/bash
set -euo pipefail

RAY_PORT=6379
NUM_GPUS=8
NUM_NODES=2

JOB_PREFIX=$(echo $HOSTNAME | sed 's/-worker-[0-9]*$//')
HEAD_IP_FILE="/workspace/nemo_run/.ray_head_ip_$JOB_PREFIX"
DONE_FILE="/workspace/nemo_run/.ray_done_$JOB_PREFIX"

MY_RANK=$(echo $HOSTNAME | grep -oE '[0-9]+$')
MY_IP=$(hostname -i 2>/dev/null || echo "127.0.0.1")

echo "Ray bootstrap: pod=$HOSTNAME rank=$MY_RANK/$NUM_NODES ip=$MY_IP"

if [ "$MY_RANK" -eq 0 ]; then
    rm -f $DONE_FILE
    ray start --head --port=$RAY_PORT --num-gpus=$NUM_GPUS --dashboard-host=0.0.0.0

    mkdir -p $(dirname $HEAD_IP_FILE)
    echo "$MY_IP" > $HEAD_IP_FILE
    export RAY_ADDRESS="$MY_IP:$RAY_PORT"

    echo "Waiting for $NUM_NODES Ray node(s)..."
    for _i in $(seq 1 120); do
        CONNECTED=$(python3 -c "import ray; ray.init(address='auto',ignore_reinit_error=True); print(len(ray.nodes()))" 2>/dev/null || echo 0)
        [ "$CONNECTED" -ge "$NUM_NODES" ] && break
        sleep 5
    done
    echo "$CONNECTED/$NUM_NODES Ray nodes connected."

    bash /workspace/nemo_run/demo-rl/launch.sh
    EXIT_CODE=$?

    echo "$EXIT_CODE" > $DONE_FILE
    ray stop
    rm -f $HEAD_IP_FILE
    exit $EXIT_CODE
else
    echo "Waiting for Ray head IP at $HEAD_IP_FILE..."
    for _w in $(seq 1 120); do
        [ -f "$HEAD_IP_FILE" ] && break
        sleep 3
    done
    [ ! -f "$HEAD_IP_FILE" ] && echo "ERROR: head IP not found" && exit 1

    HEAD_IP=$(cat $HEAD_IP_FILE)
    echo "Joining Ray head at $HEAD_IP:$RAY_PORT"
    ray start --address="$HEAD_IP:$RAY_PORT" --num-gpus=$NUM_GPUS

    echo "Worker $MY_RANK running. Waiting for job completion..."
    while [ ! -f "$DONE_FILE" ]; do
        sleep 10
    done
    EXIT_CODE=$(cat $DONE_FILE)
    echo "Head signaled completion (exit=$EXIT_CODE). Shutting down."
    ray stop
    exit $EXIT_CODE
fi
