"""Both looks beside transformers' two passes: the same weights, the same frames, the same tokens.

One run holds them all, frame by frame in turn, so that whatever disturbs the machine disturbs all.
The model has CLIP's and OPT's shapes and random weights (mmser_ros/model/untrained.py: it writes
20 tokens). Before anything is timed, all must write the same tokens with the same chances; who
does not is not timed, and the run then ends with 1.

  transformers ...             generate, then generate again with the draft behind the prompt
  transformers ..., one image  the same, but the frame is encoded once, which one has to write
                               oneself
  (engine) ...                 our two looks; the coarse caption has no draft, the refined one's
                               draft holds
  (engine) ..., plainly        our two looks without drafts: one decoder call a token

What transformers gets is preprocessed already; ours preprocess in the time that is shown. All
are in memory at once: on a CPU ours is ONNX Runtime alone unless --engine names more, and the base
size takes up to 11 GB. Wall time p50 and p95 and mean CPU time in milliseconds. Last line: one
JSON object, with the bars' comparisons under "ratios"; --save keeps it in
benchmarks/results/peers_DEVICE.json.
"""

from __future__ import annotations

import argparse
import copy
import importlib.metadata
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from llava import TwoPasses, Written, llava
from record import publish
from tqdm import tqdm

from mmser_ros import pixels
from mmser_ros.captioner import Captioner
from mmser_ros.cli.laps import Spent, percentiles
from mmser_ros.cli.machine import free_memory
from mmser_ros.cli.moving import recorded
from mmser_ros.cli.random_model import random_model
from mmser_ros.cli.recording import sample
from mmser_ros.decode import draft as draft_verified
from mmser_ros.decode import greedy
from mmser_ros.model import checkpoint
from mmser_ros.model.config import ModelConfig
from mmser_ros.model.sizes import SIZES
from mmser_ros.runtime.engine import EngineError
from mmser_ros.runtime.registry import ENGINES, hindrance
from mmser_ros.runtime.weights import WEIGHTS
from mmser_ros.types import Frame

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
REFERENCE = "transformers fp32"
NEAR, ROUGH = 2e-4, 0.15
"""How far chances may be from the reference's: in single precision, and in others."""
CHECKED = 2
"""Frames whose tokens are compared."""
COPIES = 11
"""Bytes of memory for each byte of the model's file, at most, with ONNX Runtime as ours."""
PAUSE = 0.05
"""Seconds before each turn, in which threads that wait by spinning fall asleep."""
BARS = {
    "cpu": {"cpu ms": {REFERENCE: 6.0, "transformers bf16": 3.0}},
    "cuda": {"p50 ms": {"transformers bf16": 15.0, REFERENCE: 15.0}},
}
"""How many times less both looks should take than a peer's two passes: of the base size."""

Looks = tuple[Written, Written]


@dataclass(frozen=True)
class Contestant:
    """Whoever captions a frame twice."""

    prepare: Callable[[Frame], Any]
    """What is not timed."""
    glance: Callable[[Any], Any]
    """Captions what ``prepare`` gave; what ``refine`` goes on from."""
    refine: Callable[[Any], Any]
    told: Callable[[Any], Looks]
    """Both captions with their chances of what ``prepare`` gave; not timed."""
    single: bool
    """Whether it computes in single precision."""


def passes(peer: TwoPasses, config: ModelConfig, single: bool) -> Contestant:
    """Of transformers."""

    def prepared(frame: Frame) -> torch.Tensor:
        canvas = pixels.to_canvas(frame.rgb, config.image)
        return torch.from_numpy(pixels.glance_pixels(canvas, config.image))

    def told(seen: torch.Tensor) -> Looks:
        coarse = peer.glance(seen, told=True)
        return coarse, peer.refine(coarse.ids, told=True)

    return Contestant(prepared, peer.glance, lambda said: peer.refine(said.ids), told, single)


