#!/usr/bin/env bash
# motes-s for a few minutes on a machine with a GPU, or on any other: renders on all cores while it
# trains the chooser from the shipped weights, and measures the result.  Ends by itself.
#   recipes/gpu/run.sh PHOTOGRAPHS CLIPS MINUTES [--set KEY=VALUE]...
# Writes to $OUT (or runs/gpu): chooser/ with checkpoint, curve and card, best.safetensors, scores.csv.
set -euo pipefail
photographs=$1 clips=$2 minutes=$3
shift 3
here=$(cd "$(dirname "$0")/../.." && pwd)
out=${OUT:-runs/gpu}
mkdir -p "$out"

cores=$(nproc)
if python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    renderers=$((cores > 2 ? cores - 2 : 1)) batch=16 workers=2
else
    renderers=1 batch=1 workers=0
fi

settings=(
    --set "data.sources.0.path=$photographs"
    --set "data.sources.0.options.folder=$out/clips"
    --set "model.weights=$here/src/motes/assets/motes-s.safetensors"
    "$@"
)
motes=(python -m motes)

pids=()
for i in $(seq "$renderers"); do
    OMP_NUM_THREADS=1 "${motes[@]}" train "$here/recipes/motes-s-more.toml" \
        "${settings[@]}" --render "$i/$renderers" > "$out/render-$i.log" 2>&1 &
    pids+=($!)
done
trap 'kill "${pids[@]}" 2> /dev/null || true' EXIT

while [ -z "$(find "$out/clips" -name '[0-9]*.npz' -print -quit 2> /dev/null)" ]; do
    kill -0 "${pids[@]}" 2> /dev/null || { cat "$out"/render-*.log; exit 1; }
    sleep 1
done
"${motes[@]}" train "$here/recipes/motes-s-more.toml" "${settings[@]}" -o "$out/chooser" \
    --set "train.minutes=$minutes" --set "data.workers=$workers" \
    --set "train.stages.0.batch=$batch" "$@"
kill "${pids[@]}" 2> /dev/null || true

cp "$out/chooser/best.safetensors" "$out/best.safetensors"
"${motes[@]}" eval clips "$clips" --protocol native-joint --points 256 ${LIMIT:+--limit "$LIMIT"} \
    --model flow --model motes-s --model "motes-s=$out/best.safetensors" -o "$out/eval"
cp "$out/eval/scores.csv" "$out/scores.csv"
