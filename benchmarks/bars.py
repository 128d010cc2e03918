"""The bars that measurements are held against, and whether what was saved meets them.

Reads bench_nano.json and bench_base.json (mmser bench --json), peers_cpu.json, peers_cuda.json,
decoder_calls.json and border.json, as far as they are in the results' folder. Where a bar is
missed, the stages that `mmser bench` tells show where the time goes. Last line: one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from record import RESULTS

FLOORS = {
    "H200": (1.9, 1.5, 0.5),
    "RTX 4090": (8.3, 6.5, 2.2),
    "RTX 3090": (12.6, 8.4, 3.7),
    "AGX Orin": (38.0, 31.0, 10.0),
    "Orin Nano Super": (81.0, 64.0, 21.0),
}
"""Milliseconds that the base size's weights and products take at least (fp16, one frame, 20
tokens): the coarse caption, the refined one, and the refined one if its draft holds. Arithmetic
from memory bandwidth and peak rates, not measurements."""
FROM_FLOOR = 3.0
"""Times its floor that a look may take."""
MOST, LEAST = "most", "least"

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Bar:
    """A figure, and what it should be."""

    name: str
    value: float
    at: str
    """most or least."""
    bar: float

    @property
    def met(self) -> bool:
        """Whether the figure is as it should be."""
        return self.value <= self.bar if self.at == MOST else self.value >= self.bar


def called(result: Json) -> str:
    """Engine, precision and threads."""
    threads = "" if result["threads"] is None else f" x{result['threads']}"
    return f"{result['engine']} {result['precision']}{threads}"


def of_nano(bench: Json) -> Iterator[Bar]:
    """On a CPU: both looks, what the second look's decoding adds, and the start."""
    for result in bench["results"]:
        if result["device"] != "cpu" or result["engine"] != "onnx" or result["threads"] == 1:
            continue  # the bars are those of two cores
        name, spent = f"nano, {called(result)}", result["milliseconds"]
        rate = result["frames_per_second"]["both"]
        yield Bar(f"{name}: both looks, frames a second", rate, LEAST, 30.0)
        share = spent["refined decode"]["p50"] / spent["coarse"]["p50"]
        yield Bar(f"{name}: decoding of the second look, % of the glance", 100 * share, MOST, 15.0)
        start = result["start_seconds"]["ready"]
        yield Bar(f"{name}: start, seconds", start, MOST, 2.0)


def of_calls(found: Json) -> Iterator[Bar]:
    """Decoder calls of refined captions."""
    calls = found["drives"]["refined"]["calls"]
    yield Bar("nano, drives: decoder calls of a refined caption", calls, MOST, 2.5)
    differing = sum(found[kind][look]["differing"] for kind in ("scenes", "drives")
                    for look in ("coarse", "refined"))  # fmt: skip
    yield Bar("nano: captions that drafts change", differing, MOST, 0.0)


def of_base(bench: Json) -> Iterator[Bar]:
    """The second look beside the glance; on a GPU all beside its floors."""
    for result in bench["results"]:
        name, spent = f"base, {called(result)}", result["milliseconds"]
        coarse, refined, held = (
            spent[look]["p50"] for look in ("coarse plainly", "refined plainly", "refined")
        )
        yield Bar(f"{name}: second look, % of the glance, draft held", 100 * held / coarse,
                  MOST, 20.0)  # fmt: skip
        if result["device"] == "cpu":
            continue
        if "H200" in result["device"]:
            yield Bar(f"{name}: both looks, ms", coarse + held, MOST, 8.0)
        for floors in (FLOORS[gpu] for gpu in FLOORS if gpu in result["device"]):
            looks = ("coarse caption", "refined caption", "refined caption, draft held")
            for look, took, floor in zip(looks, (coarse, refined, held), floors, strict=True):
                yield Bar(f"{name}: {look}, times its floor of {floor:g} ms", took / floor,
                          MOST, FROM_FLOOR)  # fmt: skip


def of_peers(found: Json) -> Iterator[Bar]:
    """Both looks beside transformers' two passes."""
    for row in found["ratios"]:
        if "bar" in row:
            name = f"base, {row['ours']}: times less {row['of']} than {row['peer']}"
            yield Bar(name, row["times"], LEAST, row["bar"])


def of_border(found: Json) -> Iterator[Bar]:
    """What ROS costs around the captioner."""
    if "instant" in found:
        cost = found["instant"]["raw VGA"]["total"]["p50"]
        yield Bar("ROS border, raw VGA, ms", cost, MOST, 1.5)


SOURCES = {
    "bench_nano": of_nano,
    "decoder_calls": of_calls,
    "bench_base": of_base,
    "peers_cpu": of_peers,
    "peers_cuda": of_peers,
    "border": of_border,
}


def held(folder: Path) -> tuple[list[Bar], list[str]]:
    """All bars of a folder's results, and which results are not there."""
    found, missing = [], []
    for name, bars in SOURCES.items():
        path = folder / f"{name}.json"
        if path.is_file():
            found += bars(json.loads(path.read_text(encoding="utf-8")))
        else:
            missing.append(name)
    return found, missing


def main(arguments: list[str] | None = None) -> int:
    """The command line; the exit code, which is 0 whether bars are met or not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help="default %(default)s")
    folder = parser.parse_args(arguments).results
    bars, missing = held(folder)
    for bar in bars:
        verdict = "met" if bar.met else "MISSED"
        print(f"{verdict:8}{bar.value:10.2f}  at {bar.at} {bar.bar:<8g}{bar.name}")
    if missing:
        print(f"not measured: {', '.join(missing)}")
    print(json.dumps({"bars": [{**asdict(bar), "met": bar.met} for bar in bars],
                      "not_measured": missing}))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
