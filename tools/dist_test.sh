#!/usr/bin/env bash
# Usage: tools/dist_test.sh CONFIG CHECKPOINT NUM_PROCESSES [arguments of test.py]
# For several machines, set NNODES, NODE_RANK, MASTER_ADDR and PORT as for the script of mmaction2.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
exec python -m torch.distributed.run --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" --nproc_per_node="$3" \
    "$here/test.py" "$1" "$2" --launcher pytorch "${@:4}"
