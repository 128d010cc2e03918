"""What a model got wrong on held-out scenes: one HTML page, the worst first."""

from __future__ import annotations

import heapq
import html
import math
from collections import Counter
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from mmser_ros.cli.cards import PLAIN, Said, Shown, card, fault, style, tile, wrong
from mmser_ros.cli.chart import reliability_chart
from mmser_ros.metrics.facts import FALSE, MISSING, Fact, compare
from mmser_ros.types import Caption
from mmser_ros.world.grammar import Facts, caption

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEPT = 120
"""Frames on the page: enough to see what goes wrong, few enough for a mail."""


class Mistakes:
    """Collects frames as they are scored, and keeps the worst."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept, self._seen = kept, 0
        self._worst: list[tuple[tuple[int, float, int], Shown]] = []
        self._kinds: dict[str, Counter[str]] = {"coarse": Counter(), "refined": Counter()}
        self._sure: list[tuple[float, bool]] = []

    def add(self, rgb: NDArray[np.uint8], truth: Facts, coarse: Caption, refined: Caption) -> None:
        """One frame (H, W, 3), RGB, and what was said of it."""
        for said in (coarse, refined):
            name = said.stage.name.lower()
            facts = wrong(compare(said.text, truth))
            self._kinds[name].update(_kind(fact) for fact in facts)
        self._sure.append((refined.confidence, refined.text == caption(truth)))
        number, self._seen = self._seen, self._seen + 1
        # Of equally many faults the one that the model was surer of is worse.
        sure = 0.0 if math.isnan(refined.confidence) else refined.confidence
        rank = (len(facts), sure, -number)
        if len(self._worst) == self._kept and rank <= self._worst[0][0]:
            return
        shown = Shown(
            number=number,
            seconds=math.nan,
            jpeg=_jpeg(rgb),
            coarse=_said(coarse),
            refined=_said(refined),
            truth=caption(truth),
            faults=tuple(map(fault, facts)),
        )
        push = heapq.heappush if len(self._worst) < self._kept else heapq.heapreplace
        push(self._worst, (rank, shown))

    def page(self, scores: dict[str, Any]) -> str:
        """The page, with the scores of the whole run at its head."""
        cards = [shown for _, shown in sorted(self._worst, key=lambda one: one[0], reverse=True)]
        return Template(
            (Path(__file__).parent / "mistakes.html").read_text(encoding="utf-8")
        ).substitute(
            style=style(),
            model=html.escape(f"{scores['model']} {scores['version']} ({scores['weights_hash']})"),
            n=scores["n"],
            tiles="\n".join(tile(*one) for one in _tiles(scores)),
            kinds=self._table(),
            reliability=reliability_chart(self._sure),
            cards="\n".join(card(shown) for shown in cards),
            shown=len(cards),
        )

    def _table(self) -> str:
        total = Counter(self._kinds["coarse"]) + Counter(self._kinds["refined"])
        rows = [
            f"<tr><td>{html.escape(kind)}</td><td>{self._kinds['coarse'][kind]}</td>"
            f"<td>{self._kinds['refined'][kind]}</td></tr>"
            for kind, _ in total.most_common()
        ]
        return "\n".join(rows)


def _kind(fact: Fact) -> str:
    if fact.kind == "class":
        return {FALSE: "object that is not there", MISSING: "object not named"}[fact.verdict]
    return PLAIN.get(fact.kind, fact.kind)


def _tiles(scores: dict[str, Any]) -> list[tuple[str, str, str]]:
    coarse, refined = scores["coarse"], scores["refined"]
    named = {
        "exact_match": "captions right word for word",
        "chair_i": "named objects not there",
        "class_recall": "objects found",
        "path_state": "path states right",
        "false_clear": "wrongly called clear",
    }
    return [
        (f"{100 * refined[key]:.1f} %", name, f"at first glance {100 * coarse[key]:.1f} %")
        for key, name in named.items()
    ]


def _said(said: Caption) -> Said:
    return Said(
        said.words, said.word_probabilities, said.inference_seconds, said.trusted, said.confidence
    )


def _jpeg(rgb: NDArray[np.uint8]) -> bytes:
    import cv2

    done, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 75])
    if not done:
        raise RuntimeError("OpenCV could not write a JPEG.")
    return data.tobytes()
