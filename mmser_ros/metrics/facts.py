"""Facts that a caption says, against the facts that are so: one caption, one frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmser_ros.world.grammar import BLOCKED, NUMBERS, WALL, Facts, Item, named, parse

RIGHT, WRONG, MISSING, FALSE, UNNAMED = "right", "wrong", "missing", "false", "unnamed"
"""Verdicts: as it is; not as it is; not said; said of nothing there; said of something that is
visible, but too small to be asked for."""
KINDS = (
    "scene", "wall", "floor", "class", "colour", "band", "side", "state", "count", "relation",
    "path", "blocker", "free",
)  # fmt: skip
"""Of facts. A caption that says one thing states no count, and one of a group that number."""
ATTRIBUTES = KINDS[KINDS.index("colour") : KINDS.index("path")]
"""Kinds of what a clause says of a thing."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact that a caption says, or should have said."""

    kind: str
    """One of KINDS."""
    subject: str
    """What it is about: a class, or ``scene`` or ``path``."""
    said: str
    """Empty where the caption does not say."""
    true: str
    """Empty where there is no such thing."""
    verdict: str
    item: int = -1
    """Place among the named items of the truth; -1 if it is about none of these."""
    due: bool = True
    """Whether a caption has to say it."""
    implied: bool = False
    """Whether it is wrong because something else is: what is said of a thing that is not there,
    what is not said of one that was missed."""

    @property
    def is_right(self) -> bool:
        """Whether nobody could object to it."""
        return self.verdict in (RIGHT, UNNAMED)


@dataclass(frozen=True, slots=True)
class Pair:
    """A said item and the true one that it means."""

    mine: Item
    theirs: Item
    place: int
    """Of the true one among those that were to be matched."""
    things: int
    """How many of both groups are the same."""
    first: bool
    """Whether no said item agrees with the true one more."""


@dataclass(frozen=True, slots=True)
class Matching:
    """Which said item is which true one."""

    pairs: tuple[Pair, ...]
    """With the named ones, in the order in which they were said."""
    excused: tuple[Pair, ...]
    """With those that are visible, but too small to be asked for."""
    false: tuple[tuple[Item, int], ...]
    """Said items, and how many of each are left that nothing there can be meant by."""
    missing: tuple[tuple[int, int], ...]
    """Places of named items, and how many of each were not said."""


def match(said: Sequence[Item], truth: Facts) -> Matching:
    """Pairs said items with true ones of their class, so that as much as possible agrees.

    A group is as many things as it counts; two clauses can mean one group. Named items are
    matched first; what is left over may mean an optional one.
    """
    pairs, left, missing = _pair([(item, item.count) for item in said], truth.items)
    excused, false, _ = _pair(left, truth.optional)
    return Matching(tuple(pairs), tuple(excused), tuple(false), tuple(missing))


def _pair(
    said: Sequence[tuple[Item, int]], true: Sequence[Item]
) -> tuple[list[Pair], list[tuple[Item, int]], list[tuple[int, int]]]:
    agreement = sorted(
        (-sum(a == b for a, b in zip(mine.said, theirs.said, strict=True)), i, j)
        for i, (mine, _) in enumerate(said)
        for j, theirs in enumerate(true)
        if mine.cls == theirs.cls
    )
    left, missing = [number for _, number in said], [item.count for item in true]
    found = []
    for _, i, j in agreement:
        things = min(left[i], missing[j])
        if things:
            first = missing[j] == true[j].count
            found.append((i, j, Pair(said[i][0], true[j], j, things, first)))
            left[i] -= things
            missing[j] -= things
    return (
        [pair for _, _, pair in sorted(found, key=lambda one: one[:2])],
        [(item, left[i]) for i, (item, _) in enumerate(said) if left[i]],
        [(j, number) for j, number in enumerate(missing) if number],
    )


def compare(text: str, truth: Facts) -> list[Fact]:
    """The facts that a caption says or misses, in the order of the grammar.

    Those of scene and path, of each thing its class, and of each clause what it says of its
    things. Facts that a true item has but one of (its colour, say) are due once, in the clause
    that agrees with it most.
    """
    return [fact for fact in compare_all(text, truth) if not fact.implied]


def compare_all(text: str, truth: Facts) -> list[Fact]:
    """The same, and those that are only wrong because another one is."""
    said = parse(text)
    found = [
        _judged(kind, "scene", getattr(said, kind), getattr(truth, kind))
        for kind in ("scene", "wall", "floor")
    ]
    matching = match(said.items, truth)
    for pair in matching.pairs:
        found += _same(pair, RIGHT, pair.place, pair.first)
    for pair in matching.excused:
        found += _same(pair, UNNAMED, -1, False)
    paired = [pair.mine for pair in (*matching.pairs, *matching.excused)]
    for mine, things in matching.false:
        found += [Fact("class", mine.cls, mine.cls, "", FALSE, due=False)] * things
        if not any(mine is other for other in paired):
            for kind, value in _attributes(mine):
                found.append(Fact(kind, mine.cls, value, "", FALSE, due=False, implied=True))
    met = {pair.place for pair in matching.pairs}
    for place, things in matching.missing:
        theirs = truth.items[place]
        found += [Fact("class", theirs.cls, "", theirs.cls, MISSING, place)] * things
        if place not in met:
            for kind, value in _attributes(theirs):
                found.append(Fact(kind, theirs.cls, "", value, MISSING, place, implied=True))
    found.append(_judged("path", "path", said.path.state, truth.path.state))
    if BLOCKED in (truth.path.state, said.path.state):
        implied = truth.path.state != said.path.state
        for kind in ("blocker", "free"):
            mine, true = getattr(said.path, kind), getattr(truth.path, kind)
            found.append(_judged(kind, "path", mine, true, due=bool(true), implied=implied))
    return found


def _same(pair: Pair, verdict: str, place: int, due: bool) -> Iterator[Fact]:
    """Facts of a said item and the true one that it means."""
    cls = pair.mine.cls
    for _ in range(pair.things):
        yield Fact("class", cls, cls, cls, verdict, place, due=verdict == RIGHT)
    said, true = dict(_attributes(pair.mine)), dict(_attributes(pair.theirs))
    for kind in ATTRIBUTES:
        if kind in said or kind in true:
            mine, theirs = said.get(kind, ""), true.get(kind, "")
            if kind == "count" and not pair.first:
                continue  # judged in the clause that agrees most
            yield _judged(kind, cls, mine, theirs, place, due and kind in true)


def _attributes(item: Item) -> Iterator[tuple[str, str]]:
    """What a clause says of its things, by kind."""
    for kind in ("colour", "band", "side", "state"):
        if value := getattr(item, kind):
            yield kind, value
    if item.count > 1:
        yield "count", NUMBERS[item.count]
    if item.relation:
        yield "relation", f"{item.relation} {named(item.other)}"


def _judged(
    kind: str,
    subject: str,
    said: str,
    true: str,
    place: int = -1,
    due: bool = True,
    implied: bool = False,
) -> Fact:
    if said == true:
        verdict = RIGHT
    elif not said:
        verdict = MISSING
    else:
        verdict = WRONG if true else FALSE
    return Fact(kind, subject, said, true, verdict, place, due, implied)


def mentioned(said: Facts) -> list[str]:
    """Classes that a caption mentions, one a clause.

    What something stands beside, and what blocks the path, is a mention of its own only where
    no clause names it, and then only once.
    """
    classes = [item.cls for item in said.items]
    for other in (*(item.other for item in said.items), said.path.blocker):
        if other and other != WALL and other not in classes:
            classes.append(other)
    return classes
