"""From what a model said of held-out frames to its scores, and those as a table."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mmser_ros.cli.looks import COARSE, LOOKS, REFINED, SHUFFLED, TRUE, Heard

if TYPE_CHECKING:
    from mmser_ros.captioner import Captioner
    from mmser_ros.types import Caption

GAINS = {
    "refined_over_coarse": (COARSE, REFINED),
    "refined_over_shuffled": (SHUFFLED, REFINED),
    "true_over_refined": (REFINED, TRUE),
}
"""Which two looks each gain lies between."""
GAINED = ("fact_f1", "exact_match", "chair_i")


def evaluate(captioner: Captioner, heard: Heard) -> dict[str, Any]:
    """All scores, as the JSON of ``mmser eval --world`` has them."""
    from mmser_ros.metrics.bars import held_against
    from mmser_ros.metrics.intervals import gain
    from mmser_ros.metrics.repair import repair
    from mmser_ros.metrics.scores import by_kind, score, tallies, total
    from mmser_ros.world.grammar import caption

    count = len(heard.truths)
    wanted = [caption(truth) for truth in heard.truths]
    scored, rows = {}, {}
    for look in LOOKS:
        told = heard.texts(look), heard.truths, heard.trusted(look)
        rows[look] = tallies(*told)
        scored[look] = {name: value for name, value in score(*told).items() if name != "n"}
    looks = (COARSE, REFINED)
    calls = {look: sum(c.decoder_calls for c in heard.captions[look]) / count for look in looks}
    scores = {
        "n": count,
        "model": captioner.config.name,
        "version": captioner.config.version,
        "weights_hash": captioner.info.weights_hash,
        "engine": captioner.info.backend,
        "precision": captioner.info.precision,
        **scored,
        "gains": {
            name: {
                what: dataclasses.asdict(gain(rows[before], rows[after], what)) for what in GAINED
            }
            for name, (before, after) in GAINS.items()
        },
        "kinds": {look: by_kind(total(rows[look])) for look in looks},
        "confidence": {look: _confidence(heard.captions[look], wanted) for look in looks},
        "familiarity": _familiarity(captioner, heard.captions[COARSE]),
        "repair": repair(heard.texts(COARSE), heard.texts(REFINED), heard.truths),
        "decoder_calls": calls,
        "changed": sum(caption.changed for caption in heard.captions[REFINED]) / count,
    }
    scores["bars"] = held_against(scores)
    rounded: dict[str, Any] = _rounded(scores)
    return rounded


def _confidence(captions: Sequence[Caption], truths: Sequence[str]) -> dict[str, float | None]:
    """How far the captions' confidence can be believed; None where it is not known."""
    from mmser_ros.metrics.calibration import auroc, calibration_error, reliability

    right = [said.text == true for said, true in zip(captions, truths, strict=True)]
    trusted = [fine for said, fine in zip(captions, right, strict=True) if said.trusted]
    values = [said.confidence for said in captions]
    known = not any(math.isnan(value) for value in values)
    return {
        "calibration_error": calibration_error(reliability(values, right)) if known else None,
        "auroc": auroc(values, right) if known else None,
        "trusted": len(trusted) / len(captions),
        "trusted_right": sum(trusted) / len(trusted) if trusted else None,
    }


def _familiarity(captioner: Captioner, captions: Sequence[Caption]) -> dict[str, float | None]:
    """Share of frames that are not familiar enough to be trusted; the median. None: unknown."""
    import numpy as np

    values = [said.familiarity for said in captions]
    if any(math.isnan(value) for value in values):
        return {"unfamiliar": None, "median": None}
    least = captioner.trust.min_familiarity
    strange = sum(value < least for value in values) / len(values)
    return {"unfamiliar": strange, "median": float(np.median(values))}


def _rounded(value: Any) -> Any:
    """Numbers to four decimals, NaN as None."""
    if isinstance(value, Mapping):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 4)
    return value


def table(scores: Mapping[str, Any]) -> str:
    """The scores for people, in percent."""
    heads = [look.replace("refined_", "").replace("_", " ") for look in LOOKS]
    lines = [f"{scores['model']} on {scores['n']} held-out frames, %"]
    lines.append(" " * 20 + "".join(f"{head:>16}" for head in heads))
    for name in scores[COARSE]:
        lines.append(f"{name:20}" + "".join(_cell(scores[look][name]) for look in LOOKS))
    for name in scores["confidence"][COARSE]:
        values = (scores["confidence"][look][name] for look in (COARSE, REFINED))
        lines.append(f"{name:20}" + "".join(map(_cell, values)))
    lines.append(f"{'unfamiliar':20}{_cell(scores['familiarity']['unfamiliar'])}")
    for name in ("repaired", "damaged"):
        lines.append(f"{name:20}{'':16}{_cell(scores['repair'][name])}")
    lines += ["", f"{'F1 of facts':20}" + "".join(f"{look:>16}" for look in (COARSE, REFINED))]
    kinds = scores["kinds"]
    for kind in kinds[COARSE] | kinds[REFINED]:
        values = (kinds[look].get(kind, {}).get("f1") for look in (COARSE, REFINED))
        lines.append(f"{kind:20}" + "".join(map(_cell, values)))
    lines += ["", f"{'gains, points':24}" + "".join(f"{name:>24}" for name in GAINED)]
    for name, gains in scores["gains"].items():
        cells = (_interval(gains[what]) for what in GAINED)
        lines.append(f"{name.replace('_', ' '):24}" + "".join(f"{cell:>24}" for cell in cells))
    if scores["bars"]:
        lines += ["", *map(_bar, scores["bars"])]
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return f"{'unknown' if value is None else f'{100 * value:.1f}':>16}"


def _interval(gain: Mapping[str, float]) -> str:
    middle, low, high = (100 * gain[part] for part in ("gain", "low", "high"))
    return f"{middle:+.2f} [{low:+.2f}, {high:+.2f}]"


def _bar(bar: Mapping[str, Any]) -> str:
    value = "unknown" if bar["value"] is None else f"{100 * bar['value']:.2f}"
    verdict = "met" if bar["met"] else "NOT MET"
    return f"{bar['name']:44}{value:>9}  at {bar['at']} {100 * bar['bar']:.2f}  {verdict}"
