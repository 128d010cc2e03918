"""How true captions are: facts said against facts known, one caption or many.

CHAIR is that of Rohrbach et al., Object Hallucination in Image Captioning (EMNLP 2018).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmser_ros.world.grammar import BLOCKED, CLEAR, DOOR, WALL, Facts, Item, caption, parse

RIGHT, WRONG, MISSING, FALSE, UNNAMED = "right", "wrong", "missing", "false", "unnamed"
"""Verdicts: as it is; not as it is; not said; said of nothing there; said of something that is
visible, but too small to be asked for."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact that a caption says, or should have said."""

    kind: str
    """``scene``, ``wall``, ``floor``, ``class``, ``colour``, ``band``, ``side``, ``state``,
    ``path``, ``blocker`` or ``free``."""
    subject: str
    """What it is about: a class, or ``scene`` or ``path``."""
    said: str
    """Empty where the caption does not say."""
    true: str
    """Empty where there is no such thing."""
    verdict: str

    @property
    def is_right(self) -> bool:
        """Whether nobody could object to it."""
        return self.verdict in (RIGHT, UNNAMED)


@dataclass(frozen=True, slots=True)
class Matching:
    """Which said item is which true one."""

    pairs: tuple[tuple[Item, Item], ...]
    """(said, true) named items of one class."""
    excused: tuple[tuple[Item, Item], ...]
    """(said, true) where the true one is visible, but too small to be asked for."""
    false: tuple[Item, ...]
    """Said, but no such thing is left to be meant."""
    missing: tuple[Item, ...]
    """Named in the truth, and not said."""


def match(said: Sequence[Item], truth: Facts) -> Matching:
    """Pairs said items with true ones of their class, so that as much as possible agrees.

    Named items are matched first; what is left over may mean an optional one.
    """
    pairs, left, missing = _pair(said, truth.items)
    excused, false, _ = _pair(left, truth.optional)
    return Matching(tuple(pairs), tuple(excused), tuple(false), tuple(missing))


def _pair(
    said: Sequence[Item], true: Sequence[Item]
) -> tuple[list[tuple[Item, Item]], list[Item], list[Item]]:
    agreement = sorted(
        (-sum(a == b for a, b in zip(mine.said, theirs.said, strict=True)), i, j)
        for i, mine in enumerate(said)
        for j, theirs in enumerate(true)
        if mine.cls == theirs.cls
    )
    of_said: dict[int, int] = {}
    for _, i, j in agreement:
        if i not in of_said and j not in of_said.values():
            of_said[i] = j
    taken = set(of_said.values())
    return (
        [(said[i], true[j]) for i, j in sorted(of_said.items())],
        [item for i, item in enumerate(said) if i not in of_said],
        [item for j, item in enumerate(true) if j not in taken],
    )


def compare(text: str, truth: Facts) -> list[Fact]:
    """Every fact that a caption says or misses, in the order of the grammar."""
    said = parse(text)
    found = [
        _judged(kind, "scene", getattr(said, kind), getattr(truth, kind))
        for kind in ("scene", "wall", "floor")
    ]
    matching = match(said.items, truth)
    for mine, theirs in matching.pairs:
        found += _item_facts(mine, theirs, RIGHT)
    for mine, theirs in matching.excused:
        found += _item_facts(mine, theirs, UNNAMED)
    found += [Fact("class", item.cls, item.cls, "", FALSE) for item in matching.false]
    found += [Fact("class", item.cls, "", item.cls, MISSING) for item in matching.missing]
    found.append(_judged("path", "path", said.path.state, truth.path.state))
    if truth.path.state == BLOCKED == said.path.state:
        found.append(_judged("blocker", "path", said.path.blocker, truth.path.blocker))
        found.append(_judged("free", "path", said.path.free, truth.path.free))
    return found


def _item_facts(mine: Item, theirs: Item, verdict: str) -> Iterator[Fact]:
    yield Fact("class", mine.cls, mine.cls, theirs.cls, verdict)
    for kind in ("colour", "band", "side", "state"):
        if kind != "state" or mine.cls == DOOR:
            yield _judged(kind, mine.cls, getattr(mine, kind), getattr(theirs, kind))


def _judged(kind: str, subject: str, said: str, true: str) -> Fact:
    verdict = RIGHT if said == true else WRONG if said else MISSING
    return Fact(kind, subject, said, true, verdict)


def mentioned(said: Facts) -> list[str]:
    """Classes of the objects a caption mentions, one a mention; a blocker only once."""
    classes = [item.cls for item in said.items]
    blocker = said.path.blocker
    if blocker and blocker != WALL and blocker not in classes:
        classes.append(blocker)
    return classes


def score(captions: Sequence[str], truths: Sequence[Facts]) -> dict[str, float]:
    """How true captions are, as shares from 0 to 1.

    Args:
        captions: what was said, one a frame.
        truths: what is so, in the same order.

    Returns:
        ``n`` (frames) and

        - ``chair_i``: mentions of a class that is not visible at all, of all mentions
        - ``chair_s``: captions with at least one of those
        - ``class_precision``, ``class_recall``: said items against named ones, by class, as
          multisets; saying an optional one costs no precision
        - ``colour_accuracy``, ``side_accuracy``: of the items that were matched
        - ``scene``, ``path_state``: captions with the right one
        - ``false_clear``: captions that call a path clear which is not known to be, of the
          frames where it is not
        - ``exact_match``: captions that are the true one, word for word

        Where there is nothing to judge, an error's share is 0 and any other share 1.

    Raises:
        ValueError: not as many captions as truths.

    """
    if len(captions) != len(truths):
        raise ValueError(f"{len(captions)} captions cannot be scored by {len(truths)} truths")
    count: Counter[str] = Counter()
    for text, truth in zip(captions, truths, strict=True):
        said = parse(text)
        visible = {item.cls for item in (*truth.items, *truth.optional)}
        mentions = mentioned(said)
        hallucinated = sum(cls not in visible for cls in mentions)
        matching = match(said.items, truth)
        count["mentions"] += len(mentions)
        count["hallucinated"] += hallucinated
        count["hallucinating"] += hallucinated > 0
        count["matched"] += len(matching.pairs)
        count["false"] += len(matching.false)
        count["missing"] += len(matching.missing)
        for mine, theirs in matching.pairs:
            count["colour"] += mine.colour == theirs.colour
            count["side"] += mine.side == theirs.side
        count["scene"] += said.scene == truth.scene
        count["path"] += said.path.state == truth.path.state
        if truth.path.state != CLEAR:
            count["not clear"] += 1
            count["false clear"] += said.path.state == CLEAR
        count["exact"] += " ".join(text.split()) == caption(truth)

    def share(part: str, *whole: str, empty: float = 1.0) -> float:
        total = sum(count[name] for name in whole)
        return count[part] / total if total else empty

    count["n"] = n = len(captions)
    return {
        "n": n,
        "chair_i": share("hallucinated", "mentions", empty=0.0),
        "chair_s": share("hallucinating", "n", empty=0.0),
        "class_precision": share("matched", "matched", "false"),
        "class_recall": share("matched", "matched", "missing"),
        "colour_accuracy": share("colour", "matched"),
        "side_accuracy": share("side", "matched"),
        "scene": share("scene", "n"),
        "path_state": share("path", "n"),
        "false_clear": share("false clear", "not clear", empty=0.0),
        "exact_match": share("exact", "n"),
    }