def looks(captioner: Captioner, plainly: bool) -> Contestant:
    """Ours. The captioner is shared: it decodes as it is asked to at the moment."""

    def decode(engine: Any, prefix: Any, prompt: Any, draft: Any, **limits: int) -> Any:
        if plainly:
            return greedy.decode(engine, prefix, prompt, **limits)
        # the last frame's caption would be this one's, as no real caption is
        drafted = () if prompt == captioner.config.prompt.coarse else draft
        return draft_verified.decode(engine, prefix, prompt, drafted, **limits)

    def glance(frame: Frame) -> Any:
        captioner.decode = decode
        return captioner.glance(frame)

    def told(frame: Frame) -> Looks:
        seen = glance(frame)
        both = seen.caption, captioner.refine(seen)
        first, second = (Written(said.ids, said.word_probabilities) for said in both)
        return first, second  # a word is a token here

    single = captioner.info.precision == "fp32"
    return Contestant(lambda frame: frame, glance, captioner.refine, told, single)


def peers(folder: Path, config: ModelConfig, device: str) -> Iterator[tuple[str, Contestant]]:
    """Transformers, in both precisions."""
    single = llava(checkpoint.load(folder)).to(device)
    for name, kind in TYPES.items():
        peer = single if name == "fp32" else copy.deepcopy(single).to(kind)
        for once in (False, True):
            two = TwoPasses(peer, config, once=once)
            words = f"transformers {name}" + (", one image" if once else "")
            yield words, passes(two, config, name == "fp32")


def ours(folder: Path, names: Sequence[str], threads: int) -> Iterator[tuple[str, Contestant]]:
    """Both looks by every engine that runs here, in all of its precisions."""
    for name in names:
        hindered = hindrance(name, folder)
        for precision in ENGINES[name].precisions if hindered is None else ():
            try:
                captioner = Captioner.load(
                    folder, engine=name, threads=threads, precision=precision
                )
            except EngineError as error:
                print(f"without {name} {precision}: {error}")
                continue
            for plainly in (False, True):
                words = f"{name} {precision}" + (", plainly" if plainly else "")
                yield words, looks(captioner, plainly)
        if hindered is not None:
            print(f"without {name}: {hindered.says}.")


def check(
    contestants: dict[str, Contestant], frames: Sequence[Frame]
) -> tuple[dict[str, str], float]:
    """Who does not write the reference's captions, and in what; how far chances in single
    precision are apart at most, of those who do.
    """
    refused: dict[str, str] = {}
    worst = 0.0
    for frame in tqdm(frames, desc="comparing"):
        expected = _told(contestants[REFERENCE], frame)
        for name, contestant in contestants.items():
            pairs = list(zip(expected, _told(contestant, frame), strict=True))
            strange = [own.ids for theirs, own in pairs if theirs.ids != own.ids]
            if strange:
                refused[name] = f"it writes {strange[0]}, not {expected[0].ids}"
                continue
            apart = max(np.abs(np.subtract(a.chances, b.chances)).max() for a, b in pairs)
            if not apart <= (NEAR if contestant.single else ROUGH):
                refused[name] = f"its chances are up to {apart:.2g} from those of {REFERENCE}"
            elif contestant.single:
                worst = max(worst, float(apart))
    return refused, worst


def _told(contestant: Contestant, frame: Frame) -> Looks:
    return contestant.told(contestant.prepare(frame))


def timed(contestant: Contestant, frame: Frame, device: str) -> dict[str, Spent]:
    """The first look, and both."""
    ready = contestant.prepare(frame)
    time.sleep(PAUSE)
    clocks = [_clocks(device)]
    seen = contestant.glance(ready)
    clocks.append(_clocks(device))
    contestant.refine(seen)
    clocks.append(_clocks(device))
    begun, between, ended = clocks
    return {"coarse": Spent(*(between - begun)), "both": Spent(*(ended - begun))}


def _clocks(device: str) -> Any:
    if device == "cuda":
        torch.cuda.synchronize()
    return 1e3 * np.array([time.perf_counter(), time.process_time()])


def measure(
    contestants: dict[str, Contestant], frames: Sequence[Frame], device: str
) -> dict[str, dict[str, float]]:
    """Everybody captions every frame; who comes first changes from frame to frame."""
    spent: dict[str, dict[str, list[Spent]]] = {
        name: {"coarse": [], "both": []} for name in contestants
    }
    names = list(contestants)
    for number, frame in enumerate(tqdm(frames, desc="timing")):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            for part, took in timed(contestants[name], frame, device).items():
                spent[name][part].append(took)
    rows = {}
    for name, parts in spent.items():
        both, coarse = percentiles(parts["both"]), percentiles(parts["coarse"])
        rows[name] = {
            "coarse p50 ms": coarse["p50"],
            "p50 ms": both["p50"],
            "p95 ms": both["p95"],
            "cpu ms": both["cpu"],
        }
    return rows


