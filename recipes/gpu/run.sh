#!/usr/bin/env bash
# motes-s for a few minutes on a machine with a GPU, or on any other: renders on all cores while it
# trains from the shipped weights, and measures the result.  Ends by itself.
#   recipes/gpu/run.sh PHOTOGRAPHS CLIPS MINUTES [--set KEY=VALUE]...
# Writes to $OUT (or runs/gpu): refiner/ and chooser/ with checkpoint, curve and card,
# best.safetensors, scores.csv.
set -euo pipefail
main() {  # read as a whole before it begins
    photographs=$1 clips=$2 minutes=$3
    extra=("${@:4}")
    out=${OUT:-runs/gpu}
    . "$(dirname "$0")/../shared.sh"
    settings
    mkdir -p "$out"

    cores=$(nproc)
    if python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
        renderers=$((cores > 2 ? cores - 2 : 1)) batch=16 workers=2
    else
        renderers=1 batch=1 workers=0
    fi

    start_rendering "$renderers" 60
    trap 'kill "${pids[@]}" 2> /dev/null || true' EXIT
    while [ -z "$(find "$out/clips" -name '[0-8]*.npz' -print -quit 2> /dev/null)" ]; do
        kill -0 "${pids[@]}" 2> /dev/null || { cat "$out"/render-*.log; exit 1; }
        sleep 1
    done
    python -m motes train "$recipe" "${settings[@]}" -o "$out" \
        --set "parts.0.train.minutes=$(share "$minutes" 0.35)" \
        --set "parts.1.train.minutes=$(share "$minutes" 0.65)" \
        --set "data.workers=$workers" --set "train.stages.0.batch=$batch" "${extra[@]}"
    kill "${pids[@]}" 2> /dev/null || true

    cp "$out/chooser/best.safetensors" "$out/best.safetensors"
    measure "$clips" 256 val
    cat "$out/eval-val.log"
    cp "$out/eval-val/scores.csv" "$out/scores.csv"
}

main "$@"
