#!/usr/bin/env bash
# All checks that need a GPU, in under 8 minutes: the tests of `pytest -m cuda`, bench_gpu.py, and one short training.
# Usage: tools/benchmarks/gpu_check.sh [OUT]; results go into OUT (default: work_dirs/gpu_check).
# PYTHON names the interpreter. By default it is that of .venv, else python3, if one of them has the dependencies. If
# neither has them, .venv is made, which needs the network. Packages may also lie in a folder that PYTHONPATH names.
# FSPTAL_TEST_DEVICE=cpu runs everything on the CPU, to try the script without a GPU.
set -u
cd "$(dirname "$0")/../.."
out=${1:-work_dirs/gpu_check}
device=${FSPTAL_TEST_DEVICE:-cuda}
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

stop() {
    echo "gpu_check.sh: $1" >&2
    exit 1
}

has_all() {  # whether an interpreter has all dependencies of the runs below
    "$1" -c 'import fsptal_mm, mmaction, mmcv, cv2, pytest' 2>/dev/null
}

mkdir -p "$out" || stop "cannot write to $out"
if [ -n "${PYTHON:-}" ]; then
    has_all "$PYTHON" || stop "$PYTHON lacks dependencies: '$PYTHON -c \"import fsptal_mm, pytest\"' says which"
elif has_all .venv/bin/python; then
    PYTHON=.venv/bin/python
elif has_all python3; then
    PYTHON=python3
else
    PYTHON=.venv/bin/python
    python3 -m venv .venv >"$out/install.txt" 2>&1 \
        && "$PYTHON" -m pip install --quiet --retries 1 --timeout 10 -e '.[lite,test]' >>"$out/install.txt" 2>&1 \
        && has_all "$PYTHON" || stop "no Python with the dependencies, and pip failed (network?): see $out/install.txt"
fi
"$PYTHON" -c "import torch; torch.zeros(1, device='$device')" 2>"$out/device.txt" \
    || stop "no device '$device': $(tail -n 1 "$out/device.txt")"

failed=0
run() {  # run SECONDS NAME COMMAND...: stop it after SECONDS; its output goes to the screen and into OUT/NAME.txt
    local limit=$1 name=$2
    shift 2
    echo "== $name"
    local start=$SECONDS
    timeout "$limit" "$@" 2>&1 | tee "$out/$name.txt"
    local status=${PIPESTATUS[0]} told="passed"
    if [ "$status" -ne 0 ]; then
        told="failed with status $status"
        [ "$status" -ne 124 ] || told="stopped after $limit s; what it printed counts"
        failed=1
    fi
    echo "== $name $told ($((SECONDS - start)) s)" | tee -a "$out/summary.txt"
}

: >"$out/summary.txt"
run 150 tests "$PYTHON" -m pytest -q -m cuda tests/test_cuda
run 210 benchmark "$PYTHON" tools/benchmarks/bench_gpu.py --device "$device" ${GPU_BENCH_ARGS:---steps 100}
config=configs/fsptal_refined/fsptal-refined_synthetic.py
run 90 demo "$PYTHON" tools/train.py "$config" --work-dir "$out/demo" --seed 0 --cfg-options \
    train_cfg.max_epochs=6 custom_hooks.0.end=4 custom_hooks.1.begin=4 train_dataloader.dataset.keep_features=device \
    train_dataloader.num_workers=0 train_dataloader.persistent_workers=False
cat "$out/summary.txt"
exit "$failed"
