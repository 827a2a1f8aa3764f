#!/usr/bin/env bash
# Where there is a GPU: train on for five minutes, then check and time what it does.
#
#     bash benchmarks/gpu_check.sh FOLDER [MINUTES]
#
# Needs nothing that is not there already: torch, numpy, scipy, scikit-learn,
# scikit-image and what `import n2d` needs; under ten minutes in all. FOLDER then holds
# the weights (average.safetensors, 6 MB), the log, and gpu.json. Without a GPU it runs
# everything at a small size, as a rehearsal.
set -uo pipefail
out=${1:?folder of the results}
minutes=${2:-5}
cd "$(dirname "$0")/.."
mkdir -p "$out"
export PYTHONPATH=$PWD PYTHONUNBUFFERED=1
# Scenes are drawn by processes of one thread each.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if python3 -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    training=(--device cuda --minutes "$minutes" --workers "$(($(nproc) - 1))")
else
    training=(--device cpu --steps 4 --batch 2 --patch 64 --scenes 8 --log-every 2)
fi
# On from the weights that ship with the package; the learning rate falls to 0 again.
python3 -m n2d.pretraining "${training[@]}" --output "$work" --decay 0.9 \
    --start n2d/core/weights/prior.safetensors --learning-rate 1e-3 \
    --seed "$(date +%s)" 2>&1 | tail -n 40 | tee "$out/training.txt"
cp "$work/average.safetensors" "$work/log.csv" "$out"

unset OMP_NUM_THREADS OPENBLAS_NUM_THREADS
timeout 200 python3 benchmarks/gpu.py "$out"
