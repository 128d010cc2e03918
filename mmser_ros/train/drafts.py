"""Drafts by rules: true captions with a few facts changed, for training the second look.

The paper makes its pseudo-initial captions with a language model; these come from rules, so
that nothing leaves the machine. A draft that is the model's own caption teaches which errors
it makes; one by rules teaches that any fact can be wrong. Which kind is put in another's place
follows what the encoder itself mistakes for what.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmser_ros.world import grammar
from mmser_ros.world.grammar import Facts, Item, Path

CHANGES = {
    "band": 0.22,
    "class": 0.15,
    "side": 0.11,
    "colour": 0.1,
    "drop": 0.09,
    "insert": 0.09,
    "free": 0.07,
    "path": 0.07,
    "count": 0.04,
    "relation": 0.04,
    "state": 0.03,
}
"""How often each kind of fact is changed: about as often as a glance gets it wrong."""
ANY = 0.2
"""Share of changed kinds that are just any other one."""
RELATED, SEVERAL = 0.2, 0.15
"""Shares of invented items that stand in a relation to something, and of those that are more
than one."""


class Confusions:
    """Which of grammar.KINDS is taken for which other one.

    ``seen`` (k, k) counts how often the kind of a row was read as the kind of a column; without
    it any is taken for any.
    """

    def __init__(self, seen: NDArray[np.float64] | None = None) -> None:
        size = len(grammar.KINDS)
        level = (np.ones((size, size)) - np.eye(size)) / (size - 1)
        counts = np.zeros((size, size)) if seen is None else seen * (1 - np.eye(size))
        total = counts.sum(1, keepdims=True)
        known = np.divide(counts, total, out=level.copy(), where=total > 0)
        self._chances = ANY * level + (1 - ANY) * known

    def other(self, cls: str, rng: np.random.Generator) -> str:
        """What something of this kind is taken for."""
        row = self._chances[grammar.KINDS.index(cls)]
        return grammar.KINDS[int(rng.choice(len(row), p=row))]


ANYTHING = Confusions()


def perturb(facts: Facts, changes: int, rng: np.random.Generator) -> Facts:
    """A copy of the facts with up to ``changes`` of them made wrong, dropped or invented."""
    kinds, chances = list(CHANGES), np.array(list(CHANGES.values()))
    for _ in range(changes):
        kind = kinds[rng.choice(len(kinds), p=chances / chances.sum())]
        facts = change(facts, kind, rng)
    return facts


def settled(truth: Facts, said: Facts) -> Facts:
    """The truth, but with kind of scene and path state as they were said."""
    same = said.path.state in ("", truth.path.state)
    path = truth.path if same else said.path
    return dataclasses.replace(truth, scene=said.scene or truth.scene, path=path)


def stammer(facts: Facts, rng: np.random.Generator) -> Facts:
    """The facts with one to four of the things said again."""
    items = list(facts.items)
    for _ in range(int(rng.integers(1, 5)) if items else 0):
        items.insert(int(rng.integers(len(items) + 1)), items[rng.integers(len(items))])
    return dataclasses.replace(facts, items=tuple(items))


def _other(words: Sequence[str], but: str, rng: np.random.Generator) -> str:
    """One of the words, but not that one."""
    rest = [word for word in words if word != but]
    return rest[rng.integers(len(rest))]


def change(
    facts: Facts, kind: str, rng: np.random.Generator, confusions: Confusions = ANYTHING
) -> Facts:
    """One fact of a kind in CHANGES changed; nothing, if the caption states none of that kind."""
    if kind in ("path", "free"):
        return dataclasses.replace(facts, path=_path(facts.path, kind, rng))
    items = list(facts.items)
    if kind == "insert":
        items.insert(int(rng.integers(len(items) + 1)), invented(rng))
        return dataclasses.replace(facts, items=tuple(items))
    able = [n for n, item in enumerate(items) if _has(item, kind)]
    if not able:
        return facts
    at = able[rng.integers(len(able))]
    if kind == "drop":
        del items[at]
    elif kind == "class":
        items[at] = fitting(items[at], confusions.other(items[at].cls, rng), rng)
    elif kind == "relation":
        beside = [item.cls for n, item in enumerate(items) if n != at]
        items[at] = _related(items[at], beside or list(grammar.CLASSES), rng)
    else:
        items[at] = _item(items[at], kind, rng)
    return dataclasses.replace(facts, items=tuple(items))


def _has(item: Item, kind: str) -> bool:
    """Whether an item states a fact of that kind."""
    if kind == "colour":
        return grammar.has_colour(item.cls)
    if kind == "state":
        return item.cls in grammar.DOORS
    if kind == "count":
        return grammar.is_counted(item.cls)
    return True


def _item(item: Item, kind: str, rng: np.random.Generator) -> Item:
    if kind == "count":
        number = 2 if item.count == 1 else int(rng.integers(1, item.count))
        return dataclasses.replace(item, count=number)
    if kind == "colour":
        return dataclasses.replace(item, colour=_other(grammar.COLOURS, item.colour, rng))
    if kind == "band":
        return dataclasses.replace(item, band=_other(grammar.BANDS, item.band, rng))
    if kind == "side":
        return dataclasses.replace(item, side=_other(grammar.SIDES, item.side, rng))
    return dataclasses.replace(item, state=_other(grammar.STATES, item.state, rng))


def _related(item: Item, others: Sequence[str], rng: np.random.Generator) -> Item:
    """The item without its relation, or with another one."""
    if item.relation and rng.random() < 0.5:
        return dataclasses.replace(item, relation="", other="")
    relation = _other(grammar.RELATIONS, item.relation, rng)
    return dataclasses.replace(item, relation=relation, other=_other(others, "", rng))


def fitting(item: Item, cls: str, rng: np.random.Generator) -> Item:
    """The item as another kind, with the attributes that this kind has."""
    colour = (item.colour or _other(grammar.COLOURS, "", rng)) if grammar.has_colour(cls) else ""
    state = (item.state or _other(grammar.STATES, "", rng)) if cls in grammar.DOORS else ""
    count = item.count if grammar.is_counted(cls) else 1
    return dataclasses.replace(item, cls=cls, colour=colour, state=state, count=count)


def _path(path: Path, kind: str, rng: np.random.Generator) -> Path:
    if kind == "free":
        if path.state != grammar.BLOCKED:
            return path
        return dataclasses.replace(path, free=_other(tuple(grammar.FREE), path.free, rng))
    state = _other(grammar.PATHS, path.state, rng)
    if state != grammar.BLOCKED:
        return Path(state)
    free = tuple(grammar.FREE)
    return Path(state, _other(grammar.BLOCKERS, "", rng), free[rng.integers(len(free))])


def invented(rng: np.random.Generator) -> Item:
    """A thing, door or feature that is not there."""
    cls = _other(grammar.CLASSES if rng.random() < 0.7 else grammar.KINDS, "", rng)
    count = int(rng.integers(2, 4)) if rng.random() < SEVERAL else 1
    item = Item(
        "", "", _other(grammar.BANDS, "", rng), _other(grammar.SIDES, "", rng), count=count
    )
    item = fitting(item, cls, rng)
    return _related(item, grammar.KINDS, rng) if rng.random() < RELATED else item


def random_facts(rng: np.random.Generator) -> Facts:
    """Facts of no scene at all, for teaching the decoder to read drafts before it can see."""
    count = int(rng.choice(grammar.MOST_NAMED + 1, p=[0.08, 0.2, 0.26, 0.28, 0.18]))
    return Facts(
        _other(grammar.SCENES, "", rng),
        _other(grammar.WALLS, "", rng),
        _other(grammar.FLOORS, "", rng),
        tuple(invented(rng) for _ in range(count)),
        _path(Path(), "path", rng),
    )
