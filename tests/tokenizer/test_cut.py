from hypothesis import given
from hypothesis import strategies as st

from holdfast.tokenizer.cut import pieces
from holdfast.tokenizer.vocabulary import PATTERNS, bare_encoder

ALPHABET = "ab9é你 \n\t'.,-²\u0301_\r"


@given(st.text(ALPHABET, max_size=200), st.integers(1, 20), st.integers(1, 40))
def test_pieces_join_to_the_text_and_stay_short(text, piece, more):
    parts = list(pieces(text, piece, piece + more))
    assert "".join(parts) == text
    assert all(len(part) <= piece + more for part in parts)
    assert all(parts)


@given(st.text(ALPHABET, max_size=120), st.integers(1, 6))
def test_cutting_between_words_leaves_every_word_pattern_alone(text, piece):
    for pattern in PATTERNS:
        split = bare_encoder("bpe", pattern).pre_tokenizer
        whole = [word for word, _ in split.pre_tokenize_str(text)]
        parts = [word for part in pieces(text, piece, 10_000) for word, _ in split.pre_tokenize_str(part)]
        assert parts == whole
