"""Drafts by rules: true captions with a few facts changed, for training the second look.

The paper makes its pseudo-initial captions with a language model; these come from rules, so
that nothing leaves the machine. A draft that is the model's own caption teaches which errors
it makes; one by rules teaches that any fact can be wrong.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from mmser_ros.world import grammar
from mmser_ros.world.grammar import Facts, Item, Path

KINDS = {
    "band": 0.27,
    "drop": 0.16,
    "class": 0.15,
    "side": 0.11,
    "free": 0.08,
    "colour": 0.09,
    "path": 0.08,
    "insert": 0.04,
    "state": 0.02,
}
"""How often each kind of fact is changed: about as often as a glance gets it wrong."""


def perturb(facts: Facts, changes: int, rng: np.random.Generator) -> Facts:
    """A copy of the facts with up to ``changes`` of them made wrong, dropped or invented."""
    kinds, chances = list(KINDS), np.array(list(KINDS.values()))
    for _ in range(changes):
        kind = kinds[rng.choice(len(kinds), p=chances / chances.sum())]
        facts = _change(facts, kind, rng)
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


def _change(facts: Facts, kind: str, rng: np.random.Generator) -> Facts:
    """One fact changed; nothing, if the caption states no fact of that kind."""
    if kind in ("path", "free"):
        return dataclasses.replace(facts, path=_path(facts.path, kind, rng))
    items = list(facts.items)
    if kind == "insert":
        items.insert(int(rng.integers(len(items) + 1)), invented(rng))
        return dataclasses.replace(facts, items=tuple(items))
    doors = [n for n, item in enumerate(items) if item.cls == grammar.DOOR]
    things = [n for n in range(len(items)) if n not in doors]
    able = {"class": things, "state": doors}.get(kind, [*things, *doors])
    if not able:
        return facts
    at = able[rng.integers(len(able))]
    if kind == "drop":
        del items[at]
    else:
        items[at] = _item(items[at], kind, rng)
    return dataclasses.replace(facts, items=tuple(items))


def _item(item: Item, kind: str, rng: np.random.Generator) -> Item:
    if kind == "class":
        return dataclasses.replace(item, cls=_other(grammar.CLASSES, item.cls, rng))
    if kind == "colour":
        return dataclasses.replace(item, colour=_other(grammar.COLOURS, item.colour, rng))
    if kind == "band":
        return dataclasses.replace(item, band=_other(grammar.BANDS, item.band, rng))
    if kind == "side":
        return dataclasses.replace(item, side=_other(grammar.SIDES, item.side, rng))
    return dataclasses.replace(item, state=_other(grammar.STATES, item.state, rng))


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
    """A thing that is not there."""
    return Item(
        _other(grammar.CLASSES, "", rng),
        _other(grammar.COLOURS, "", rng),
        _other(grammar.BANDS, "", rng),
        _other(grammar.SIDES, "", rng),
    )


def random_facts(rng: np.random.Generator) -> Facts:
    """Facts of no scene at all, for teaching the decoder to read drafts before it can see."""
    count = int(rng.choice(5, p=[0.08, 0.2, 0.26, 0.28, 0.18]))
    items = [invented(rng) for _ in range(count)]
    if items and rng.random() < 0.5:
        state = _other(grammar.STATES, "", rng)
        items[-1] = dataclasses.replace(items[-1], cls=grammar.DOOR, state=state)
    return Facts(
        _other(grammar.SCENES, "", rng),
        _other(grammar.WALLS, "", rng),
        _other(grammar.FLOORS, "", rng),
        tuple(items),
        _path(Path(), "path", rng),
    )
