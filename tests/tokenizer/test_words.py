from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from holdfast.tokenizer.vocabulary import PATTERNS
from holdfast.tokenizer.words import CHARSET, EDGE, FOREIGN, block, cut

SPLITS = {name: pre_tokenizers.Split(Regex(rule), behavior="isolated") for name, rule in PATTERNS.items()}
COMMON = [text for code in range(256) if (text := bytes([code]).decode(CHARSET, "ignore"))]
BOUNDARIES = "ab sStTrReEvVlLmMdD''' \n\n\r\t\v\f.,-_12345é“’—\u00a0²½ªſK\u0130\u0301\u2028你😀\u0081\u008d"
CONTRACTIONS = ["'s", "'S", "'Ll", "'ve", "'D", "'re", "'x", "'", "''", "’s", "'ſ", "it", " ", "\n", "9"]
texts = st.one_of(
    st.text(BOUNDARIES, max_size=60),
    st.lists(st.sampled_from(CONTRACTIONS), max_size=20).map("".join),
    st.text(" \n\r\t.a1", max_size=40),
)


def theirs(pattern, text):
    return [text[start:stop] for _, (start, stop) in SPLITS[pattern].pre_tokenize_str(text)]


def ours(pattern, texts):
    """The words of each text, stretches around foreign characters cut by the library."""
    codes = block(texts)
    words = cut(codes, pattern)
    found, number, begin = [[] for _ in texts], -1, 0
    for whole, (start, stop) in zip(words.whole, pairwise([*words.starts, len(codes)]), strict=True):
        if codes[start] == EDGE:
            assert stop == start + 1
            number, begin = number + 1, stop
            continue
        word = texts[number][start - begin : stop - begin]
        found[number] += theirs(pattern, word) if whole else [word]
    return found


@pytest.mark.parametrize("pattern", list(PATTERNS))
@settings(deadline=None, max_examples=300)
@given(many=st.lists(texts, min_size=1, max_size=4))
def test_words_are_those_of_the_regex_engine(pattern, many):
    assert ours(pattern, many) == [theirs(pattern, text) for text in many]


@pytest.mark.parametrize("pattern", list(PATTERNS))
def test_every_common_character_in_every_neighbourhood(pattern):
    around = ["{}", "a{}b", " {}b", "'{}b", "\n{}\n", ".{}.", "1{} 1", "  {}", "{}'s"]
    many = [form.format(one) for one in COMMON for form in around]
    many += [f"a'{one}{two}" for one in COMMON for two in "sStTmMdDrReEvVlL '9é\n"]
    assert ours(pattern, many) == [theirs(pattern, text) for text in many]


def test_a_stretch_is_no_longer_than_it_must_be():
    codes = block(["one two\u0301s three", "", "four"])
    words = cut(codes, "qwen2")
    assert [bytes(codes[a:b]) for a, b in pairwise([*words.starts, len(codes)])] == [
        b"\x81", b"one", b" two\x8ds", b" three", b"\x81", b"\x81", b"four", b"\x81",
    ]  # fmt: skip
    assert words.whole.tolist() == [False, False, True, False, False, False, False, False]


def test_codes_spell_the_text_or_say_that_they_can_not():
    text = "".join(COMMON)
    assert bytes(block([text])[1:-1]).decode(CHARSET) == text
    others = {chr(point) for point in (*range(0x3000), 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF)} - set(COMMON)
    assert np.all(block(["".join(others)])[1:-1] == FOREIGN)
    assert block(["\x00\ud800"]).tolist() == [EDGE, 0, FOREIGN, EDGE]
