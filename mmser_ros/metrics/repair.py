"""What a second look mends and what it breaks, fact by fact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mmser_ros.metrics.facts import compare_all
from mmser_ros.world.grammar import Facts

Key = tuple[str, int, int]
"""A kind of fact, the place of the true item that it is about (-1: scene or path), and which of
the alike things of that item."""


def judged(text: str, truth: Facts) -> dict[Key, bool]:
    """Which of the facts that a caption should state it states rightly.

    The same keys for every caption of a frame, whatever it says.
    """
    found: dict[Key, bool] = {}
    seen: Counter[tuple[str, int]] = Counter()
    due = (fact for fact in compare_all(text, truth) if fact.due)
    # of the things of a group those that were said come first
    for fact in sorted(due, key=lambda fact: not fact.is_right):
        found[fact.kind, fact.item, seen[fact.kind, fact.item]] = fact.is_right
        seen[fact.kind, fact.item] += 1
    return found


def invented(text: str, truth: Facts) -> Counter[tuple[str, str, str]]:
    """What is said of nothing there, as kind, subject and what is said.

    Things, and numbers and relations of things that have none; not what follows from these.
    """
    return Counter(
        (fact.kind, fact.subject, fact.said)
        for fact in compare_all(text, truth)
        if fact.said and not fact.due and not fact.implied and not fact.is_right and not fact.true
    )


def repair(
    drafts: Sequence[str], refined: Sequence[str], truths: Sequence[Facts]
) -> dict[str, float]:
    """Shares of facts mended and broken between two captions of the same frames.

    Returns ``wrong`` and ``right``, how many facts the drafts have wrong (missed and invented
    ones included) and right; ``repaired``, the share of the wrong ones that the refined
    captions have right; ``damaged``, the share of the right ones that they have wrong, newly
    invented ones included. Raises ValueError if the numbers of captions differ.
    """
    count: Counter[str] = Counter()
    for draft, text, truth in zip(drafts, refined, truths, strict=True):
        before, after = judged(draft, truth), judged(text, truth)
        for key, right in before.items():
            count["right" if right else "wrong"] += 1
            count["repaired"] += not right and after[key]
            count["damaged"] += right and not after[key]
        said, still = invented(draft, truth), invented(text, truth)
        count["wrong"] += said.total()
        count["repaired"] += (said - still).total()
        count["damaged"] += (still - said).total()
    return {
        "wrong": count["wrong"],
        "right": count["right"],
        "repaired": count["repaired"] / max(1, count["wrong"]),
        "damaged": count["damaged"] / max(1, count["right"]),
    }
