#!/usr/bin/env bash
# Real jobs on a real SLURM: two nodes train one run, which is warned, or pre-empted, and queued again in its middle and
# ends as one that was not; a sweep as a job array. Run: tests/cluster/slurm.sh start; tests/cluster/check.sh; tests/cluster/slurm.sh stop
# In a temporary folder. Some minutes on two cores; PYTHON names the interpreter, `python` by default.
set -euo pipefail
repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
export SLURM_CONF=${SLURM_DIR:-/tmp/t2vgan-slurm}/slurm.conf PYTHONPATH="$repository" WANDB_MODE=offline
export MASTER_ADDR=127.0.0.1 OMP_NUM_THREADS=1  # the nodes' names lead nowhere: both are this machine
python=${PYTHON:-python}
scratch="$(mktemp -d)"
cd "$scratch"
echo "in $scratch"

fit() { "$python" -m t2vgan.fit --experiment smoke trainer.nodes=2 trainer.devices=auto trainer.accelerator=cpu \
    trainer.precision=32-true cluster.cpus_per_task=1 trainer.checkpoint_every_clips=16 logger.wandb=off "$@"; }

wait_for() { # JOB: until it has left the queue
    while [ -n "$(squeue -h -j "$1" 2> /dev/null)" ]; do sleep 2; done
}

begin() { # RUN: queues it, and waits for its first checkpoint; sets `job`
    job=$(fit --launch slurm run_dir="$1" | sed -n 's/^job \([0-9]*\):.*/\1/p')
    until [ -f "$1"/checkpoints/last.ckpt ]; do
        sleep 0.2
        [ -n "$(squeue -h -j "$job")" ] || { tail -n 20 "$1"/job/*.out; exit 1; }
    done
}

ends_as_whole() { # RUN: `job`, which has been queued again, goes on with it
    scontrol update JobId="$job" StartTime=now || true  # else it waits two minutes
    wait_for "$job"
    test -f "$1"/finished.json || { tail -n 20 "$1"/job/*.out; exit 1; }
    grep -h "going on from" "$1"/job/*.out
    cmp whole/metrics.csv "$1"/metrics.csv
    cmp whole/evaluation.jsonl "$1"/evaluation.jsonl
}

echo "== the script"
fit --launch slurm --print | grep -q -- "--nodes=2"

echo "== one node, and as many processes as the job has tasks"
job=$(fit --launch slurm run_dir=alone clips=16 trainer.nodes=1 | sed -n 's/^job \([0-9]*\):.*/\1/p')
wait_for "$job"
test -f alone/finished.json || { tail -n 20 alone/job/*.out; exit 1; }
[ "$(ls alone/config*.yaml)" = alone/config.yaml ]  # it trained with the settings that it was launched with

echo "== two nodes, one run"
job=$(fit --launch slurm run_dir=whole | sed -n 's/^job \([0-9]*\):.*/\1/p')
wait_for "$job"
test -f whole/finished.json || { tail -n 20 whole/job/*.out; exit 1; }

echo "== stopped in the middle: warned, queued again, gone on with"
begin stopped
scancel --signal=USR2 "$job"  # as SLURM does before the time is up
sleep 5
squeue -j "$job"
ends_as_whole stopped

echo "== its time runs out: warned by SLURM itself, queued again, gone on with until it is done"
job=$(fit --launch slurm run_dir=limited cluster.minutes=1 cluster.warning_s=30 clips=256 | sed -n 's/^job \([0-9]*\):.*/\1/p')
for _ in $(seq 40); do
    [ -f limited/finished.json ] && break
    sleep 10
    scontrol update JobId="$job" StartTime=now 2> /dev/null || true
done
wait_for "$job"
test -f limited/finished.json || { tail -n 20 limited/job/*.out; exit 1; }
grep -h "waiting in the queue again" limited/job/*.out
grep -h "going on from" limited/job/*.out
fit run_dir=unlimited clips=256 trainer.nodes=1 trainer.devices=2
cmp unlimited/metrics.csv limited/metrics.csv
cmp unlimited/evaluation.jsonl limited/evaluation.jsonl

echo "== another job takes its place: saved, queued again, gone on with"
begin preempted
sbatch --partition=urgent --nodes=2 --exclusive --output=/dev/null --wrap="sleep 3"
for _ in $(seq 60); do
    [ "$(squeue -h -j "$job" -o %T)" = PENDING ] && break
    sleep 1
done
squeue
grep -h "waiting in the queue again" preempted/job/*.out
ends_as_whole preempted

echo "== a sweep as a job array of two workers, one of them warned and queued again"
sed 's/--new,/--new, cluster.cpus_per_task=1, trainer.devices=1, trainer.precision=32-true,/' \
    "$repository/experiments/sweeps/smoke.yaml" > smoke.yaml
sweep() { "$python" -m t2vgan.sweep smoke.yaml "$@"; }
job=$(sweep --workers 2 --launch slurm | sed -n 's/^jobs \([0-9]*\)_.*/\1/p')
until [ "$(find runs/sweeps -name last.ckpt | wc -l)" -ge 2 ]; do
    sleep 0.2
    [ -n "$(squeue -h -j "$job")" ] || { tail -n 20 runs/sweeps/smoke/jobs/*.out; exit 1; }
done
scancel --signal=USR2 "${job}_0"
sleep 5
squeue -j "$job"
scontrol update JobId="${job}_0" StartTime=now || true
wait_for "$job"
sweep --status
[ "$(sweep --status | grep -c done)" = 2 ] || { tail -n 20 runs/sweeps/smoke/jobs/*.out; exit 1; }
grep -h "going on from" runs/sweeps/smoke/0*/*.txt
sweep --report
echo "== all passed"
