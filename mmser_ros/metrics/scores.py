"""How true captions are, over many frames: hallucination, recall, facts, false all-clears.

CHAIR is that of Rohrbach et al., Object Hallucination in Image Captioning (EMNLP 2018). Every
score is a share of sums over frames, so that it can be computed of any sample of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmser_ros.metrics.facts import (
    ATTRIBUTES,
    FALSE,
    KINDS,
    MISSING,
    RIGHT,
    compare_all,
    mentioned,
)
from mmser_ros.world.grammar import BLOCKED, CLEAR, Facts, caption, parse

LARGE = 0.01
"""Share of the image from which a thing is large enough that missing it is a fault."""


@dataclass(frozen=True, slots=True)
class Share:
    """A score: a sum over frames, as a share of others."""

    part: str
    whole: tuple[str, ...]
    empty: float = 1.0
    """Where there is nothing to judge: 0 for an error's share, 1 for any other."""

    def of(self, sums: Mapping[str, Any]) -> Any:
        """The share of these sums: numbers, or arrays of them, one a sample."""
        total = np.asarray(sum(sums.get(name, 0) for name in self.whole), float)
        part = np.asarray(sums.get(self.part, 0), float)
        return np.where(total > 0, part / np.maximum(total, 1), self.empty)


SHARES = {
    "chair_i": Share("hallucinated", ("mentions",), 0.0),
    "chair_s": Share("hallucinating", ("n",), 0.0),
    "class_precision": Share("matched", ("matched", "false")),
    "class_recall": Share("matched", ("matched", "missing")),
    "recall_1pct": Share("large found", ("large",)),
    **{f"{kind}_accuracy": Share(f"{kind} right", (kind,)) for kind in ATTRIBUTES},
    "scene": Share("scene right", ("n",)),
    "path_state": Share("path right", ("n",)),
    "blocker": Share("blocker right", ("blocker",)),
    "free": Share("free right", ("free",)),
    "false_clear": Share("blocked called clear", ("blocked",), 0.0),
    "unfounded_clear": Share("not clear called clear", ("not clear",), 0.0),
    "trusted_false_clear": Share("blocked trusted clear", ("blocked",), 0.0),
    "fact_precision": Share("said right", ("said",)),
    "fact_recall": Share("due right", ("due",)),
    "exact_match": Share("exact", ("n",)),
}
NAMES = (*list(SHARES)[:-1], "fact_f1", "exact_match")
"""Of all scores, in the order in which they are reported."""
ERRORS = tuple(name for name, share in SHARES.items() if share.empty == 0)
"""Scores of which less is better."""


def tally(text: str, truth: Facts, trusted: bool = False) -> Counter[str]:
    """What is counted of one frame, for ``value`` and ``by_kind``."""
    said, count = parse(text), Counter[str](n=1)
    visible = {item.cls for item in (*truth.items, *truth.optional)}
    mentions = mentioned(said)
    hallucinated = sum(cls not in visible for cls in mentions)
    count["mentions"], count["hallucinated"] = len(mentions), hallucinated
    count["hallucinating"] = int(hallucinated > 0)
    for fact in compare_all(text, truth):
        if fact.said:
            count.update(("said", f"said {fact.kind}"))
            if fact.is_right:
                count.update(("said right", f"said right {fact.kind}"))
        if fact.due:
            count.update(("due", f"due {fact.kind}"))
            if fact.is_right:
                count.update(("due right", f"due right {fact.kind}"))
        if fact.kind == "class":
            name = {RIGHT: "matched", FALSE: "false", MISSING: "missing"}.get(fact.verdict)
            count.update([name] if name else [])
            if fact.item >= 0:
                theirs = truth.items[fact.item]
                large = theirs.share / theirs.count >= LARGE
                count["large"] += large
                count["large found"] += large and fact.is_right
        elif not fact.implied and (fact.item >= 0 or fact.kind not in ATTRIBUTES):
            count[fact.kind] += 1
            count[f"{fact.kind} right"] += fact.is_right
    clear = said.path.state == CLEAR
    if truth.path.state != CLEAR:
        count["not clear"], count["not clear called clear"] = 1, int(clear)
    if truth.path.state == BLOCKED:
        count["blocked"], count["blocked called clear"] = 1, int(clear)
        count["blocked trusted clear"] = int(clear and trusted)
    count["exact"] = int(" ".join(text.split()) == caption(truth))
    return count


