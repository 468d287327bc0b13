#!/usr/bin/env bash
# A SLURM of two nodes on this machine, for tests/cluster/check.sh: `slurm.sh start` and `slurm.sh stop`.
# Needs root and Debian's packages: apt-get install --no-install-recommends slurm-wlm munge
set -euo pipefail
dir=${SLURM_DIR:-/tmp/t2vgan-slurm}
export SLURM_CONF=$dir/slurm.conf

start() {
    host=$(hostname -s)
    mkdir -p "$dir"/state "$dir"/spool/n1 "$dir"/spool/n2 "$dir"/log /run/munge
    cat > "$SLURM_CONF" <<CONF
ClusterName=t2vgan
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=cred_expire=5
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd-%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
JobRequeue=1
KillWait=30
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=17001 CPUs=2 RealMemory=2000 State=UNKNOWN
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=17002 CPUs=2 RealMemory=2000 State=UNKNOWN
PartitionName=debug Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=60
PartitionName=urgent Nodes=n1,n2 MaxTime=INFINITE State=UP PriorityTier=9 PreemptMode=OFF
CONF
    chown munge: /run/munge
    munge -n > "$dir/munge.log" 2>&1 || runuser -u munge -- munged
    slurmctld -f "$SLURM_CONF"
    for node in n1 n2; do slurmd -N $node -f "$SLURM_CONF"; done
    for _ in $(seq 60); do
        [ "$(sinfo -h -N -o %T | sort -u)" = idle ] && break
        sleep 1
    done
    sinfo -N -l
}

stop() {
    for file in "$dir"/slurmd-n1.pid "$dir"/slurmd-n2.pid "$dir"/slurmctld.pid; do
        [ -f "$file" ] && kill "$(cat "$file")" || true
    done
}

"$@"
