"""What a caption can say, and how: the vocabulary, facts to caption, caption to facts.

Every fact has one wording and one place, so that captions can be compared exactly::

    a corridor with white walls and a tiled floor . a red chair close ahead .
    an open brown door far right . the path is blocked by a chair , left free .
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

SCENES = ("corridor", "junction", "room", "warehouse")
WALLS = ("white", "yellow", "blue", "green", "brown")
FLOORS = ("tiled", "wooden", "concrete", "carpeted")
CLASSES = (
    "box",
    "barrel",
    "cone",
    "chair",
    "table",
    "shelf",
    "plant",
    "person",
    "trolley",
    "sofa",
    "ball",
    "sign",
)
DOOR = "door"
WALL = "wall"
STATES = ("open", "closed")
COLOURS = ("red", "green", "blue", "yellow", "white", "black", "grey", "brown")
BANDS = ("close", "midway", "far")
SIDES = ("left", "ahead", "right")
CLEAR, BLOCKED, UNSEEN = "clear", "blocked", "unseen"
PATHS = (CLEAR, BLOCKED, UNSEEN)
FREE = {
    "left": "left free",
    "right": "right free",
    "both": "both sides free",
    "none": "no free side",
}
BLOCKERS = (*CLASSES, DOOR, WALL)
MOST_NAMED = 4
"""Most things and doors that a caption names."""


@dataclass(frozen=True, slots=True)
class Item:
    """A thing or a door, as a caption names it, and where the truth knows it to be.

    The fields after ``state`` are known for rendered frames only.
    """

    cls: str
    colour: str
    band: str
    side: str
    state: str = ""
    """``open`` or ``closed`` for a door, empty for everything else."""
    ident: int = -1
    """Value in the object-id picture."""
    share: float = 0.0
    """Visible share of the image area, 0 to 1."""
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Left, top, right, bottom of the visible pixels, 0 to 1 of the image's width and height."""
    centre: tuple[float, float] = (0.0, 0.0)
    """Mean column and row of the visible pixels, 0 to 1."""
    x: float = 0.0
    """Metres ahead of the camera, of the footprint's centre."""
    y: float = 0.0
    """Metres to the left of the camera, of the footprint's centre."""
    distance: float = 0.0
    """Metres to the nearest point of the footprint."""
    height: float = 0.0
    """Metres from the floor to its top."""

    @property
    def said(self) -> tuple[str, str, str, str, str]:
        """The part of the truth that a caption states."""
        return (self.cls, self.colour, self.band, self.side, self.state)


@dataclass(frozen=True, slots=True)
class Path:
    """Whether the robot can go on straight ahead, as far as the image shows it."""

    state: str = ""
    """``clear``, ``blocked`` or ``unseen``; empty when a caption does not say."""
    blocker: str = ""
    """Class of what blocks it; empty unless blocked."""
    free: str = ""
    """``left``, ``right``, ``both`` or ``none``; empty unless blocked."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is stated about one frame. Empty strings where a caption does not say."""

    scene: str = ""
    wall: str = ""
    floor: str = ""
    items: tuple[Item, ...] = ()
    """What the caption names: objects nearest first, then doors nearest first."""
    path: Path = Path()
    optional: tuple[Item, ...] = ()
    """Visible, but too small to be named: naming it would not be a hallucination."""
    unparsed: tuple[str, ...] = ()
    """Clauses of a caption that mean nothing in this grammar."""


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def item_clause(item: Item) -> str:
    """Clause about one thing or door, with its full stop."""
    if item.cls == "person":
        name = f"a person in {item.colour}"
    elif item.cls == DOOR:
        name = f"{_a(item.state)} {item.colour} {DOOR}"
    else:
        name = f"{_a(item.colour)} {item.cls}"
    return f"{name} {item.band} {item.side} ."


def path_clause(path: Path) -> str:
    """Clause about the path, with its full stop."""
    if path.state == CLEAR:
        return "the path is clear ."
    if path.state == UNSEEN:
        return "the path cannot be seen ."
    return f"the path is blocked by {_a(path.blocker)} , {FREE[path.free]} ."


def caption(facts: Facts) -> str:
    """The one caption of these facts, words and stops separated by single spaces."""
    clauses = [f"{_a(facts.scene)} with {facts.wall} walls and {_a(facts.floor)} floor ."]
    clauses += [item_clause(item) for item in facts.items]
    clauses.append(path_clause(facts.path))
    return " ".join(clauses)


def _any(words: Iterable[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_SCENE = re.compile(
    rf"an? ({_any(SCENES)}) with ({_any(WALLS)}) walls and an? ({_any(FLOORS)}) floor"
)
_WHERE = rf"({_any(BANDS)}) ({_any(SIDES)})"
_PERSON = re.compile(rf"a person in ({_any(COLOURS)}) {_WHERE}")
_DOOR = re.compile(rf"an? ({_any(STATES)}) ({_any(COLOURS)}) {DOOR} {_WHERE}")
_THING = re.compile(rf"an? ({_any(COLOURS)}) ({_any(CLASSES)}) {_WHERE}")
_BLOCKED = re.compile(rf"the path is blocked by an? ({_any(BLOCKERS)}) , ({_any(FREE.values())})")
_FREE_OF = {wording: free for free, wording in FREE.items()}


def _item(clause: str) -> Item | None:
    if found := _PERSON.fullmatch(clause):
        return Item("person", found[1], found[2], found[3])
    if found := _DOOR.fullmatch(clause):
        state, colour, band, side = found.groups()
        return Item(DOOR, colour, band, side, state)
    if found := _THING.fullmatch(clause):
        colour, cls, band, side = found.groups()
        return Item(cls, colour, band, side)
    return None


def _path(clause: str) -> Path | None:
    if clause == "the path is clear":
        return Path(CLEAR)
    if clause == "the path cannot be seen":
        return Path(UNSEEN)
    if found := _BLOCKED.fullmatch(clause):
        return Path(BLOCKED, found[1], _FREE_OF[found[2]])
    return None


def parse(text: str) -> Facts:
    """The facts that a caption states. Inverts :func:`caption` and never raises.

    Of several statements about the scene or the path the first one counts. Clauses that the
    grammar does not know, and later statements of that kind, are kept in ``unparsed``.
    """
    scene: tuple[str, str, str] | None = None
    path: Path | None = None
    items: list[Item] = []
    unparsed: list[str] = []
    spaced = re.sub(r"([.,])", r" \1 ", text.lower())
    for part in spaced.split("."):
        clause = " ".join(part.split())
        if not clause:
            continue
        if scene is None and (found := _SCENE.fullmatch(clause)):
            scene = (found[1], found[2], found[3])
        elif path is None and (heard := _path(clause)):
            path = heard
        elif item := _item(clause):
            items.append(item)
        else:
            unparsed.append(clause)
    return Facts(
        *(scene or ("", "", "")),
        items=tuple(items),
        path=path or Path(),
        unparsed=tuple(unparsed),
    )


def words() -> list[str]:
    """Every word and stop that a caption can contain, sorted."""
    fixed = "a an with walls and floor . person in the path is clear blocked by , cannot be seen"
    found = set(fixed.split())
    for group in (SCENES, WALLS, FLOORS, BLOCKERS, STATES, COLOURS, BANDS, SIDES):
        found.update(group)
    for wording in FREE.values():
        found.update(wording.split())
    return sorted(found)
