"""What a second look mends and what it breaks, fact by fact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mmser_ros.metrics.facts import match
from mmser_ros.world.grammar import BLOCKED, DOOR, Facts, parse

Key = tuple[str, int]
"""A kind of fact, and the number of the true item that it is about (-1: the scene)."""


def judged(text: str, truth: Facts) -> dict[Key, bool]:
    """Which of the facts that a caption should state it states rightly.

    Scene, wall, floor, path state, and of each named item class, colour, distance, side and a
    door's state; of a blocked path what blocks it and which side is free.
    """
    said = parse(text)
    found: dict[Key, bool] = {
        (kind, -1): getattr(said, kind) == getattr(truth, kind)
        for kind in ("scene", "wall", "floor")
    }
    found["path", -1] = said.path.state == truth.path.state
    if truth.path.state == BLOCKED:
        found["blocker", -1] = said.path.blocker == truth.path.blocker
        found["free", -1] = said.path.free == truth.path.free
    pairs = {id(theirs): mine for mine, theirs in match(said.items, truth).pairs}
    for number, theirs in enumerate(truth.items):
        mine = pairs.get(id(theirs))
        found["class", number] = mine is not None
        for kind in ("colour", "band", "side", "state"):
            if kind != "state" or theirs.cls == DOOR:
                right = mine is not None and getattr(mine, kind) == getattr(theirs, kind)
                found[kind, number] = right
    return found


def invented(text: str, truth: Facts) -> Counter[str]:
    """Classes of the items that are said of nothing there."""
    return Counter(item.cls for item in match(parse(text).items, truth).false)


def repair(
    drafts: Sequence[str], refined: Sequence[str], truths: Sequence[Facts]
) -> dict[str, float]:
    """Shares of facts mended and broken between two captions of the same frames.

    Returns ``wrong`` and ``right``, how many facts the drafts have wrong (missed and invented
    items included) and right; ``repaired``, the share of the wrong ones that the refined
    captions have right; ``damaged``, the share of the right ones that they have wrong, newly
    invented items included. Raises ValueError if the numbers of captions differ.
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
