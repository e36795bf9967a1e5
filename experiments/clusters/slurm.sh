#!/usr/bin/env bash
# Run a command on all nodes of a SLURM job: sbatch --nodes=4 experiments/clusters/slurm.sh nas-run --algo bohb --space tss --runs 100000
#SBATCH --job-name=nas-algos
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --requeue

set -euo pipefail
# Activate the environment that has nas-algos here, if jobs do not inherit it.

read -r first < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
address=$first:$((20000 + SLURM_JOB_ID % 10000)) # keeps apart from the Ray of another job
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=$(head -c 32 /dev/urandom | sha256sum | cut -c 1-64)
head='' others=''
stop() { # workers first, while they can still sign off from the head
  for node in $others $head; do
    kill "$node" 2>/dev/null && wait "$node" || true
  done
}
trap stop EXIT

srun --nodes=1 --ntasks=1 --nodelist="$first" \
  ray start --head --port="${address#*:}" --num-cpus="$SLURM_CPUS_ON_NODE" --include-dashboard=false --block &
head=$!
until ray status --address="$address" &>/dev/null; do
  kill -0 "$head" # fails if the head could not start
  sleep 1
done
if ((SLURM_JOB_NUM_NODES > 1)); then
  srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) --exclude="$first" \
    ray start --address="$address" --num-cpus="$SLURM_CPUS_ON_NODE" --block &
  others=$!
fi

"$@" --ray-address "$address" --workers $((SLURM_JOB_NUM_NODES * SLURM_CPUS_ON_NODE))
