#!/usr/bin/env bash
# All that wants a GPU, in under 8 minutes: the tests of `pytest -m cuda`, the benchmark, and one short training.
# Usage: tools/benchmarks/gpu_check.sh [OUT]; results go into OUT (default: work_dirs/gpu_check).
# PYTHON names an interpreter that has the dependencies; without it, .venv is made where it is missing (pip, network).
set -u
cd "$(dirname "$0")/../.."
out=${1:-work_dirs/gpu_check}
mkdir -p "$out"
if [ -z "${PYTHON:-}" ]; then
    PYTHON=.venv/bin/python
    if ! [ -x "$PYTHON" ] || ! "$PYTHON" -c 'import mmaction, mmcv, pytest' 2>/dev/null; then
        python3 -m venv .venv && "$PYTHON" -m pip install --quiet -e '.[lite,test]' || exit 1
    fi
fi
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
device=${FSPTAL_TEST_DEVICE:-cuda}
failed=0

run() {  # seconds, name, command: its output goes to the screen and into a file
    local limit=$1 name=$2
    shift 2
    echo "== $name"
    timeout "$limit" "$@" 2>&1 | tee "$out/$name.txt"
    local status=${PIPESTATUS[0]}
    if [ "$status" -ne 0 ]; then
        echo "== $name failed with status $status"
        failed=1
    fi
}

"$PYTHON" -c "import torch; torch.zeros(1, device='$device')" || exit 1
run 180 tests "$PYTHON" -m pytest -q -m cuda tests/test_cuda
run 180 benchmark "$PYTHON" tools/benchmarks/bench_gpu.py --device "$device" ${GPU_BENCH_ARGS:-}
config=configs/fsptal_refined/fsptal-refined_synthetic.py
run 90 demo "$PYTHON" tools/train.py "$config" --work-dir "$out/demo" --seed 0 --cfg-options \
    train_cfg.max_epochs=6 custom_hooks.1.begin=4 train_dataloader.dataset.keep_features=device \
    train_dataloader.num_workers=0 train_dataloader.persistent_workers=False
exit "$failed"
