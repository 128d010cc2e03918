"""The demo's report and its live table."""

from __future__ import annotations

import io
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from recordings import jpeg

from mmser_ros.cli.cards import Said, Shown
from mmser_ros.cli.chart import Series, latency_chart
from mmser_ros.cli.live_table import LiveTable
from mmser_ros.cli.report import write
from mmser_ros.cli.statistics import Numbers, percentile
from mmser_ros.types import Stage

VOID = {"meta", "img", "br", "input", "line", "polyline"}


class Checker(HTMLParser):
    """Raises where tags do not close each other; gathers what is there."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        self.text += data


def said(text: str, probability: float = 0.9, latency: float = 0.04) -> Said:
    words = tuple(text.split())
    return Said(words, (probability,) * len(words), latency, True, 0.8)


COARSE = said("a red chair close ahead .")
REFINED = said("a blue chair close ahead .", 0.3)
FRAMES = [
    Shown(0, 0.0, jpeg(0), COARSE, REFINED, "a blue chair close ahead .", ()),
    Shown(1, 0.1, jpeg(1), COARSE, None, "<b>", ("colour is blue, not red",)),
    Shown(9, 1.2, jpeg(2), said("<script> & so"), said("a", math.nan, math.nan), None, None),
]
NUMBERS = Numbers(10, [0.04] * 3, [0.07], [0.02] * 3, [0.03], 1, [2], [6], 2, 1, 11, 12)


@pytest.fixture
def page(tmp_path: Path) -> str:
    write(tmp_path / "report.html", FRAMES, NUMBERS, {"engine": "onnxruntime <1>"})
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    return (tmp_path / "report.html").read_text("utf-8")


def checked(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


def test_the_page_is_well_formed_and_works_offline(page: str) -> None:
    checker = checked(page)
    outside = [
        value
        for _, attributes in checker.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "data", "action")
        and not str(value).startswith("data:")
    ]
    assert outside == []
    assert not re.search(r"https?://|@import|url\(", page)
    assert "$" not in page


def test_every_frame_is_there_with_picture_captions_and_truth(page: str) -> None:
    checker = checked(page)
    pictures = [a for tag, a in checker.tags if tag == "img"]
    assert len(pictures) == 3 and all("base64" in str(a["src"]) for a in pictures)
    assert [a["data-frame"] for tag, a in checker.tags if tag == "article"] == ["0", "9", "1"]
    assert "✓ all true" in checker.text and "colour is blue, not red" in checker.text
    assert "no refined caption arrived" in checker.text
    assert "40 ms" in checker.text and "80% sure" in checker.text


def test_what_captions_say_cannot_become_markup(page: str) -> None:
    assert "&lt;script&gt;" in page and "onnxruntime &lt;1&gt;" in page
    assert page.count("<script>") == 1


def test_words_are_coloured_by_probability_and_changes_marked(page: str) -> None:
    assert '<ins class="p0" title="0.30">blue</ins>' in page
    assert "<del>red</del>" in page
    assert '<span class="p3" title="0.90">chair</span>' in page


def test_the_head_sums_up(page: str) -> None:
    text = checked(page).text
    for part in ("3 of 10", "40 ms", "70 ms", "100%", "2.0", "92%", "1 of 2 captions"):
        assert part in text


def test_the_chart_places_its_points() -> None:
    chart = latency_chart([Series("coarse", [(0, 0.0), (10, 0.1)]), Series("refined", [])])
    checked(chart)
    (line,) = re.findall(r'<polyline class="coarse" points="([^"]*)"', chart)
    (x0, y0), (x1, y1) = (tuple(map(float, p.split(","))) for p in line.split())
    assert x0 < x1 and y0 > y1
    assert ">0 s<" in chart and ">10 s<" in chart and ">100<" in chart
    assert "No latency" in latency_chart([Series("coarse", [(0, math.nan)])])


def test_percentiles_leave_the_unknown_out() -> None:
    values = [5.0, 1.0, math.nan, 3.0, 2.0, 4.0]
    assert (percentile(values, 0.5), percentile(values, 0.95)) == (3.0, 5.0)
    assert math.isnan(percentile([math.nan], 0.5))


def test_without_a_terminal_one_frame_a_second_is_told() -> None:
    stream = io.StringIO()
    table = LiveTable(stream)
    for frame in range(20):
        table.add(frame, frame / 10, Stage.COARSE, 0.03, math.nan, f"coarse {frame}")
        table.add(frame, frame / 10, Stage.REFINED, 0.05, 0.04, f"refined {frame}")
    rows = stream.getvalue().splitlines()
    assert [row.split()[0] for row in rows[1:]] == ["0", "0", "10", "10"]
    assert "30 ms" in rows[1] and "–" in rows[1] and "refined 10" in rows[4]


def test_a_terminal_shows_the_last_frames_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    table = LiveTable(stream)
    for frame in range(20):
        table.add(frame, 0.0, Stage.COARSE, 0.03, 0.02, "word " * 20)
    # Four frames of three lines, and an empty line each for the captions still to come.
    last = stream.getvalue().split("\x1b[16A\r\x1b[J")[-1]
    assert last.count("\n") == 16 and "   19" in last and "   16" in last and "   15" not in last
    assert last.count("word") == 80 and max(map(len, last.splitlines())) <= 80
