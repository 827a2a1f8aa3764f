#!/usr/bin/env bash
# Where there is a GPU: check and time what it does, then train on for a while.
#
#     bash benchmarks/gpu_check.sh FOLDER [MINUTES]
#
# Needs nothing that is not there already: torch, numpy, scipy, scikit-learn,
# scikit-image and what `import n2d` needs, no pytest. The checks come first and begin
# nothing new after four minutes; then MINUTES (default 0: a few steps) of training. Under
# ten minutes in all with MINUTES=4. FOLDER then holds gpu.md, gpu.json, a model that was
# fitted there (`python benchmarks/gpu.py FOLDER --elsewhere` loads it on another
# machine), and of the training the weights (average.safetensors, 6 MB) and the log.
# Without a GPU it runs everything at a small size, as a rehearsal. The exit code is that
# of the checks.
set -uo pipefail
out=${1:?folder of the results}
minutes=${2:-0}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "$0")/.."
export PYTHONPATH=$PWD PYTHONUNBUFFERED=1

timeout 330 python3 benchmarks/gpu.py "$out" 2>&1 | tee "$out/checks.txt"
failed=${PIPESTATUS[0]}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Scenes are drawn by processes of one thread each.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
device=cuda
python3 -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || device=cpu
if [ "$minutes" != 0 ] && [ "$device" = cuda ]; then
    training=(--minutes "$minutes" --workers "$(($(nproc) - 1))")
else
    training=(--steps 4 --batch 2 --patch 64 --scenes 8 --log-every 2)
fi
# On from the weights that ship with the package; the learning rate falls to 0 again.
timeout $((60 * minutes + 90)) python3 -m n2d.pretraining --device "$device" \
    "${training[@]}" --output "$work" --decay 0.9 \
    --start n2d/core/weights/prior.safetensors --learning-rate 1e-3 \
    --seed "$(date +%s)" 2>&1 | tail -n 40 | tee "$out/training.txt"
cp "$work/average.safetensors" "$work/log.csv" "$out"
exit "$failed"
