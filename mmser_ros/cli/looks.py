"""What a model says of held-out frames: both looks, and the second one with other drafts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mmser_ros.cli.failure import Failure

if TYPE_CHECKING:
    from mmser_ros.captioner import Captioner
    from mmser_ros.cli.mistakes import Mistakes
    from mmser_ros.cli.scenes import View
    from mmser_ros.types import Caption, Glance
    from mmser_ros.world.grammar import Facts

COARSE, REFINED, TRUE, BLANK, SHUFFLED = LOOKS = (
    "coarse", "refined", "refined_true_draft", "refined_blank_draft", "refined_shuffled_draft",
)  # fmt: skip
"""The glance, the second look, and that with the true caption, none, or another frame's coarse
caption as its draft."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Every look at some frames, in their order, and what is so in them."""

    captions: dict[str, list[Caption]] = field(
        default_factory=lambda: {look: [] for look in LOOKS}
    )
    truths: list[Facts] = field(default_factory=list)

    def texts(self, look: str) -> list[str]:
        """The captions of one look."""
        return [caption.text for caption in self.captions[look]]

    def trusted(self, look: str) -> list[bool]:
        """Whether each is trusted."""
        return [caption.trusted for caption in self.captions[look]]


def hear(captioner: Captioner, views: Iterable[View], mistakes: Mistakes | None = None) -> Heard:
    """Caption every frame in every way; ``mistakes`` collects pictures on the way.

    The shuffled draft is the coarse caption of the frame before; the first frame gets the last
    one's. Raises Failure if there are fewer than two frames, or if the model does not know the
    words of a true caption.
    """
    from mmser_ros.types import Frame
    from mmser_ros.world.grammar import caption

    heard = Heard()
    glances: list[Glance] = []
    for number, view in enumerate(views):
        glance = captioner.glance(Frame(view.rgb, sequence=number, camera=view.camera))
        refined = captioner.refine(glance)
        told = {COARSE: glance.caption, REFINED: refined}
        for look, text in ((TRUE, caption(view.truth)), (BLANK, "")):
            draft = certain(captioner, glance.caption, text)
            told[look] = captioner.refine(dataclasses.replace(glance, caption=draft))
        if glances:
            told[SHUFFLED] = captioner.refine(misled(glance, glances[-1]))
        for look, said in told.items():
            heard.captions[look].append(said)
        heard.truths.append(view.truth)
        if mistakes is not None:
            mistakes.add(view.rgb, view.truth, glance.caption, refined)
        glances = [*glances[:1], glance]  # the first and the last: others would fill the memory
    if len(heard.truths) < 2:
        raise Failure("Shuffling drafts needs at least two frames.")
    heard.captions[SHUFFLED].insert(0, captioner.refine(misled(glances[0], glances[-1])))
    return heard


def misled(glance: Glance, other: Glance) -> Glance:
    """A look at a frame with the draft of another one."""
    draft = dataclasses.replace(other.caption, familiarity=glance.caption.familiarity)
    return dataclasses.replace(glance, caption=draft)


def certain(captioner: Captioner, drafted: Caption, text: str) -> Caption:
    """A draft that says this, sure of every word. Raises Failure for unknown words."""
    try:
        ids = tuple(captioner.tokenizer.encode(text))
    except ValueError as error:
        raise Failure(f"The model cannot say what is so in this world. {error}") from error
    words, chances = captioner.tokenizer.words(ids, [1.0] * len(ids))
    return dataclasses.replace(
        drafted, text=text, ids=ids, words=words, word_probabilities=chances
    )
