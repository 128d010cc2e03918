"""What a caption can say, and how: the vocabulary, facts to caption, caption to facts.

Every fact has one wording and one place, so that captions can be compared exactly::

    a corridor with white walls and a tiled floor . two red chairs close ahead .
    a blue ball midway left on a table . an open brown door far right .
    the path is blocked by a chair , left free .
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

SCENES = ("corridor", "junction", "room", "warehouse")
WALLS = ("white", "yellow", "blue", "green", "brown")
FLOORS = ("tiled", "wooden", "concrete", "carpeted")
PLURALS = {
    "box": "boxes",
    "barrel": "barrels",
    "cone": "cones",
    "chair": "chairs",
    "table": "tables",
    "shelf": "shelves",
    "plant": "plants",
    "person": "people",
    "trolley": "trolleys",
    "sofa": "sofas",
    "ball": "balls",
    "bin": "bins",
    "bucket": "buckets",
    "cabinet": "cabinets",
    "cable": "cables",
    "extinguisher": "extinguishers",
    "forklift": "forklifts",
    "ladder": "ladders",
    "pallet": "pallets",
    "suitcase": "suitcases",
    "wet-floor sign": "wet-floor signs",
}
CLASSES = tuple(PLURALS)
"""Things that stand about, each of a colour."""
STAIRS_UP, STAIRS_DOWN, RAMP = FEATURES = ("stairs up", "stairs down", "ramp")
"""Parts of a building that a wheeled robot must not drive onto unawares. They have no colour."""
DOOR, GLASS_DOOR = DOORS = ("door", "glass door")
KINDS = (*CLASSES, *FEATURES, *DOORS)
"""Everything that a caption names."""
WALL = "wall"
STATES = ("open", "closed")
COLOURS = ("red", "green", "blue", "yellow", "white", "black", "grey", "brown")
BANDS = ("close", "midway", "far")
SIDES = ("left", "ahead", "right")
NUMBERS = {2: "two", 3: "three"}
ON, BEHIND, IN_FRONT, BESIDE = RELATIONS = ("on", "behind", "in front of", "next to")
CLEAR, BLOCKED, UNSEEN = "clear", "blocked", "unseen"
PATHS = (CLEAR, BLOCKED, UNSEEN)
FREE = {
    "left": "left free",
    "right": "right free",
    "both": "both sides free",
    "none": "no free side",
}
BLOCKERS = (*KINDS, WALL)
MOST_NAMED = 4
"""Most clauses about things and doors in a caption."""

Said = tuple[str, str, str, str, str, int, str, str]


@dataclass(frozen=True, slots=True)
class Item:
    """A thing, door or feature, or a group of alike ones, as one clause names it.

    The fields after ``other`` are known for rendered frames only.
    """

    cls: str
    colour: str
    """Empty for glass doors and features."""
    band: str
    side: str
    state: str = ""
    """``open`` or ``closed`` for a door, empty for everything else."""
    count: int = 1
    """How many alike ones there are: 1 to 3."""
    relation: str = ""
    """How it stands to something else that the caption names: one of RELATIONS, or empty."""
    other: str = ""
    """What it stands so to: one of KINDS, or empty."""
    idents: tuple[int, ...] = ()
    """Values in the object-id picture, one for each that is counted."""
    share: float = 0.0
    """Visible share of the image area, 0 to 1."""
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Left, top, right, bottom of the visible pixels, 0 to 1 of the image's width and height."""
    centre: tuple[float, float] = (0.0, 0.0)
    """Mean column and row of the visible pixels, 0 to 1."""
    x: float = 0.0
    """Metres ahead of the camera, of the nearest one's footprint centre."""
    y: float = 0.0
    """Metres to the left of the camera, of the nearest one's footprint centre."""
    distance: float = 0.0
    """Metres to the nearest point of the footprint."""
    height: float = 0.0
    """Metres from the floor to its top."""

    @property
    def said(self) -> Said:
        """The part of the truth that a caption states."""
        return (
            self.cls, self.colour, self.band, self.side, self.state,
            self.count, self.relation, self.other,
        )  # fmt: skip


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
    """What the caption names: objects nearest first, then doors and features nearest first."""
    path: Path = Path()
    optional: tuple[Item, ...] = ()
    """Visible, but too small to be named: naming it would not be a hallucination."""
    unparsed: tuple[str, ...] = ()
    """Clauses of a caption that mean nothing in this grammar."""


