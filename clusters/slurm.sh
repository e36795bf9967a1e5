#!/usr/bin/env bash
# A command on all nodes of a SLURM job: sbatch --nodes=4 clusters/slurm.sh nas-run --algo bohb --space tss --runs 100000
#SBATCH --job-name=nas-algos
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --requeue

set -euo pipefail
# Activate here the environment that has nas-algos, if jobs do not inherit it.

read -r head < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
address=$head:$((20000 + SLURM_JOB_ID % 10000)) # another Ray may be on these machines
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=$(head -c 32 /dev/urandom | sha256sum | cut -c 1-64)
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT   # which ends Ray on all nodes

srun --nodes=1 --ntasks=1 --nodelist="$head" \
  ray start --head --port="${address#*:}" --num-cpus="$SLURM_CPUS_ON_NODE" --include-dashboard=false --block &
until ray status --address="$address" &>/dev/null; do
  kill -0 $! # it would have ended if it could not start
  sleep 1
done
if ((SLURM_JOB_NUM_NODES > 1)); then
  srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) --exclude="$head" \
    ray start --address="$address" --num-cpus="$SLURM_CPUS_ON_NODE" --block &
fi

"$@" --ray-address "$address" --workers $((SLURM_JOB_NUM_NODES * SLURM_CPUS_ON_NODE))
