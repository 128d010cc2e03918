"""What ``mmser bench`` measured, as tables for people."""

from __future__ import annotations

from typing import Any

from mmser_ros.cli.laps import PLAIN, STAGES
from mmser_ros.cli.trial import CONVERT


def show_stages(name: str, result: dict[str, Any]) -> None:
    """Print every stage of one engine and precision."""
    print(f"\n{name}: {result['backend']} on {result['device']}, {result['frames']} frames")
    print(f"{'milliseconds':28}{'p50':>10}{'p95':>10}{'CPU':>10}")
    stages = [f"{look} {stage}" for look, names in STAGES.items() for stage in _with_plain(names)]
    whole = [f"{look}{way}" for look in (*STAGES, "both") for way in ("", " plainly")]
    for stage in (CONVERT, *stages, *whole):
        row = result["milliseconds"][stage]
        print(f"{stage:28}{row['p50']:10.2f}{row['p95']:10.2f}{row['cpu']:10.2f}")
    for look, row in result["decoding"].items():
        print(
            f"{look}: {row['tokens']:g} tokens in {row['calls']:g} decoder calls, "
            f"{100 * row['one_call']:.0f} % of captions in one; "
            f"{row['differing']} of {row['captions']} differ from plain decoding"
        )


def _with_plain(stages: tuple[str, ...]) -> list[str]:
    place = stages.index("decode") + 1
    return [*stages[:place], PLAIN, *stages[place:]]


def show_all(whole: dict[str, Any]) -> None:
    """Print a line for each engine and precision, and what could not be measured."""
    print(f"\n{whole['model']} on {whole['machine']['processor']}, {whole['of']}")
    heads = ("coarse", "refined", "CPU", "plainly", "frames/s", "first", "start", "MiB", "J")
    print(f"{'':26}" + "".join(f"{head:>10}" for head in heads))
    for result in whole["results"]:
        print(f"{name(result):26}" + "".join(f"{cell:>10}" for cell in _cells(result)))
    print(
        "coarse, refined: ms p50 of each look. CPU: ms of all threads, both looks. plainly: ms "
        "p50 of both\nlooks without drafts. first, start: seconds until the engine is ready, the "
        "first time and again.\nMiB: peak memory of the process, on a GPU also its own. J: "
        "joules a frame, both looks."
    )
    if whole["random_weights"]:
        print(
            "Random weights: every frame gets the same caption, so that every draft holds. "
            "Trained ones lie\nbetween the times with drafts and plainly."
        )
    unknown = dict.fromkeys(t for result in whole["results"] for t in result["energy_unknown"])
    if unknown:
        print(f"Energy is not known: {'; '.join(unknown)}.")
    for what, reason in whole["absent"].items():
        print(f"without {what}: {reason.rstrip('.')}.")


def name(result: dict[str, Any]) -> str:
    """Engine, precision and threads of a result."""
    threads = "" if result["threads"] is None else f" x{result['threads']}"
    return f"{result['engine']} {result['precision']}{threads}"


def _cells(result: dict[str, Any]) -> list[str]:
    spent, memory = result["milliseconds"], result["memory"]
    first = result.get("first_start_seconds", {}).get("ready")
    joules = result["joules_per_frame"]["both"].values()
    return [
        f"{spent['coarse']['p50']:.1f}",
        f"{spent['refined']['p50']:.1f}",
        f"{spent['both']['cpu']:.1f}",
        f"{spent['both plainly']['p50']:.1f}",
        f"{result['frames_per_second']['both']:.1f}",
        "" if first is None else f"{first:.2f}",
        f"{result['start_seconds']['ready']:.2f}",
        "+".join(str(memory[key]) for key in ("peak_mib", "gpu_mib") if key in memory),
        f"{sum(joules):.2f}" if joules else "",
    ]
