from __future__ import annotations

import itertools
import random

import pytest

from mmser_ros.world import grammar
from mmser_ros.world.grammar import BLOCKED, CLEAR, UNSEEN, Facts, Item, Path, caption, parse


def every_item() -> list[Item]:
    """Each kind of clause with each of its words, though not each combination."""
    kinds = [
        (cls, colour, state)
        for cls in grammar.KINDS
        for colour in (grammar.COLOURS if grammar.has_colour(cls) else ("",))
        for state in (grammar.STATES if cls in grammar.DOORS else ("",))
    ]
    where = list(itertools.product(grammar.BANDS, grammar.SIDES))
    alone = [
        Item(cls, colour, band, side, state)
        for (cls, colour, state), (band, side) in itertools.product(kinds, where)
    ]
    counted = [
        Item(cls, colour, "close", "left", count=count)
        for (cls, colour, _), count in itertools.product(kinds, grammar.NUMBERS)
        if grammar.is_counted(cls)
    ]
    related = [
        Item(cls, "red", "far", "right", relation=relation, other=other)
        for cls, relation, other in itertools.product(
            grammar.CLASSES, grammar.RELATIONS, grammar.KINDS
        )
    ]
    return alone + counted + related


def every_path() -> list[Path]:
    blocked = itertools.product([BLOCKED], grammar.BLOCKERS, grammar.FREE)
    return [Path(CLEAR), Path(UNSEEN), *(Path(*told) for told in blocked)]


def test_captions_read_as_written() -> None:
    facts = Facts(
        "corridor",
        "white",
        "tiled",
        items=(
            Item("chair", "red", "close", "ahead", count=2),
            Item("ball", "blue", "midway", "left", relation="on", other="table"),
            Item("person", "blue", "midway", "left", count=3),
            Item("wet-floor sign", "yellow", "far", "left", relation="in front of", other="door"),
            Item("door", "brown", "far", "right", "open"),
            Item("glass door", "", "far", "right", "closed"),
            Item("stairs down", "", "far", "ahead"),
        ),
        path=Path(BLOCKED, "stairs down", "left"),
    )
    assert caption(facts) == (
        "a corridor with white walls and a tiled floor . two red chairs close ahead . "
        "a blue ball midway left on a table . three people in blue midway left . "
        "a yellow wet-floor sign far left in front of a door . an open brown door far right . "
        "a closed glass door far right . stairs down far ahead . "
        "the path is blocked by stairs down , left free ."
    )


def test_parsing_inverts_every_clause() -> None:
    for item in every_item():
        assert parse(grammar.item_clause(item)).items == (item,)
    for path in every_path():
        assert parse(grammar.path_clause(path)).path == path


def test_parsing_inverts_whole_captions() -> None:
    rng = random.Random(1)
    items, paths = every_item(), every_path()
    for scene, wall, floor in itertools.product(grammar.SCENES, grammar.WALLS, grammar.FLOORS):
        held = tuple(rng.sample(items, rng.randrange(5)))
        facts = Facts(scene, wall, floor, items=held, path=rng.choice(paths))
        assert parse(caption(facts)) == facts


def test_every_word_of_every_caption_is_in_the_word_list() -> None:
    said = " ".join(grammar.item_clause(item) for item in every_item())
    said += " " + " ".join(grammar.path_clause(path) for path in every_path())
    for scene, wall, floor in itertools.product(grammar.SCENES, grammar.WALLS, grammar.FLOORS):
        said += f" {caption(Facts(scene, wall, floor, path=Path(CLEAR)))}"
    assert set(said.split()) == set(grammar.words())
    assert grammar.words() == sorted(grammar.words())


def test_captions_say_nothing_about_brightness() -> None:
    assert not {"bright", "dim", "dark", "light"} & set(grammar.words())


@pytest.mark.parametrize(
    ("text", "unparsed"),
    [
        ("", ()),
        (" . . , .", (",",)),
        ("a red dog close left .", ("a red dog close left",)),
        ("the path is blocked by a box", ("the path is blocked by a box",)),
        ("the path is blocked by a , left free .", ("the path is blocked by a , left free",)),
        ("a red chair close", ("a red chair close",)),
        ("a chair close left", ("a chair close left",)),
        ("a red door far left", ("a red door far left",)),
        ("two red chair far left", ("two red chair far left",)),
        ("two ramps far left", ("two ramps far left",)),
        ("a red box far left on table", ("a red box far left on table",)),
        ("chair chair chair \x00 é .", ("chair chair chair \x00 é",)),
    ],
)
def test_nonsense_is_kept_aside(text: str, unparsed: tuple[str, ...]) -> None:
    assert parse(text) == Facts(unparsed=unparsed)


def test_truncated_captions_keep_their_whole_clauses() -> None:
    said = parse("a room with blue walls and a wooden floor . a red ball far left . a green")
    assert (said.scene, said.wall, said.floor) == ("room", "blue", "wooden")
    assert said.items == (Item("ball", "red", "far", "left"),)
    assert said.unparsed == ("a green",)
    assert said.path == Path()


def test_the_first_path_counts() -> None:
    said = parse("the path is clear . the path cannot be seen .")
    assert said.path == Path(CLEAR)
    assert said.unparsed == ("the path cannot be seen",)


def test_random_words_never_raise() -> None:
    rng = random.Random(2)
    words = grammar.words()
    for _ in range(500):
        parse(" ".join(rng.choices(words, k=rng.randrange(60))))


def test_spacing_and_case_do_not_matter() -> None:
    assert parse("A red chair close ahead.").items == (Item("chair", "red", "close", "ahead"),)
