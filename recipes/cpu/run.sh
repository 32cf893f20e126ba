#!/usr/bin/env bash
# Better weights for motes-s on two CPU cores in MINUTES, all together: renders clips for 28 % of the
# time, trains features and refinement (19 %), then the choice (37 %), from the shipped weights, and
# measures the shipped and the new ones on two folders of clips, which it never trains on.
#   recipes/cpu/run.sh PHOTOGRAPHS CLIPS_VAL CLIPS_REAL MINUTES [--set KEY=VALUE]...
# The same command goes on where a run was stopped or killed.  Writes to $OUT (or runs/cpu): clips/,
# refiner/ and chooser/ with checkpoint and curve, best.safetensors, eval-val/ and eval-real/.
set -euo pipefail
main() {  # read as a whole before it begins
    photographs=$1 val=$2 real=$3 minutes=$4
    extra=("${@:5}")
    out=${OUT:-runs/cpu}
    processes=${PROCESSES:-2}
    . "$(dirname "$0")/../shared.sh"
    settings
    mkdir -p "$out/clips"
    export OMP_NUM_THREADS=1

    if [ ! -e "$out/rendered" ]; then
        echo "rendering until $(date -d "+$(share "$minutes" 16.8) seconds" +%H:%M)"
        start_rendering "$processes" "$(share "$minutes" 0.28)"
        trap 'kill "${pids[@]}" 2> /dev/null || true' EXIT
        wait_for_rendering
        echo "$(find "$out/clips" -name '[0-8]*.npz' | wc -l) clips" | tee "$out/rendered"
    fi

    python -m torch.distributed.run --standalone --nproc-per-node "$processes" -m motes train "$recipe" \
        "${settings[@]}" -o "$out" \
        --set "parts.0.train.minutes=$(share "$minutes" 0.19)" \
        --set "parts.1.train.minutes=$(share "$minutes" 0.37)"
    cp "$out/chooser/best.safetensors" "$out/best.safetensors"

    measure "$real" 128 real &
    measure "$val" 256 val
    wait $!
    cat "$out/eval-val.log" "$out/eval-real.log"
}

main "$@"
