import json
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import trainers

from holdfast.tokenizer import learning
from holdfast.tokenizer.cut import pieces
from holdfast.tokenizer.learning import count_words, learn
from holdfast.tokenizer.lossless import NASTY
from holdfast.tokenizer.vocabulary import PATTERNS, bare_encoder, byte_alphabet, byte_level

from .test_lexicon import history
from .test_words import texts as nasty_texts
from .test_words import theirs


def library(texts, pattern, size, longest=32):
    """What the library's own trainer learns: tokens by id, and merges."""
    encoder = bare_encoder("bpe", pattern)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        initial_alphabet=byte_alphabet(),
        max_token_length=longest,
        show_progress=False,
    )
    encoder.train_from_iterator(texts, trainer)
    model = json.loads(encoder.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].__getitem__), [tuple(pair) for pair in model["merges"]]


def ours(texts, pattern, size, longest=32):
    tokens, merges = learn(count_words(texts, pattern), size, longest)
    return [byte_level(token) for token in tokens], [(byte_level(left), byte_level(right)) for left, right in merges]


@pytest.mark.parametrize("pattern", list(PATTERNS))
def test_the_librarys_vocabulary_and_merges(texts, pattern):
    many = [*texts, *NASTY, *NASTY]
    assert ours(many, pattern, 600) == library(many, pattern, 600)


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(
    letters=st.sampled_from(["ab ", "abc ", "a ", "ab'é \n", "abcdefg  ", "aabb"]),
    seed=st.integers(0, 10**6),
    runs=st.integers(0, 90),
    size=st.integers(256, 320),
    longest=st.sampled_from([3, 5, 9, 32]),
)
def test_ties_and_runs_and_tokens_with_two_ways_to_them(letters, seed, runs, size, longest):
    rng = random.Random(seed)
    some = ["".join(rng.choices(letters, k=rng.randint(0, 150))), "a" * runs, "ab" * (runs // 3)]
    assert ours(some, "qwen2", size, longest) == library(some, "qwen2", size, longest)


@pytest.mark.parametrize("pattern", list(PATTERNS))
@settings(deadline=None, max_examples=60)
@given(many=st.lists(nasty_texts, max_size=5))
def test_words_are_counted_as_the_pattern_cuts_them(pattern, many):
    expected = Counter(word.encode() for text in many for word in theirs(pattern, text))
    assert count_words(many, pattern) == expected


def test_a_full_table_is_emptied_into_the_count(texts, monkeypatch):
    whole = count_words(texts, "qwen2")
    monkeypatch.setattr(learning, "MOST_WORDS", 5)
    monkeypatch.setattr(learning, "BLOCK_CHARACTERS", 100)
    parts = [part for text in texts for part in pieces(text, 60, 100)]
    assert count_words(parts, "qwen2") == whole
    assert learn(dict(reversed(whole.items())), 500, 32) == learn(whole, 500, 32)


def test_nothing_is_learned_from_nothing():
    assert learn({}, 300, 32)[1] == []
    assert learn({b"ab": 1, b"\xff": 9}, 300, 32)[1] == []
    assert learn({b"ab": 2}, 300, 32)[1] == [(b"a", b"b")]


@pytest.mark.slow
@pytest.mark.parametrize(("pattern", "size"), [("qwen2", 8179), ("gpt2", 30_000), ("llama-bpe", 16_000)])
def test_five_centuries_of_print_teach_what_the_library_learns(shared, pattern, size):
    some = [piece for text in history(shared / "data" / "history") for piece in list(pieces(text, 4096, 5000))[::16]]
    assert ours(some, pattern, size) == library(some, pattern, size)
