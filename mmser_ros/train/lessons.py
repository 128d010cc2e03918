"""What the second look learns from: a draft, and the caption that is to be made of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from mmser_ros.tokens import Tokenizer
from mmser_ros.train.data import Examples
from mmser_ros.train.drafts import settled, stammer
from mmser_ros.train.foils import Foils
from mmser_ros.train.recipe import Plan
from mmser_ros.world import grammar

STAMMERED = 0.05
"""Share of drafts that say things twice, as the glance does when it loses its place."""
Lesson = tuple[list[int], list[int]]
"""Token ids of a draft, and of the caption that is to be made of it."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """Lessons about frames that the model has captioned itself.

    No draft is of another frame: drafts that are all wrong teach the second look to leave
    drafts unread.
    """

    plan: Plan
    tokenizer: Tokenizer
    limit: int
    """Tokens of the longest caption."""
    frames: Examples
    own: dict[int, list[int]]
    """The glance's own captions, by frame."""
    foils: Foils
    """Makes drafts by rules."""

    def first(self, row: int, kind: float, rng: np.random.Generator) -> Lesson:
        """A draft of the kind that a number in 0..1 falls on, and the true caption."""
        plan, truth = self.plan, list(self.frames.captions[row])
        if kind < plan.own:
            return self.own[row], truth
        if kind < plan.own + plan.rules:
            return self._ids(self._wrong(row, rng))[: self.limit], truth
        return [], truth

    def again(self, row: int, kind: float, rng: np.random.Generator) -> Lesson:
        """The same, but what the glance said of scene and path stands, unless the draft is blank;
        and some drafts say things twice.
        """
        plan, own, truth = self.plan, self.own[row], self.frames.facts[row]
        said = grammar.parse(self.tokenizer.decode(own))
        if kind >= plan.own + plan.rules or not said.scene or not said.path.state:
            return self.first(row, kind, rng)
        draft = said
        if kind >= plan.own:
            draft = dataclasses.replace(said, items=self._wrong(row, rng).items)
        if rng.random() < STAMMERED:
            draft = stammer(draft, rng)
        ids = own if draft is said else self._ids(draft)[: self.limit]
        return ids, self._ids(settled(truth, said))

    def _wrong(self, row: int, rng: np.random.Generator) -> grammar.Facts:
        return self.foils.make(self.frames.facts[row], int(rng.integers(4)), rng)

    def _ids(self, facts: grammar.Facts) -> list[int]:
        return list(self.tokenizer.encode(grammar.caption(facts)))
