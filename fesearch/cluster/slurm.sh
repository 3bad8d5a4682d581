
# ---- what follows is the same in every script; all that differs is set above ----------------

# A preamble may have asked for an end at the first error; here some are waited for and looked at.
set +eE +o pipefail
set -u
trap - ERR

# Typed by hand, outside of a job: submit what is to run, one job after the other.
if [[ -z ${SLURM_JOB_ID:-} ]]; then
  before=
  for ((job = 0; job < jobs; job++)); do
    before=$(sbatch --parsable ${before:+--dependency="afterany:$before"} \
      "$0" ${before:+follows}) || exit
    before=${before%%;*}
    echo "Submitted as job $before."
  done
  exit
fi

say() { echo "$(date '+%F %T') job $SLURM_JOB_ID: $*" >&2; }

# A job that goes on for another one leaves a study alone that study stop has stopped meanwhile; one
# that somebody has submitted goes on with it.
first=(--first)
if [[ ${1:-} == follows || ${SLURM_RESTART_COUNT:-0} != 0 ]]; then first=(); fi

# Whether nothing is left to do; prints how far it has come. (Bash before 4.4 has no empty
# arrays.)
over() { fesearch cluster over "$name" "$@" ${afterwards[@]+"${afterwards[@]}"}; }

if had=$(over ${first[@]+"${first[@]}"}); then
  say "nothing is left to do; see fesearch study status $name"
  exit 0
fi

cores=${SLURM_CPUS_PER_TASK:-$SLURM_CPUS_ON_NODE}
private=$FESEARCH_ARTIFACTS/clusters
token=$private/$SLURM_JOB_ID.token
log=$private/$SLURM_JOB_ID.log
limit=
stop=
driver=
ray=

# Slurm sends USR1 before the wall-clock limit. TERM is for those who cancel the job; Slurm itself
# puts one back into the queue that makes way for others.
trap 'limit=yes; interrupt' USR1
trap 'stop=yes; interrupt' TERM INT
trap 'clean' EXIT

interrupt() {
  said=$SECONDS
  if [[ -n $driver ]]; then kill -TERM "$driver" 2>/dev/null; fi
}

clean() {
  if [[ -n $driver ]]; then kill -KILL "$driver" 2>/dev/null; fi
  if [[ -n $ray ]]; then
    kill -TERM "$ray" 2>/dev/null
    ended "$ray" $((SECONDS + 30)) || kill -KILL "$ray" 2>/dev/null
  fi
  rm -f -- "$token"
}

# Whether a process ends before a moment of $SECONDS. A signal that arrives meanwhile is heard.
ended() {
  while kill -0 "$1" 2>/dev/null; do
    if ((SECONDS >= $2)); then return 1; fi
    sleep 1
  done
}

# Wait for the driver; after a signal only as long as leaves time to go on in another job.
follow() {
  driver=$1
  if [[ -n $limit$stop ]]; then interrupt; fi # it came before the driver was known
  while [[ -z $limit$stop ]] && kill -0 "$driver" 2>/dev/null; do wait "$driver"; done
  if [[ -n $limit$stop ]] && ! ended "$driver" $((said + margin - 60)); then
    say "the driver has not ended in time; trials go on from their last checkpoints"
    return 1
  fi
  wait "$driver"
  code=$?
  driver=
  return "$code"
}

# Ray on the nodes: with a token, on ports that no other job has, its files on a disk of the node.
(umask 077 && mkdir -p -- "$private") || exit
rm -f -- "$token"
(umask 077 && python -c 'import secrets; print(secrets.token_hex(32), end="")' >"$token") || exit
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$token
unset RAY_AUTH_TOKEN RAY_ADDRESS
address=$(fesearch cluster address --key "$SLURM_JOB_ID") || exit

# shellcheck disable=SC2016  # it is expanded on the nodes
on_each_node='
address=$1 cores=$2 gpus=$3 temp=$4-${SLURM_NODEID:-0}
(umask 077 && mkdir -p -- "$temp") || exit
if [[ -L $temp || ! -O $temp ]]; then echo "$temp belongs to another user" >&2; exit 1; fi
common=(--block --temp-dir "$temp" --num-cpus "$cores" --num-gpus "$gpus" --disable-usage-stats
  --min-worker-port 0 --max-worker-port 0 --dashboard-agent-listen-port 0)
if [[ ${SLURM_NODEID:-0} == 0 ]]; then
  # Where grpcio is installed a head serves Ray Client, too, behind the same token. Ray takes no word
  # against it, and would have it at the one port 10001 for all jobs of a machine.
  if python -c "import grpc" 2>/dev/null; then
    common+=(--ray-client-server-port "$((${address##*:} + 1))")
  fi
  ray start --head --node-ip-address "${address%:*}" --port "${address##*:}" \
    --include-dashboard false "${common[@]}" &
else
  for ((second = 0; second < 300; second++)); do
    if (exec 3<>"/dev/tcp/${address%:*}/${address##*:}") 2>/dev/null; then break; fi
    sleep 1
  done
  ray start --address "$address" "${common[@]}" &
fi
ray=$!
trap "kill -TERM $ray 2>/dev/null" TERM
while kill -0 "$ray" 2>/dev/null; do wait "$ray"; done
rm -rf -- "$temp"
'
# A job of --export=NONE hands its nodes nothing of its environment, unless srun is asked to.
srun --export=ALL --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 \
  --cpus-per-task="$cores" --no-kill --kill-on-bad-exit=0 --wait=0 \
  bash -c "$on_each_node" ray-node "$address" "$cores" "$gpus" \
  "$disk/ray-$SLURM_JOB_ID" </dev/null >"$log" 2>&1 &
ray=$!

say "Ray starts on $SLURM_JOB_NUM_NODES nodes at $address; what it says is in $log"
code=130
if [[ -z $limit$stop ]]; then
  fesearch cluster wait "$address" --nodes "$SLURM_JOB_NUM_NODES" --study "$name" &
  follow $!
  code=$?
fi
if [[ -z $limit$stop && $code == 0 ]]; then
  if over >/dev/null; then
    say "nothing is left to do any more; see fesearch study status $name"
    exit 0
  fi
  "${start[@]}" --or-resume --address "$address" --gpus $((SLURM_JOB_NUM_NODES * gpus)) &
  follow $!
  code=$?
fi

if [[ -z $limit || -n $stop ]] || has=$(over); then
  exit "$code"
fi
clean
if ((jobs > 1)); then
  say "out of time; the next job of the chain goes on"
elif [[ -n $has && $has == "$had" ]] && ((SECONDS >= enough)); then
  say "out of time in which no trial has come any further, nor would in another job as long as this:" \
    "write the script anew, with a longer --time"
  exit 1
else
  say "out of time; goes on in a new job"
  scontrol requeue "$SLURM_JOB_ID" || sbatch "$0" follows
fi
