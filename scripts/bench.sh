#!/bin/sh
# Everything that is measured on one machine, one after the other; results go to benchmarks/results
# (or MMSER_RESULTS). Nothing else should run meanwhile. What fails is said at the end, and does
# not stop the rest.
#
# PYTHON    interpreter with mmser-ros[bench] (.venv's)
# DEVICE    cpu or cuda: what transformers and we are compared on (cpu)
# ENGINES   of ours to measure (all that run here; on a GPU without those of the CPU)
# QUICK     if set, a few frames and a small model, to try it all; the figures say nothing, and go
#           to a temporary folder
set -u
cd "$(dirname "$0")/.."
python=${PYTHON:-${VENV:-.venv}/bin/python}
device=${DEVICE:-cpu}
[ "$device" = cpu ] || ENGINES=${ENGINES:-tensorrt tensorrt-rtx cuda}
few=${QUICK:+--frames 3}
size=${QUICK:+small}
[ -z "$few" ] || MMSER_RESULTS=${MMSER_RESULTS:-$(mktemp -d)}
export MMSER_RESULTS="${MMSER_RESULTS:-$PWD/benchmarks/results}"
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
failed=""

run() {
  printf '\n== %s\n' "$1"
  shift
  "$python" "$@" || failed="$failed $*;"
}

bench() {
  name=$1; shift
  run "$name" -m mmser_ros.cli bench --json "$MMSER_RESULTS/$name.json" \
    --chart "$MMSER_RESULTS/$name.png" ${ENGINES:+--engine $ENGINES} "$@" $few
}

peers() {
  run peers benchmarks/peers.py --save --device "$device" --size "${size:-base}" \
    ${ENGINES:+--engine $ENGINES} "$@" $few
}

if [ "$device" = cuda ]; then
  bench bench_nano
  peers --frames 30
  # What was built for it is kept, and not built a second time.
  bench bench_base --size "${size:-base}" --frames 50 --no-cold
else
  bench bench_nano --threads 1 2
  peers --threads 2
  bench bench_base --size "${size:-base}" --threads 2
  run decoder_calls benchmarks/decoder_calls.py --save $few
  run precision benchmarks/precision.py --save $few
  run preprocessing benchmarks/preprocessing.py --save ${QUICK:+--rounds 2}
  run border benchmarks/border.py --save $few
  run startup benchmarks/startup.py --save ${QUICK:+--repeats 1}
fi
run bars benchmarks/bars.py
[ -z "$failed" ] || { printf 'bench: failed: %s\n' "$failed" >&2; exit 1; }
