"""Foils: captions with a few facts made wrong, which the text alone does not give away.

A caption that says "the path is clear" after "a box close ahead" is found wrong without looking,
and so is one that counts three sofas. A second look that learns from such drafts learns to mend
text. So changes keep to what a caption says elsewhere (`coherent`), and are taken with the odds
against their being told (`discriminator.py`): then a change comes as often as its opposite, and
foils are worded as true captions are. How far that holds is what `benchmarks/blind_probe.py`
measures.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np

from mmser_ros.train.discriminator import Discriminator
from mmser_ros.train.drafts import ANYTHING, CHANGES, Confusions, change
from mmser_ros.world import grammar
from mmser_ros.world.grammar import BLOCKED, CLEAR, IN_FRONT, ON, UNSEEN, WALL, Facts, Item, Path

PROPOSALS = 2
"""Changes that are proposed for one that is wanted; about half are taken."""
LEARNT = 2
"""Changes of each truth that the discriminator learns from."""
HIDDEN = 0.2
"""Share of changed paths that cannot be seen."""


@dataclasses.dataclass(frozen=True, slots=True)
class Foils:
    """Makes foils of true captions."""

    told: Discriminator | None = None
    """Tells foils; without it every change is taken."""
    confusions: Confusions = ANYTHING

    @classmethod
    def learnt(
        cls, truths: Iterable[Facts], confusions: Confusions = ANYTHING, seed: int = 0
    ) -> Foils:
        """Foils that are worded as these truths are."""
        raw, rng = cls(confusions=confusions), np.random.default_rng(seed)
        pairs = [
            (truth, foil)
            for truth in truths
            for foil, kind in (raw.changed(truth, rng) for _ in range(LEARNT))
            if kind
        ]
        return cls(Discriminator.fit(pairs, seed), confusions)

    def make(self, truth: Facts, changes: int, rng: np.random.Generator) -> Facts:
        """The facts with about so many changes."""
        for _ in range(PROPOSALS * changes):
            truth = self.changed(truth, rng)[0]
        return truth

    def changed(self, truth: Facts, rng: np.random.Generator) -> tuple[Facts, str]:
        """The facts with one change, and its kind; unchanged and empty if it was not taken.

        A change that is not taken is not made up for by another one: foils would again come
        more often from some truths than from others.
        """
        kinds, chances = list(CHANGES), np.array(list(CHANGES.values()))
        kind = kinds[rng.choice(len(kinds), p=chances / chances.sum())]
        foil = coherent(self._proposed(truth, kind, rng), rng)
        if len(foil.items) > grammar.MOST_NAMED or grammar.caption(foil) == grammar.caption(truth):
            return truth, ""
        if self.told is not None:
            odds = self.told.score(foil) - self.told.score(truth)
            if rng.random() >= math.exp(min(0.0, odds)):
                return truth, ""
        return foil, kind

    def _proposed(self, truth: Facts, kind: str, rng: np.random.Generator) -> Facts:
        if kind != "path":
            return change(truth, kind, rng, self.confusions)
        if truth.path.state == UNSEEN:
            return dataclasses.replace(truth, path=Path(CLEAR))
        if rng.random() < HIDDEN:
            return dataclasses.replace(truth, path=Path(UNSEEN))
        return _moved(truth, rng)


def _moved(facts: Facts, rng: np.random.Generator) -> Facts:
    """What blocks the path moved out of it, or something moved into it."""
    blocked = facts.path.state == BLOCKED
    able = [n for n, item in enumerate(facts.items) if is_in_the_way(item) == blocked]
    if not able:
        path = Path(CLEAR) if blocked else Path(BLOCKED, WALL, "none")
        return dataclasses.replace(facts, path=path)
    items = list(facts.items)
    at = able[rng.integers(len(able))]
    if not blocked:
        items[at] = dataclasses.replace(items[at], band=grammar.BANDS[0], side="ahead")
    elif rng.random() < 0.5:
        items[at] = dataclasses.replace(items[at], band=grammar.BANDS[1])
    else:
        aside = ("left", "right")[rng.integers(2)]
        items[at] = dataclasses.replace(items[at], side=aside)
    return dataclasses.replace(facts, items=tuple(items))


def is_in_the_way(item: Item) -> bool:
    """Whether something that is said to be here blocks the path."""
    through = item.state == "open" or item.relation == ON
    return item.band == grammar.BANDS[0] and item.side == "ahead" and not through


def coherent(facts: Facts, rng: np.random.Generator) -> Facts:
    """The facts as a caption could say them: nearest first, with relations to things that are
    named, and a path that is blocked by what stands in it.
    """
    items = sorted(
        facts.items,
        key=lambda item: (item.cls not in grammar.CLASSES, grammar.BANDS.index(item.band)),
    )
    items = [_placed(item, items[:n], items[n + 1 :]) for n, item in enumerate(items)]
    return dataclasses.replace(facts, items=tuple(items), path=_followed(facts.path, items, rng))


def _placed(item: Item, nearer: Sequence[Item], farther: Sequence[Item]) -> Item:
    """The item without its relation where there is nothing that it could stand in it to."""
    others = nearer
    if item.relation == IN_FRONT:
        others = [door for door in farther if door.cls in grammar.DOORS and door.state == "closed"]
    fits = item.count == 1 and item.cls in grammar.CLASSES
    if item.relation and not (fits and any(other.cls == item.other for other in others)):
        return dataclasses.replace(item, relation="", other="")
    return item


def _followed(path: Path, items: Sequence[Item], rng: np.random.Generator) -> Path:
    """What the items say of the path, where it is seen."""
    in_way = [item.cls for item in items if is_in_the_way(item)]
    if path.state == UNSEEN or (path.state == BLOCKED and path.blocker in (WALL, *in_way)):
        return path
    if not in_way:
        return Path(CLEAR)
    sides = tuple(grammar.FREE)
    return Path(BLOCKED, in_way[0], path.free or sides[rng.integers(len(sides))])
