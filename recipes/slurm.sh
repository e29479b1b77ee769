#!/bin/bash
#SBATCH --job-name=multimodel
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@600
#SBATCH --requeue
#SBATCH --open-mode=append
# One run on several nodes of a Slurm cluster, however often its time is up: it stops with a checkpoint and queues again.
#
# command   sbatch [--nodes 4 …] recipes/slurm.sh RUN PRESET [options of `multimodel train`]
#           for example: sbatch recipes/slurm.sh runs/paper paper --tasks data/en-de.yaml,data/parse.yaml
#           Submit it where `torchrun` and `multimodel` are on the path. RUN, the data and $XDG_CACHE_HOME belong on a disk
#           that all nodes see; start once on one node, so that the examples are encoded before many ask for them
# hardware  nodes of 8 GPUs; what one of them needs: `multimodel presets --preset PRESET --devices 1 2 8 64`
# time      as long as --steps or --minutes say; docs/scale.md tells why more GPUs need a larger --batch-cost
# scores    those of the same run on one GPU: devices share every batch. Never run on a cluster by us: none was to be had
set -eu
run=$1
shift
# processes that are told to stop get this long for the step and the checkpoint; torchrun's own limit is half a minute
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT=540
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)

stopped='' step=''
trap 'stopped=yes; kill -TERM $step 2>/dev/null || true' TERM
srun torchrun --nnodes "$SLURM_JOB_NUM_NODES" --nproc-per-node "${SLURM_GPUS_ON_NODE:-1}" --max-restarts 3 \
    --rdzv-backend c10d --rdzv-endpoint "$head:29500" --rdzv-id "$SLURM_JOB_ID-${SLURM_RESTART_COUNT:-0}" \
    -m multimodel train "$@" --out "$run" --start-or-resume &
step=$!
status=0
wait "$step" || status=$?
if [ "$stopped" ]; then
    status=0
    wait "$step" || status=$? # the first wait ended with the signal, this one ends with the step
fi
if [ "$stopped" ] && [ "$status" -ne 0 ]; then
    scontrol requeue "$SLURM_JOB_ID"
    exit 0
fi
exit "$status"