def value(name: str, sums: Mapping[str, Any]) -> Any:
    """A score, by its name, of sums of tallies: numbers, or arrays of them, one a sample."""
    if name == "fact_f1":
        return harmonic(value("fact_precision", sums), value("fact_recall", sums))
    return SHARES[name].of(sums)


def harmonic(precision: Any, recall: Any) -> Any:
    """F1; 0 where both are."""
    return 2 * precision * recall / np.maximum(precision + recall, 1e-12)


def score(
    captions: Sequence[str], truths: Sequence[Facts], trusted: Sequence[bool] | None = None
) -> dict[str, float]:
    """How true captions are, as shares from 0 to 1.

    Args:
        captions: what was said, one a frame.
        truths: what is so, in the same order.
        trusted: whether each caption is.

    Returns:
        ``n`` (frames) and

        - ``chair_i``: mentions of a class that is not visible at all, of all mentions
        - ``chair_s``: captions with at least one of those
        - ``class_precision``, ``class_recall``: said things against named ones, by class, as
          multisets; saying an optional one costs no precision
        - ``recall_1pct``: the same recall, of things of at least 1 % of the image
        - ``colour_accuracy``, ``band_accuracy``, ``side_accuracy``, ``state_accuracy``: of the
          things that were matched
        - ``count_accuracy``, ``relation_accuracy``: of those matched ones where either the
          caption or the truth states a number, a relation
        - ``scene``, ``path_state``: captions with the right one
        - ``blocker``, ``free``: what blocks the path and which side is free, of the paths that
          are rightly called blocked
        - ``false_clear``: captions that call the path clear, of the frames where it is blocked
        - ``unfounded_clear``: the same, of all frames where it is not known to be clear
        - ``trusted_false_clear``, only if ``trusted`` is given: trusted captions that call the
          path clear, of the frames where it is blocked
        - ``fact_precision``, ``fact_recall``, ``fact_f1``: of all facts, said and due
        - ``exact_match``: captions that are the true one, word for word

        Where there is nothing to judge, an error's share is 0 and any other share 1.

    Raises:
        ValueError: not as many captions as truths.

    """
    rows = tallies(captions, truths, trusted)
    sums = total(rows)
    named = [name for name in NAMES if name != "trusted_false_clear" or trusted is not None]
    return {"n": len(rows), **{name: float(value(name, sums)) for name in named}}


def tallies(
    captions: Sequence[str], truths: Sequence[Facts], trusted: Sequence[bool] | None = None
) -> list[Counter[str]]:
    """A tally a frame. Raises ValueError if the numbers differ."""
    if len(captions) != len(truths):
        raise ValueError(f"{len(captions)} captions cannot be scored by {len(truths)} truths")
    sure = trusted if trusted is not None else [False] * len(truths)
    return [tally(*row) for row in zip(captions, truths, sure, strict=True)]


def total(rows: Sequence[Counter[str]]) -> Counter[str]:
    """The sum of tallies."""
    sums: Counter[str] = Counter()
    for row in rows:
        sums.update(row)
    return sums


def by_kind(sums: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 of every kind of fact that was said or due, and its numbers."""
    found = {}
    for kind in KINDS:
        said, due = sums.get(f"said {kind}", 0), sums.get(f"due {kind}", 0)
        if not said and not due:
            continue
        precision = float(Share(f"said right {kind}", (f"said {kind}",)).of(sums))
        recall = float(Share(f"due right {kind}", (f"due {kind}",)).of(sums))
        found[kind] = {
            "precision": precision,
            "recall": recall,
            "f1": float(harmonic(precision, recall)),
            "said": said,
            "due": due,
        }
    return found
