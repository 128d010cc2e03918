"""A frame and what was said of it, as a card of an HTML page; the pages' common style."""

from __future__ import annotations

import base64
import difflib
import html
import math
from dataclasses import dataclass
from pathlib import Path

from mmser_ros.metrics.facts import FALSE, MISSING, Fact

BANDS = ((0.95, "p4"), (0.8, "p3"), (0.6, "p2"), (0.4, "p1"), (0.0, "p0"))
"""Least probability of a word -> CSS class."""
PLAIN = {"band": "distance", "free": "free side"}
"""Kinds of facts whose names say little to a reader."""


@dataclass(frozen=True, slots=True)
class Said:
    """One caption of a frame."""

    words: tuple[str, ...]
    probabilities: tuple[float, ...]
    latency: float
    """Seconds from exposure to arrival; NaN when unknown."""
    trusted: bool
    confidence: float

    @property
    def text(self) -> str:
        """The caption."""
        return " ".join(self.words)


@dataclass(frozen=True, slots=True)
class Shown:
    """One frame of the report."""

    number: int
    seconds: float
    """Since the first frame, as recorded; NaN for a frame by itself."""
    jpeg: bytes
    coarse: Said | None
    refined: Said | None
    truth: str | None
    faults: tuple[str, ...] | None
    """What is not true in the last caption; None when the truth is unknown."""


def style() -> str:
    """The pages' style sheet."""
    return (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


def tile(value: str, name: str, note: str) -> str:
    """A number of the page's head."""
    return (
        f'<div class="tile"><b>{html.escape(value)}</b><span>{html.escape(name)}</span>'
        f"<small>{html.escape(note)}</small></div>"
    )


def card(frame: Shown) -> str:
    """The frame, both captions, and what is true."""
    when = "" if math.isnan(frame.seconds) else f" · {frame.seconds:.1f} s"
    data = base64.b64encode(frame.jpeg).decode()
    said = [
        _caption("coarse", _coloured(frame.coarse), frame.coarse) if frame.coarse else "",
        _caption("refined", _changes(frame.coarse, frame.refined), frame.refined)
        if frame.refined
        else '<p class="none">no refined caption arrived</p>',
    ]
    if frame.truth is not None:
        said.append(_truth(frame.truth, frame.faults or ()))
    return (
        f'<article data-frame="{frame.number}"><figure>'
        f'<img alt="frame {frame.number}" width="640" height="480" decoding="async" '
        f'src="data:image/jpeg;base64,{data}">'
        f"<figcaption>frame {frame.number}{when}</figcaption></figure>"
        f'<div class="said">{"".join(said)}</div></article>'
    )


def _caption(stage: str, words: str, said: Said | None) -> str:
    assert said is not None
    notes = [] if math.isnan(said.latency) else [f"{1e3 * said.latency:.0f} ms"]
    if not math.isnan(said.confidence):
        notes.append(f"{100 * said.confidence:.0f}% sure")
    notes.append("trusted" if said.trusted else "not trusted")
    return (
        f'<p class="{stage}"><span class="stage">{stage}</span>'
        f'<span class="notes">{" · ".join(notes)}</span><br>{words}</p>'
    )


def _truth(truth: str, faults: tuple[str, ...]) -> str:
    if faults:
        verdict = f'<span class="wrong">not right: {html.escape("; ".join(faults))}</span>'
    else:
        verdict = '<span class="right">✓ all true</span>'
    return (
        f'<details class="truth"><summary>{verdict}</summary>'
        f"<p>What is there: {html.escape(truth)}</p></details>"
    )


def _word(word: str, probability: float, tag: str = "span") -> str:
    if math.isnan(probability):
        return f"<{tag}>{html.escape(word)}</{tag}>"
    band = next(name for least, name in BANDS if probability >= least)
    return f'<{tag} class="{band}" title="{probability:.2f}">{html.escape(word)}</{tag}>'


def _coloured(said: Said | None) -> str:
    assert said is not None
    pairs = zip(said.words, said.probabilities, strict=True)
    return " ".join(_word(word, probability) for word, probability in pairs)


def _changes(coarse: Said | None, refined: Said | None) -> str:
    """The refined caption, with what it added and dropped against the coarse one."""
    assert refined is not None
    if coarse is None:
        return _coloured(refined)
    matcher = difflib.SequenceMatcher(None, coarse.words, refined.words, autojunk=False)
    parts = []
    for what, begin, end, start, stop in matcher.get_opcodes():
        if what in ("replace", "delete"):
            parts.append(f"<del>{html.escape(' '.join(coarse.words[begin:end]))}</del>")
        new = zip(refined.words[start:stop], refined.probabilities[start:stop], strict=True)
        tag = "span" if what == "equal" else "ins"
        parts += [_word(word, probability, tag) for word, probability in new]
    return " ".join(parts)


def wrong(facts: list[Fact]) -> list[Fact]:
    """Those that somebody could object to."""
    return [fact for fact in facts if not fact.is_right]


def fault(fact: Fact) -> str:
    """What is wrong, in a few words."""
    kind = PLAIN.get(fact.kind, fact.kind)
    if fact.kind == "class":
        return f"no {fact.said} there" if fact.verdict == FALSE else f"{fact.true} not named"
    about = "" if fact.subject in (fact.kind, "scene", "path") else f"{fact.subject}: "
    if fact.verdict == FALSE:
        return f"{about}not {fact.said}"
    if fact.verdict == MISSING:
        return f"{about}{fact.true} not said" if about else f"{kind} not said"
    return f"{about}{kind} is {fact.true}, not {fact.said}"
