#!/bin/sh
# Everything worth doing on a CUDA GPU, in one go:
#   benchmarks/on_gpu.sh OUT        tests, speed, training of the built-in model, its scores
# Call it again to go on where it was: rendered frames and checkpoints are kept in WORK. Installs
# nothing: what PYTHON lacks of the packages below is said before anything is done. tensorrt and
# cuda-bindings are needed to measure TensorRT alone. Of pycocoevalcap, which is 100 MB, its folders
# bleu, cider and rouge are enough.
#
# OUT      gets gpu.json (the device), tests.txt, bench.txt with bench_nano.json, bench_base.json
#          and peers_cuda.json (held against bars and floors at the end of bench.txt), train.txt,
#          progress.jsonl, nano.tar, scores.json
# STEPS    what to do (tests bench train)
# PYTHON   interpreter (python3)
# WORK     folder for frames and checkpoints (work)
# MINUTES  the training is stopped after so many, to be gone on with (9)
# FRAMES, SCALE   more frames or longer stages than those of configs/nano.yaml
set -eu
cd "$(dirname "$0")/.."
out=$(mkdir -p "${1:?usage: benchmarks/on_gpu.sh OUT}" && cd "$1" && pwd)
python=${PYTHON:-python3}
work=${WORK:-work}
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1

say() { printf 'on_gpu: %s\n' "$*" >&2; }

"$python" - > "$out/gpu.json" <<'PYTHON'
import importlib.util, json, os
all_steps = "accelerate cv2 numpy onnx onnxruntime onnxscript safetensors tokenizers torch tqdm"
needed = {
    "tests": all_steps + " pycocoevalcap pytest transformers",
    "bench": all_steps + " matplotlib moderngl rosbags transformers",
    "train": all_steps + " matplotlib moderngl pycocoevalcap tensorboard yaml",
}
steps = os.environ.get("STEPS", " ".join(needed)).split()
strange = [step for step in steps if step not in needed]
if strange:
    raise SystemExit(f"on_gpu: STEPS names {', '.join(strange)}; there are {', '.join(needed)}")
wanted = sorted({name for step in steps for name in needed[step].split()})
lacking = [name for name in wanted if importlib.util.find_spec(name) is None]
if lacking:
    raise SystemExit(f"on_gpu: {', '.join(lacking)} cannot be imported")
import torch
if not torch.cuda.is_available():
    raise SystemExit("on_gpu: torch sees no CUDA GPU")
known = torch.cuda.get_device_properties(0)
print(json.dumps({"device": known.name, "memory_gib": round(known.total_memory / 2**30, 1),
                  "torch": torch.__version__, "cuda": torch.version.cuda}))
PYTHON
cat "$out/gpu.json"

due() {
  case " ${STEPS:-tests bench train} " in *" $1 "*) ! [ -e "$work/.done-$1" ] ;; *) false ;; esac
}

mkdir -p "$work"
if due tests; then
  say "tests"
  if "$python" -m pytest -q -k "not acted" test/gpu test/test_peers.py > "$out/tests.txt" 2>&1
  then touch "$work/.done-tests"; fi
  tail -n 5 "$out/tests.txt"
fi

if due bench; then
  say "speed"
  if PYTHON="$python" DEVICE=cuda MMSER_RESULTS="$out" scripts/bench.sh > "$out/bench.txt" 2>&1
  then touch "$work/.done-bench"; fi
  sed -n '/^== bars/,$p' "$out/bench.txt"
fi

due train || exit 0
say "training"
code=0
timeout -k 20 "$((${MINUTES:-9} * 60))" "$python" -m mmser_ros.cli train --work "$work" \
  --out "$work/nano" ${FRAMES:+--frames "$FRAMES"} ${SCALE:+--scale "$SCALE"} \
  > "$out/train.txt" 2>&1 || code=$?
tail -n 5 "$out/train.txt"
cp "$work/progress.jsonl" "$out/" 2>/dev/null || true
if [ "$code" = 124 ]; then say "time is up; call again to go on"; exit 0; fi
[ "$code" = 0 ] || exit "$code"
tar -cf "$out/nano.tar" -C "$work" nano

say "scores"
"$python" -m mmser_ros.cli eval --world --model "$work/nano" --json "$out/scores.json"
