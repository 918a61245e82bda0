import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.base.faults import DataFault
from holdfast.tokenizer.lossless import NASTY
from holdfast.tokenizer.settings import Pattern, TokenizerSettings
from holdfast.tokenizer.special import SPECIAL_TOKENS
from holdfast.tokenizer.teaching import LONGEST, TeachingBPE
from holdfast.tokenizer.train import train
from holdfast.tokenizer.vocabulary import PATTERNS, byte_alphabet


def pair(texts, vocab_size, pattern: Pattern = "qwen2"):
    """The teaching one, and the fast one's vocabulary of the same size."""
    slow = TeachingBPE(pattern)
    slow.learn(texts, vocab_size)
    size = len(slow.tokens) + len(SPECIAL_TOKENS)
    return slow, train(texts, TokenizerSettings(vocab_size=size, pattern=pattern))


def merges(vocabulary):
    """The fast one's merges as pairs of ids."""
    place = {token: number for number, token in enumerate(vocabulary.tokens)}
    return [(place[left], place[right]) for left, right in vocabulary.merges]


@pytest.mark.parametrize("pattern", list(PATTERNS))
def test_it_learns_the_merges_and_finds_the_ids_of_the_fast_one(texts, pattern):
    slow, fast = pair(texts, 420, pattern)
    assert slow.tokens == fast.vocabulary.token_bytes[: len(slow.tokens)]
    assert list(slow.merges) == merges(fast.vocabulary)
    for text in (*texts, *NASTY):
        assert slow.encode(text) == fast.encode(text)
        assert slow.decode(slow.encode(text)) == text


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(
    letters=st.sampled_from(["ab ", "abc ", "a ", "ab'é \n", "abcdefg  "]),
    seed=st.integers(0, 10**6),
    runs=st.integers(0, 90),
    size=st.integers(257, 300),
)
def test_ties_and_runs_and_tokens_with_two_ways_to_them_are_treated_alike(letters, seed, runs, size):
    text = "".join(random.Random(seed).choices(letters, k=200)) + "a" * runs
    try:
        slow, fast = pair([text], size)
    except DataFault as fault:
        pytest.fail(f"the fast one finds fewer tokens: {fault.cause}")
    assert list(slow.merges) == merges(fast.vocabulary)[: len(slow.merges)]
    assert slow.tokens == fast.vocabulary.token_bytes[: len(slow.tokens)]
    assert slow.encode(text) == fast.encode(text)


def test_of_equally_common_pairs_the_smaller_ids_win():
    slow = TeachingBPE()
    slow.learn(["ba ba ab ab xx"], 257)
    assert slow.tokens[256:] == [b"ab"]
    a, b = slow.tokens.index(b"a"), slow.tokens.index(b"b")
    assert slow.merges == {(a, b): (0, 256)}


def test_it_stops_where_nothing_is_common_and_never_makes_a_ruler():
    slow = TeachingBPE()
    slow.learn(["ab cd " + "=" * 500] * 2, 1000)
    assert max(map(len, slow.tokens)) <= LONGEST
    assert len(slow.tokens) < 1000


def test_bytes_come_in_the_order_of_the_alphabet():
    alphabet = byte_alphabet()
    assert [alphabet[token[0]] for token in TeachingBPE().tokens] == sorted(alphabet)
