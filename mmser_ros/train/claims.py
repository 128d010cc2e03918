"""Sections of the model card: what is claimed, from the files that measurements were saved in.

A measurement that was not made, or was made with other weights, is not claimed: its section
says which command makes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = Sequence[str]
GAINED = {"fact_f1": "facts (F1)", "exact_match": "whole caption", "chair_i": "CHAIRi"}
"""Scores of which gains are told."""


@dataclass(frozen=True, slots=True)
class Results:
    """Saved measurements of one model."""

    folder: Path
    weights: str
    """Hash of the weights that are described."""
    glance: str
    """Hash of the checkpoint after the glance, from which they came."""

    def of(self, name: str) -> dict[str, Any] | None:
        """A measurement; None if it is not there, or of other weights."""
        path = self.folder / f"{name}.json"
        if not path.is_file():
            return None
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        weights = found.get("weights", found.get("weights_hash", self.weights))
        same = weights == self.weights and found.get("glance", self.glance) == self.glance
        return found if same else None


def sections(scores: Mapping[str, Any], results: Results) -> str:
    """All sections, with their headings."""
    parts = {
        "The bars": _bars(scores),
        "What the second look gains": _gains(scores),
        "Facts by kind": _kinds(scores),
        "How far it can be trusted": _trust(scores),
        "Frames of other worlds": _strange(results.of("familiarity")),
        "Without a known camera": _unknown(scores, results.of("camera_unknown")),
        "What each part of the second look gives": _ablation(results.of("ablation")),
        "When it is worth looking twice": _worth(results.of("when_to_refine")),
        "How many crops are worth it": _crops(results.of("crops")),
        "Foils cannot be told without looking": _probe(results.of("blind_probe")),
        "Self-critical training": _self_critical(results.of("self_critical")),
        "Speed": _speed(results.of("bench_nano"), results.of("decoder_calls")),
    }
    return "\n\n".join(f"### {head}\n\n{text}" for head, text in parts.items())


def duration(found: Mapping[str, Any] | None, made: Mapping[str, Any]) -> str:
    """How long making a model takes; ``made`` is its training.json."""
    if found is None or any(found[key] != made[key] for key in ("frames", "steps")):
        return _made_by("python benchmarks/training_time.py --save")
    machine = found["machine"]
    longest = sorted(found["parts"].items(), key=lambda part: -part[1])[:4]
    parts = ", ".join(f"{part} {minutes:.0f}" for part, minutes in longest)
    return (
        f"{found['minutes']:.0f} minutes on {machine['cores']} cores ({machine['processor']}), "
        f"from rendering to export ({parts}), reckoned from a whole run of "
        f"{percent(found['share'])} % of it."
    )


def table(heads: Row, rows: Iterable[Row]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(row) + " |" for row in (heads, *rows)]
    return "\n".join([lines[0], "|---" * len(heads) + "|", *lines[1:]])


def percent(value: float | None) -> str:
    """A share in percent; what is not known is so called."""
    return "unknown" if value is None else f"{100 * value:.1f}"


def _made_by(command: str) -> str:
    return f"Not measured with these weights yet: `{command}` does it."


def _bars(scores: Mapping[str, Any]) -> str:
    rows = [
        (
            f"`{bar['name']}`",
            "unknown" if bar["value"] is None else f"{100 * bar['value']:.2f}",
            f"at {bar['at']} {100 * bar['bar']:.2f}",
            "yes" if bar["met"] else "**no**",
        )
        for bar in scores["bars"]
    ]
    return "In percent.\n\n" + table(("score", "is", "bar", "met"), rows)


def _gains(scores: Mapping[str, Any]) -> str:
    rows = [
        (name.replace("_", " "), *(_interval(gains[key]) for key in GAINED))
        for name, gains in scores["gains"].items()
    ]
    mended, broken = (percent(scores["repair"][key]) for key in ("repaired", "damaged"))
    return (
        "Points, with 95 % intervals (paired bootstrap over frames). Of hallucination less is "
        f"better.\n\n{table(('', *GAINED.values()), rows)}\n\n"
        f"Of the facts that the coarse caption has wrong it mends {mended} %, of those that it "
        f"has right it breaks {broken} %."
    )


def _interval(gain: Mapping[str, float]) -> str:
    middle, low, high = (100 * gain[key] for key in ("gain", "low", "high"))
    return f"{middle:+.2f} [{low:+.2f}, {high:+.2f}]"


def _kinds(scores: Mapping[str, Any]) -> str:
    coarse, refined = (scores["kinds"][look] for look in ("coarse", "refined"))
    rows = [
        (kind, str(one["due"]), *(percent(one[key]) for key in ("precision", "recall", "f1")),
         percent(coarse.get(kind, {}).get("f1")))
        for kind, one in refined.items()
    ]  # fmt: skip
    heads = ("refined captions", "facts", "precision", "recall", "F1", "F1 coarse")
    return table(heads, rows)


def _trust(scores: Mapping[str, Any]) -> str:
    names = {
        "calibration_error": "expected calibration error",
        "auroc": "AUROC: right captions from others",
        "trusted": "captions trusted",
        "trusted_right": "right word for word, of these",
    }
    looks = [scores["confidence"][look] for look in ("coarse", "refined")]
    rows = [(words, *(percent(look.get(key)) for look in looks)) for key, words in names.items()]
    misled = (percent(scores[look]["trusted_false_clear"]) for look in ("coarse", "refined"))
    rows.append(("blocked path called clear by a trusted caption", *misled))
    return table(("", "coarse", "refined"), rows)


def _strange(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return _made_by("python benchmarks/familiarity.py --save")
    rows = [
        (name, str(one["frames"]), percent(one["flagged"]), percent(one["auroc"]),
         str(one["trusted"]))
        for name, one in found["kinds"].items()
    ]  # fmt: skip
    heads = ("", "frames", "too strange, %", "AUROC, %", "frames with a trusted caption")
    return table(heads, rows)


def _worth(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return _made_by("python benchmarks/when_to_refine.py --save")
    own, by = found["uncertain"], found["by"]["confidence"]["fact_f1"]
    return (
        f"Of {found['frames']} frames the captioner itself finds {percent(own['share'])} % worth "
        f"a second look. Looking twice at these alone, facts (F1) are {percent(own['fact_f1'])}; "
        f"at none {percent(by[0])}, at all {percent(by[-1])}."
    )


def _crops(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return _made_by("python benchmarks/crops.py --save")
    rows = [
        (
            "no crops" if one["least"] is None else str(one["least"]),
            f"{one['crops']:.2f}",
            *(percent(one[key]) for key in GAINED),
            _interval(one["gain"]),
        )
        for one in found["limits"]
    ]
    heads = ("least doubt", "crops a frame", *GAINED.values(), "F1 gained over all crops")
    return (
        f"A crop that takes less doubt away than {found['worth']} is left out. What other limits "
        f"would give, on {found['frames']} frames of the {found['split']} split (the limit was "
        f"chosen on the validation split):\n\n{table(heads, rows)}"
    )


def _unknown(scores: Mapping[str, Any], unknown: Mapping[str, Any] | None) -> str:
    if unknown is None:
        return _made_by(
            "mmser eval --world --camera-unknown --frames 2000 "
            "--json benchmarks/results/camera_unknown.json"
        )
    names = {
        "fact_f1": "facts (F1)",
        "band_accuracy": "distance, of the things found",
        "path_state": "path state",
        "false_clear": "called clear, of the blocked",
        "exact_match": "whole caption",
    }
    rows = [
        (words, percent(scores["refined"][key]), percent(unknown["refined"][key]))
        for key, words in names.items()
    ]
    return "Refined captions.\n\n" + table(("", "known", "unknown"), rows)


def _ablation(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return _made_by("python benchmarks/ablation.py --work WORK --save")
    names = {
        "fact_f1": ("facts (F1)", 100),
        "cider_d": ("CIDEr-D", 10),
        "exact_match": ("whole caption", 100),
        "chair_i": ("CHAIRi", 100),
        "chair_s": ("CHAIRs", 100),
        "repaired": ("mended", 100),
        "damaged": ("broken", 100),
    }
    rows = [
        (name, *(_reach(row[key], scale) for key, (_, scale) in names.items()), str(row["seeds"]))
        for name, row in found["rows"].items()
    ]
    heads = ("", *(words for words, _ in names.values()), "seeds")
    gains = [
        (name, *(_interval(one[key]) for key in GAINED)) for name, one in found["gains"].items()
    ]
    kinds = list(found["rows"]["both"]["kinds"])
    by_kind = [
        (name, *(percent(row["kinds"].get(kind, {}).get("f1")) for kind in kinds))
        for name, row in found["rows"].items()
    ]
    start = "the same frozen encoder, from the same glance"
    if "weights" in found:
        start = "the shipped encoder, from the same glance, which was trained on it anew"
    return (
        f"Every row but the first was trained for {found['steps']} steps on {start} (the "
        "shipped model is trained longer), and tried on the same "
        f"{found['frames']} frames of the test split. Percent, CIDEr-D in hundredths of its "
        "best; mean over seeds and, from two on, how far its 95 % interval reaches (Student's "
        f"t).\n\n{table(heads, rows)}\n\n"
        "What `both` has more than each other row, in points, with 95 % intervals (paired "
        "bootstrap over frames, all seeds together):\n\n"
        f"{table(('', *GAINED.values()), gains)}\n\n"
        f"Facts (F1) by kind:\n\n{table(('', *kinds), by_kind)}"
    )


def _reach(figure: Mapping[str, float], scale: float) -> str:
    reach = f" ± {scale * figure['reach']:.1f}" if "reach" in figure else ""
    return f"{scale * figure['mean']:.1f}{reach}"


def _probe(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return _made_by("python benchmarks/blind_probe.py --shards WORK/shards --save")
    told = " and ".join(
        f"{percent(found[key]['found'])} % ({words})"
        for key, words in (("transformer", "a transformer"), ("words", "words and pairs of words"))
    )
    return (
        "A probe that reads text alone and has to tell a true caption from one with one fact "
        f"changed by rules, or several, finds {told} of {found['transformer']['n']} foils. "
        f"Chance is 50 %, give or take {percent(found['transformer']['chance'])}."
    )


def _self_critical(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return _made_by("python benchmarks/self_critical.py --work WORK --save")
    rows = [
        (name, *(percent(found[name][key]) for key in GAINED), f"{found[name]['cider_d']:.2f}")
        for name in ("before", "after")
    ]
    heads = ("", *GAINED.values(), "CIDEr-D")
    return (
        f"Refined captions of {found['frames']} frames before and after the last stage, "
        f"{found['steps']} steps that reward what a drawn caption has more of CIDEr-D and of the "
        f"F1 of its facts than the greedy one.\n\n{table(heads, rows)}\n\nFacts (F1): "
        f"{_interval(found['gains']['fact_f1'])} points."
    )


def _speed(bench: Mapping[str, Any] | None, calls: Mapping[str, Any] | None) -> str:
    if bench is None:
        return _made_by("make bench")
    rows = []
    for result in bench["results"]:
        threads = result["threads"] or "its own choice"
        spent = (result["milliseconds"][look] for look in ("coarse", "refined"))
        looks = (f"{one['p50']:.1f} ({one['p95']:.1f})" for one in spent)
        rate = f"{result['frames_per_second']['both']:.1f}"
        memory = str(result["memory"]["peak_mib"])
        rows.append(
            (f"{result['backend']}, {result['precision']}", str(threads), *looks, rate, memory)
        )
    heads = ("", "threads", "coarse", "refined", "frames a second", "MiB")
    text = (
        f"Milliseconds a caption, median (95 %), on {bench['of']}, "
        f"{bench['machine']['processor']}. Frames a second get both captions.\n\n"
        f"{table(heads, rows)}"
    )
    if calls is not None:
        text += "\n\nWhat drafts save of decoder calls (plain decoding: one a token), and change:"
        kinds = [(f"{kind}, {look}", calls[kind][look]) for kind in ("scenes", "drives")
                 for look in ("coarse", "refined")]  # fmt: skip
        columns = ("captions", "tokens", "calls", "differing")
        told = [(name, *(str(row[column]) for column in columns)) for name, row in kinds]
        text += "\n\n" + table(("", "captions", "tokens", "calls", "not the plain one"), told)
    return text
