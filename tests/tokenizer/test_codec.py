import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.base.faults import DataFault
from holdfast.tokenizer import codec, cut
from holdfast.tokenizer.lossless import NASTY
from holdfast.tokenizer.special import SPECIAL_TOKENS

reuse = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@reuse
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_and_is_never_a_special_token(tokenizer, text):
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode_bytes(ids) == text.encode()
    assert max(ids, default=0) < min(tokenizer.special.values())
    assert tokenizer.token_bytes()[ids].sum() == len(text.encode())


def test_batch_equals_one_by_one(tokenizer):
    texts = [*NASTY, "", "and so on " * 50]
    assert tokenizer.encode_batch(texts) == [tokenizer.encode(text) for text in texts]
    assert tokenizer.encode_batch([]) == []


def test_text_that_spells_special_tokens_is_text(tokenizer):
    spelled = "".join(tokenizer.special)
    ids = tokenizer.encode(spelled)
    assert not set(ids) & set(tokenizer.special.values())
    assert tokenizer.decode(ids) == spelled


def test_special_ids_follow_the_text_and_have_names(tokenizer):
    assert tokenizer.vocab_size % 64 == 0
    assert list(tokenizer.special)[:3] == ["<|bos|>", "<|eot|>", "<|pad|>"]
    assert sorted(tokenizer.special.values()) == list(range(len(tokenizer.vocabulary.tokens), tokenizer.vocab_size))
    for name in SPECIAL_TOKENS:
        assert getattr(tokenizer, name.strip("<|>")) == tokenizer.special[name]
    ids = [tokenizer.bos, *tokenizer.encode("hi"), tokenizer.assistant_end]
    assert tokenizer.decode(ids) == "hi"
    assert tokenizer.decode(ids, skip_special=False) == "<|bos|>hi<|assistant_end|>"


def test_token_bytes_covers_the_vocabulary(tokenizer):
    lengths = tokenizer.token_bytes()
    assert lengths.shape == (tokenizer.vocab_size,)
    assert lengths.dtype == np.int64
    assert lengths[: len(tokenizer.vocabulary.tokens)].min() == 1
    assert not lengths[list(tokenizer.special.values())].any()


def test_a_stream_can_be_cut_inside_a_character(tokenizer):
    ids = tokenizer.encode("a😀b")
    assert b"".join(tokenizer.decode_bytes([i]) for i in ids) == "a😀b".encode()
    assert "\ufffd" in tokenizer.decode(ids[:2])


@pytest.mark.parametrize(
    "text",
    ["a" * 500_000, " " * 500_000 + "x", "=" * 500_000, "word and " * 111_112, "😀" * 100_000],
    ids=["letters", "spaces", "marks", "one line", "emoji"],
)
def test_long_texts_are_neither_lost_nor_slow(bpe, text):
    assert bpe.decode(bpe.encode(text)) == text


def test_no_piece_comes_near_the_run_of_spaces_at_which_the_regex_engine_gives_up():
    text = "a" + " " * 12_000_000 + "b"
    assert max(len(piece) for piece in cut.pieces(text)) < 1_000_000


def test_cutting_a_long_text_does_not_change_its_ids(bpe, texts, monkeypatch):
    text = "".join(texts)
    whole = bpe.encode(text)
    monkeypatch.setattr(codec, "PIECE_CHARACTERS", 50)
    monkeypatch.setattr(codec, "GROUP_CHARACTERS", 200)
    monkeypatch.setattr(codec, "pieces", lambda text: cut.pieces(text, 50, 500))
    assert bpe.encode_batch(["x", text, "", text]) == [bpe.encode("x"), whole, [], whole]


def test_half_a_surrogate_pair_is_refused(tokenizer):
    with pytest.raises(DataFault, match=r"U\+D83D\) at character 2"):
        tokenizer.encode_batch(["fine", "ab\ud83d"])
