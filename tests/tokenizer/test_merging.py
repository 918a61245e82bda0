import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.tokenizer.merging import Merger
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.train import train
from holdfast.tokenizer.vocabulary import Vocabulary, bare_encoder, byte_alphabet, models, text_encoder


@pytest.fixture(scope="module")
def vocabulary():
    return train(["abab cabac bacab abcabc aab bba é你 " * 20], TokenizerSettings(vocab_size=285)).vocabulary


@settings(deadline=None)
@given(st.lists(st.text("abcé你 ", min_size=1, max_size=14), min_size=1, max_size=30))
def test_words_get_the_ids_of_the_library(vocabulary, words):
    model = models.BPE(vocab={t: n for n, t in enumerate(vocabulary.tokens)}, merges=list(vocabulary.merges))
    library = bare_encoder("bpe", None, model)
    ids, counts = Merger(vocabulary).encode([word.encode() for word in words])
    expected = [each.ids for each in library.encode_batch(words)]
    assert counts.tolist() == [len(each) for each in expected]
    assert ids.tolist() == [number for each in expected for number in each]


def test_without_a_merge_every_byte_is_a_token():
    plain = Vocabulary("bpe", "qwen2", tuple(byte_alphabet()))
    assert Merger(plain).encode([b"a\xff", b"b"])[0].tolist() == [97, 255, 98]


def test_of_a_pair_learned_twice_the_library_keeps_the_last_place():
    merges = (("a", "b"), ("b", "c"), ("a", "b"))
    twice = Vocabulary("bpe", "qwen2", (*byte_alphabet(), "ab", "bc"), merges)
    assert Merger(twice).encode([b"abc"])[0].tolist() == text_encoder(twice).encode("abc").ids == [97, 257]
