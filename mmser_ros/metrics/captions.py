"""How like reference captions a caption is: BLEU, ROUGE-L, METEOR, CIDEr-D.

The computation is that of the COCO caption evaluation, through pycocoevalcap. METEOR and the
Penn Treebank tokenizer are Java programs that the package carries.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

NAMES = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "meteor", "cider_d")
"""In the order in which they are reported. All are fractions but ``cider_d``, at most 10."""
NEED_JAVA = ("meteor",)
PTB, SPACES = "ptb", "spaces"
"""Tokenizers: the Penn Treebank's, as COCO's evaluation does it (lower case, no punctuation);
or none: captions that are tokens with spaces between already."""


class MetricsMissing(RuntimeError):
    """Something that computes a metric is not installed; the message says what installs it."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of some captions, by the names of the metrics."""

    whole: dict[str, float]
    """Of the corpus."""
    each: dict[str, list[float]]
    """Of every caption, in the order given."""


def has_java() -> bool:
    """Whether METEOR and the Penn Treebank tokenizer can run."""
    return shutil.which("java") is not None


def tokenized(captions: Sequence[Sequence[str]], tokenizer: str) -> list[list[str]]:
    """Captions as tokens with single spaces between; one or more for every image.

    Raises:
        MetricsMissing: the Penn Treebank tokenizer lacks its package or Java.

    """
    tidy = [[" ".join(caption.split()) for caption in some] for some in captions]
    if tokenizer == SPACES:
        return tidy
    _need_java("The Penn Treebank tokenizer")
    with _package():
        from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    rows = {n: [{"caption": caption} for caption in some] for n, some in enumerate(tidy)}
    # Its input ends with the last caption, and a blank last line would be lost.
    rows[len(tidy)] = [{"caption": "end"}]
    found = PTBTokenizer().tokenize(rows)
    return [found[n] for n in range(len(tidy))]


def score(
    captions: Sequence[str],
    references: Sequence[Sequence[str]],
    names: Sequence[str] = NAMES,
    tokenizer: str = SPACES,
) -> Scores:
    """Score captions against their references.

    Args:
        captions: one an image.
        references: one or more for each image, in the same order. CIDEr-D weighs words by
            how many images' references hold them, so it needs several images.
        names: the metrics wanted, of ``NAMES``.
        tokenizer: ``PTB`` or ``SPACES``.

    Raises:
        MetricsMissing: a package, or Java, is missing.
        ValueError: unknown metric, no captions, or an image without a reference.

    """
    unknown = set(names) - set(NAMES)
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))}: not one of {', '.join(NAMES)}.")
    if not captions or len(captions) != len(references):
        raise ValueError(f"{len(captions)} captions cannot be held against {len(references)}.")
    if not all(references):
        raise ValueError(f"Image {[*map(bool, references)].index(False)} has no reference.")
    said = dict(enumerate(tokenized([[caption] for caption in captions], tokenizer)))
    true = dict(enumerate(tokenized(references, tokenizer)))
    whole: dict[str, float] = {}
    each: dict[str, list[float]] = {}
    for group, values in _computed(true, said, names):
        for name, (total, single) in zip(group, values, strict=True):
            if name in names:
                whole[name] = float(total)
                each[name] = [float(value) for value in single]
    ordered = [name for name in NAMES if name in whole]
    return Scores({n: whole[n] for n in ordered}, {n: each[n] for n in ordered})


def require() -> None:
    """Raise MetricsMissing unless the package is there; for who needs it only later."""
    with _package():
        importlib.import_module("pycocoevalcap.cider.cider")


Tokens = Mapping[int, Sequence[str]]
Value = tuple[float, Sequence[float]]


def _computed(
    true: Tokens, said: Tokens, names: Sequence[str]
) -> Iterator[tuple[tuple[str, ...], list[Value]]]:
    """Names, and for each the score of the corpus and those of its captions."""
    with _package():
        from pycocoevalcap.bleu.bleu import Bleu
        from pycocoevalcap.cider.cider import Cider
        from pycocoevalcap.rouge.rouge import Rouge
    if any(name.startswith("bleu") for name in names):
        yield NAMES[:4], list(zip(*Bleu(4).compute_score(true, said, verbose=0), strict=True))
    if "rouge_l" in names:
        yield ("rouge_l",), [Rouge().compute_score(true, said)]
    if "cider_d" in names:
        yield ("cider_d",), [Cider().compute_score(true, said)]
    if "meteor" in names:
        yield ("meteor",), [_meteor(true, said)]


def _meteor(true: Tokens, said: Tokens) -> Value:
    _need_java("METEOR")
    from pycocoevalcap.meteor.meteor import Meteor

    meteor = Meteor()
    try:
        found: Value = meteor.compute_score(true, said)
        return found
    finally:  # it would keep its pipes and its process as long as it lives
        process = meteor.meteor_p
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()
        process.stderr.close()


def _need_java(what: str) -> None:
    if not has_java():
        raise MetricsMissing(
            f"{what} is a Java program, and there is no java on the PATH: "
            "apt-get install default-jre-headless."
        )


@contextlib.contextmanager
def _package() -> Iterator[None]:
    os.environ.setdefault("MPLBACKEND", "Agg")
    try:
        yield
    except ImportError as error:
        raise MetricsMissing(
            f"Caption metrics need pycocoevalcap ({error.name} is missing): "
            "pip install 'mmser-ros[metrics]'."
        ) from error
