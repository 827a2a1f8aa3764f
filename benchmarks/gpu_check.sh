#!/usr/bin/env bash
# Where there is a GPU: train on for a while, then check and time what it does.
#
#     bash benchmarks/gpu_check.sh FOLDER [MINUTES [SECONDS]]
#
# Needs nothing but what `import n2d` needs, and scikit-image; no pytest. First MINUTES (default 0: a few
# steps) of training; then the checks, which begin nothing new after SECONDS (default
# 240). Under ten minutes in all with MINUTES=4. FOLDER then holds, of the training, the
# weights (average.safetensors, 6 MB) and the log, from its first minute on; and gpu.md,
# gpu.json, a model that was fitted there (`python benchmarks/gpu.py FOLDER --elsewhere`
# loads it on another machine). Without a GPU it runs everything at a small size, as a
# rehearsal. The exit code is that of the checks.
set -uo pipefail
out=${1:?folder of the results}
minutes=${2:-0}
seconds=${3:-240}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "$0")/.."
export PYTHONPATH=$PWD PYTHONUNBUFFERED=1

device=cuda
python3 -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || device=cpu
if [ "$minutes" != 0 ] && [ "$device" = cuda ]; then
    # One core is kept for the training itself, one for what arrives.
    training=(--minutes "$minutes" --workers "$(($(nproc) - 2))")
else
    training=(--steps 4 --batch 2 --patch 64 --scenes 8 --log-every 2)
fi
# On from the weights that ship with the package; the learning rate falls to 0 again.
# Scenes are drawn by processes of one thread each.
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python3 -m n2d.pretraining \
    --device "$device" "${training[@]}" --output "$out" --decay 0.9 \
    --start n2d/core/weights/prior.safetensors --learning-rate 1e-3 \
    --seed "$(date +%s)" 2>&1 | tee "$out/training.txt"
rm -f "$out"/checkpoint.* "$out"/*.unfinished

timeout $((seconds + 90)) python3 benchmarks/gpu.py "$out" --seconds "$seconds" 2>&1 |
    tee "$out/checks.txt"
exit "${PIPESTATUS[0]}"
