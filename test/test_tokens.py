"""Text becomes ids and comes back; words keep their probabilities."""

from __future__ import annotations

import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from mmser_ros.model.config import BadModel
from mmser_ros.tokens import SPECIAL, Tokenizer, build_word_level

CAPTION = "a red chair ahead , left free ."


@pytest.fixture(scope="module")
def words() -> Tokenizer:
    return build_word_level(CAPTION.split())


@pytest.fixture(scope="module")
def pieces() -> Tokenizer:
    """A byte-level BPE in which 'chair' is made of two tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("c", "h"), ("a", "i"), ("ai", "r"), ("Ġ", "r"), ("e", "d"), ("Ġr", "ed")]
    merges += [("Ġ", "ch")]
    tokens = ["</s>", *alphabet, *(left + right for left, right in merges)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    bpe = tokenizers.Tokenizer(models.BPE(vocabulary, merges))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens(["</s>"])
    return Tokenizer(bpe)


def test_special_tokens_come_first(words):
    assert words.encode(" ".join(SPECIAL)) == (0, 1, 2, 3, 4)
    assert words.vocabulary == 5 + len(set(CAPTION.split()))


def test_text_comes_back(words, pieces):
    for tokenizer in (words, pieces):
        assert tokenizer.decode(tokenizer.encode(CAPTION)) == CAPTION


def test_tokenizer_survives_its_file(words, tmp_path):
    words.save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.encode(CAPTION) == words.encode(CAPTION)
    assert loaded.decode(loaded.encode(CAPTION)) == CAPTION


def test_order_of_the_words_does_not_matter():
    assert build_word_level(["b", "a", "b"]).encode("a b") == (5, 6)


def test_unknown_words_are_named(words):
    with pytest.raises(ValueError, match="'blue', 'sofa'"):
        words.encode("a blue sofa ahead")


@pytest.mark.parametrize("word", ["", "two words", "<sep>"])
def test_what_is_no_word_is_refused(word):
    with pytest.raises(ValueError, match="cannot be a word"):
        build_word_level(["a", word])


def test_each_word_level_token_is_a_word(words):
    ids = words.encode(CAPTION)
    chances = tuple(0.9 - 0.1 * n for n in range(len(ids)))
    assert words.words(ids, chances) == (tuple(CAPTION.split()), chances)


def test_special_tokens_are_no_words(words):
    ids = (*words.encode("a chair"), 1, 0)
    assert words.words(ids, (0.5, 0.6, 0.7, 0.8)) == (("a", "chair"), (0.5, 0.6))
    assert words.decode(ids) == "a chair"


def test_word_of_several_tokens_has_the_product_of_their_probabilities(pieces):
    ids = pieces.encode(" red chair.")
    assert len(ids) == 4  # " red", " ch", "air", "."
    split, chances = pieces.words(ids, (0.9, 0.8, 0.5, 0.7))
    assert split == ("red", "chair", ".") and chances == pytest.approx((0.9, 0.4, 0.7))


def test_half_a_character_does_not_break_the_words(pieces):
    ids = pieces.encode(" é red")
    split, chances = pieces.words(ids[1:], (0.5,) * (len(ids) - 1))
    assert split[-1] == "red" and chances[-1] == 0.5


def test_probabilities_must_match_the_ids(words):
    with pytest.raises(ValueError, match="2 ids have 1 probabilities"):
        words.words((5, 6), (0.5,))


def test_missing_and_broken_files_are_bad_models(tmp_path):
    with pytest.raises(BadModel, match="needs a tokenizer"):
        Tokenizer.load(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BadModel, match="cannot be read"):
        Tokenizer.load(tmp_path / "tokenizer.json")
