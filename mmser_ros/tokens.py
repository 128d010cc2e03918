"""Between text and token ids: a tokenizer.json, read by the ``tokenizers`` library."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer as _Tokenizer
from tokenizers import models, pre_tokenizers

from mmser_ros.model.config import BadModel

PAD, END, COARSE, REFINE, SEPARATOR = SPECIAL = ("<pad>", "<eos>", "<coarse>", "<refine>", "<sep>")
"""The special tokens of a word-level tokenizer; their ids are 0 to 4."""

_WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")


class Tokenizer:
    """Text to ids and back, and the probability of each word. Special tokens are no text."""

    def __init__(self, tokenizer: _Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._whole_words = isinstance(tokenizer.model, models.WordLevel)
        added = tokenizer.get_added_tokens_decoder()
        self._special = {number for number, token in added.items() if token.special}

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Read a tokenizer.json. Raises BadModel with a sentence."""
        if not path.is_file():
            raise BadModel(f"{path} does not exist; a model folder needs a tokenizer.json.")
        try:
            return cls(_Tokenizer.from_file(str(path)))
        except Exception as error:  # the library raises no narrower one
            raise BadModel(f"{path} cannot be read as a tokenizer: {error}.") from error

    def save(self, path: Path) -> None:
        """Write a tokenizer.json. Raises OSError."""
        path.write_text(self._tokenizer.to_str(pretty=True), encoding="utf-8")

    @property
    def vocabulary(self) -> int:
        """How many ids there are."""
        return int(self._tokenizer.get_vocab_size())

    def encode(self, text: str) -> tuple[int, ...]:
        """Ids of a text, no special ones added. Raises ValueError for an unknown word."""
        if not self._whole_words:
            return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)
        known = self._tokenizer.get_vocab()
        words = text.split()
        strange = ", ".join(repr(word) for word in words if word not in known)
        if strange:
            raise ValueError(f"Not in the model's vocabulary: {strange}.")
        return tuple(known[word] for word in words)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; special tokens are left out."""
        return str(self._tokenizer.decode(list(ids))).strip()

    def words(
        self, ids: Sequence[int], probabilities: Sequence[float]
    ) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """The words and punctuation of a text, and the probability of each.

        A word of several tokens is as probable as the product of their probabilities.
        """
        if len(ids) != len(probabilities):
            raise ValueError(f"{len(ids)} ids have {len(probabilities)} probabilities.")
        pairs = [(i, p) for i, p in zip(ids, probabilities, strict=True) if i not in self._special]
        if self._whole_words:
            texts = (str(self._tokenizer.decode([number])) for number, _ in pairs)
            return tuple(texts), tuple(chance for _, chance in pairs)
        return self._join([number for number, _ in pairs], [chance for _, chance in pairs])

    def _join(
        self, ids: list[int], probabilities: list[float]
    ) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """Find which tokens each word is made of by decoding ever longer beginnings."""
        text = str(self._tokenizer.decode(ids))
        ends = [len(str(self._tokenizer.decode(ids[: n + 1]))) for n in range(len(ids))]
        starts = [0, *ends[:-1]]
        words, chances = [], []
        for match in _WORD.finditer(text):
            chance = 1.0
            for start, end, probability in zip(starts, ends, probabilities, strict=True):
                if start < match.end() and end > match.start():
                    chance *= probability
            words.append(match.group())
            chances.append(chance)
        return tuple(words), tuple(chances)


def build_word_level(words: Iterable[str]) -> Tokenizer:
    """A tokenizer whose tokens are the given words: the special tokens, then they, sorted.

    Raises ValueError if a word is empty, holds white space or is a special token.
    """
    known = sorted(set(words))
    for word in known:
        if not word or word.split() != [word] or word in SPECIAL:
            raise ValueError(f"{word!r} cannot be a word of the vocabulary.")
    vocabulary = {token: number for number, token in enumerate((*SPECIAL, *known))}
    tokenizer = _Tokenizer(models.WordLevel(vocabulary))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(list(SPECIAL))
    return Tokenizer(tokenizer)