def is_counted(cls: str) -> bool:
    """Whether several alike ones are told by number: things are, parts of buildings are not."""
    return cls in PLURALS


def has_colour(cls: str) -> bool:
    """Whether a caption tells the colour of things of this kind."""
    return cls in PLURALS or cls == DOOR


def named(cls: str) -> str:
    """A kind with its article; stairs have none."""
    return cls if cls in (STAIRS_UP, STAIRS_DOWN) else _a(cls)


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def item_clause(item: Item) -> str:
    """Clause about one item, with its full stop."""
    name = item.cls if item.count == 1 else PLURALS[item.cls]
    if item.cls == "person":
        name = f"{name} in {item.colour}"
    else:
        name = " ".join(word for word in (item.state, item.colour, name) if word)
    subject = named(name) if item.count == 1 else f"{NUMBERS[item.count]} {name}"
    related = f" {item.relation} {named(item.other)}" if item.relation else ""
    return f"{subject} {item.band} {item.side}{related} ."


def path_clause(path: Path) -> str:
    """Clause about the path, with its full stop."""
    if path.state == CLEAR:
        return "the path is clear ."
    if path.state == UNSEEN:
        return "the path cannot be seen ."
    return f"the path is blocked by {named(path.blocker)} , {FREE[path.free]} ."


def caption(facts: Facts) -> str:
    """The one caption of these facts, words and stops separated by single spaces."""
    clauses = [f"{_a(facts.scene)} with {facts.wall} walls and {_a(facts.floor)} floor ."]
    clauses += [item_clause(item) for item in facts.items]
    clauses.append(path_clause(facts.path))
    return " ".join(clauses)


def _any(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_SINGULAR = {plural: cls for cls, plural in PLURALS.items()}
_COUNT = {word: number for number, word in NUMBERS.items()}
_SCENE = re.compile(
    rf"an? ({_any(SCENES)}) with ({_any(WALLS)}) walls and an? ({_any(FLOORS)}) floor"
)
_ITEM = re.compile(
    rf"(?:(?:an? )?(?:(?P<state>{_any(STATES)}) )?(?:(?P<colour>{_any(COLOURS)}) )?"
    rf"(?P<one>{_any(KINDS)})|(?P<count>{_any(_COUNT)}) (?:(?P<colours>{_any(COLOURS)}) )?"
    rf"(?P<many>{_any(_SINGULAR)}))(?: in (?P<dress>{_any(COLOURS)}))?"
    rf" (?P<band>{_any(BANDS)}) (?P<side>{_any(SIDES)})"
    rf"(?: (?P<relation>{_any(RELATIONS)}) (?:an? )?(?P<other>{_any(KINDS)}))?"
)
_BLOCKED = re.compile(
    rf"the path is blocked by (?:an? )?({_any(BLOCKERS)}) , ({_any(FREE.values())})"
)
_FREE_OF = {wording: free for free, wording in FREE.items()}


def _item(clause: str) -> Item | None:
    """The item of a clause; None unless the clause is just what the grammar would say."""
    found = _ITEM.fullmatch(clause)
    if not found:
        return None
    part = found.groupdict(default="")
    item = Item(
        cls=part["one"] or _SINGULAR[part["many"]],
        colour=part["colour"] or part["colours"] or part["dress"],
        band=part["band"],
        side=part["side"],
        state=part["state"],
        count=_COUNT.get(part["count"], 1),
        relation=part["relation"],
        other=part["other"],
    )
    whole = has_colour(item.cls) == bool(item.colour) and (item.cls in DOORS) == bool(item.state)
    return item if whole and item_clause(item) == f"{clause} ." else None


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
    fixed = "a an with walls and floor . in the path is clear blocked by , cannot be seen"
    found = set(fixed.split())
    plurals, numbers, free = PLURALS.values(), NUMBERS.values(), FREE.values()
    for group in (
        SCENES, WALLS, FLOORS, BLOCKERS, plurals, STATES, COLOURS, BANDS, SIDES, RELATIONS,
        numbers, free,
    ):  # fmt: skip
        found.update(word for wording in group for word in wording.split())
    return sorted(found)