def ratios(
    rows: dict[str, dict[str, float]], bars: dict[str, dict[str, float]]
) -> list[dict[str, Any]]:
    """How many times less each of ours takes than each peer, and the bar where there is one."""
    found = []
    for name in (name for name in rows if not name.startswith("transformers")):
        for peer in (peer for peer in rows if peer.startswith("transformers")):
            for what in ("cpu ms", "p50 ms"):
                bar = bars.get(what, {}).get(peer)
                times = rows[peer][what] / rows[name][what]
                row = {"ours": name, "peer": peer, "of": what, "times": round(times, 2)}
                if bar is not None and "plainly" not in name:
                    row |= {"bar": bar, "met": bool(times >= bar)}
                found.append(row)
    return found


def show(rows: dict[str, dict[str, float]], compared: Sequence[dict[str, Any]]) -> None:
    """Print what was measured, and the bars."""
    columns = ("coarse p50 ms", "p50 ms", "p95 ms", "cpu ms")
    print(f"{'both looks':32}" + "".join(f"{column:>15}" for column in columns))
    for name, row in rows.items():
        print(f"{name:32}" + "".join(f"{row[column]:15.1f}" for column in columns))
    for row in compared:
        if "bar" in row:
            verdict = "met" if row["met"] else "NOT met"
            print(
                f"{row['ours']}: {row['times']:.1f} times less {row['of']} than {row['peer']}, "
                f"at least {row['bar']:g} asked for: {verdict}"
            )


def require_memory(folder: Path) -> None:
    """Raise SystemExit with a sentence where the system would have to kill us."""
    needed, free = COPIES * (folder / WEIGHTS).stat().st_size, free_memory()
    if free is not None and free < needed:
        raise SystemExit(
            f"Comparing takes up to {needed / 1e9:.0f} GB of memory; {free / 1e9:.0f} GB are "
            "free. End other programs, or take a smaller --size."
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=tuple(SIZES), default="base", help="default %(default)s")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--engine", nargs="+", choices=tuple(ENGINES), help="of ours")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU (default 2)")
    parser.add_argument("--frames", type=int, default=10, help="default %(default)s")
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    args = parser.parse_args(arguments)
    if args.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit(f"torch {torch.__version__} sees no CUDA GPU.")
    torch.set_num_threads(args.threads)
    torch.backends.cudnn.allow_tf32 = False  # single precision is single precision for all
    folder, config = random_model(args.size), SIZES[args.size]
    on_gpu = [name for name, known in ENGINES.items() if known.gpu]
    names = args.engine or (on_gpu if args.device == "cuda" else ["onnx"])
    if args.device == "cpu":
        require_memory(folder)
    theirs = peers(folder, config, args.device)
    contestants = {**dict(theirs), **dict(ours(folder, names, args.threads))}
    frames = list(islice(recorded(sample(), args.frames), args.frames))
    refused, apart = check(contestants, frames[:CHECKED])
    agreed = {name: one for name, one in contestants.items() if name not in refused}
    print(f"{len(agreed)} write the same tokens; chances in fp32 are within {apart:.1g}.")
    for name, reason in refused.items():
        print(f"NOT timed: {name}, because {reason}.")
    rows = measure(agreed, frames, args.device)
    compared = ratios(rows, BARS[args.device] if args.size == "base" else {})
    show(rows, compared)
    device = torch.cuda.get_device_name() if args.device == "cuda" else "cpu"
    told = {"size": args.size, "device": device, "threads": args.threads, "frames": len(frames)}
    versions = {
        "torch": torch.__version__,
        "transformers": importlib.metadata.version("transformers"),
    }
    whole = {**told, **versions, "apart": apart, "refused": refused}
    whole |= {"contestants": rows, "ratios": compared}
    publish(f"peers_{args.device}", whole, args.save)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
