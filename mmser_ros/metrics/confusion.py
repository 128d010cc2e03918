"""What is taken for what: classes of things as they are and as they are said."""

from __future__ import annotations

from collections import Counter

from mmser_ros.metrics.facts import match
from mmser_ros.world.grammar import Facts, parse

NOTHING = "nothing"


def confused(text: str, truth: Facts) -> Counter[tuple[str, str]]:
    """How often a caption says a class (second) of a thing of a class (first).

    A thing that was missed and one that was invented are the same thing under a wrong name if
    at least two of colour, distance and side agree; those that agree most find each other
    first. What is left was taken for nothing, or is nothing.
    """
    matching = match(parse(text).items, truth)
    found: Counter[tuple[str, str]] = Counter()
    for pair in matching.pairs:
        found[pair.theirs.cls, pair.mine.cls] += pair.things
    said = [item for item, things in matching.false for _ in range(things)]
    true = [truth.items[place] for place, things in matching.missing for _ in range(things)]
    alike = sorted(
        (-sum((mine.colour == theirs.colour, mine.band == theirs.band, mine.side == theirs.side)),
         i, j)
        for i, mine in enumerate(said)
        for j, theirs in enumerate(true)
    )  # fmt: skip
    named: set[int] = set()
    known: set[int] = set()
    for agreement, i, j in alike:
        if -agreement >= 2 and i not in named and j not in known:
            found[true[j].cls, said[i].cls] += 1
            named.add(i)
            known.add(j)
    found.update((theirs.cls, NOTHING) for j, theirs in enumerate(true) if j not in known)
    found.update((NOTHING, mine.cls) for i, mine in enumerate(said) if i not in named)
    return found
