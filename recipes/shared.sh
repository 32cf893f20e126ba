# Functions of recipes/cpu/run.sh and recipes/gpu/run.sh, which set `out`, `photographs` and `extra`.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
recipe=$here/recipes/motes-s-more.toml
shipped=$here/src/motes/assets/motes-s.safetensors

# The settings of all commands of a run.
settings() {
    settings=(
        --set "data.sources.0.path=$photographs"
        --set "data.sources.0.options.folder=$out/clips"
        --set "data.sources.0.options.ready_only=true"
        --set "model.weights=$shipped"
        "${extra[@]}"
    )
}

# share MINUTES SHARE: this share of the minutes.
share() {
    awk "BEGIN { print $1 * $2 }"
}

# start_rendering N MINUTES: N processes that end after these minutes, or when all clips are there.
start_rendering() {
    local i
    pids=()
    for i in $(seq "$1"); do
        OMP_NUM_THREADS=1 timeout "$(share "$2" 60)" python -m motes train "$recipe" \
            "${settings[@]}" --render "$i/$1" > "$out/render-$i.log" 2>&1 &
        pids+=($!)
    done
}

# wait_for_rendering: until all have ended; another end than by time is an error.
wait_for_rendering() {
    local pid code
    for pid in "${pids[@]}"; do
        code=0
        wait "$pid" || code=$?
        [ "$code" = 0 ] || [ "$code" = 124 ] || { cat "$out"/render-*.log; exit 1; }
    done
}

# measure CLIPS POINTS NAME: the shipped and the new weights, into $out/eval-NAME and its .log.
measure() {
    [ -e "$out/eval-$3/scores.csv" ] ||
        python -m motes eval clips "$1" --protocol native-joint --points "$2" \
            ${LIMIT:+--limit "$LIMIT"} --model motes-s --model "motes-s=$out/best.safetensors" \
            -o "$out/eval-$3" > "$out/eval-$3.log" 2>&1
}
