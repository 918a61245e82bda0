import json
import lzma
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.base.faults import DataFault
from holdfast.tokenizer import codec, lexicon, wordtable
from holdfast.tokenizer.lexicon import Lexicon
from holdfast.tokenizer.lossless import NASTY
from holdfast.tokenizer.merging import Merger
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.train import train
from holdfast.tokenizer.vocabulary import PATTERNS, text_encoder

from .test_words import texts as nasty_texts

reuse = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
LONG = ["x" * 14, "x" * 15, "x" * 16, " " * 40 + "y", "é" * 15, "-" * 700, "\x00", "a\x00", "a\x00\x00", "a"]


@pytest.fixture(scope="module", params=list(PATTERNS))
def pair(request, texts):
    """A lexicon and the library's encoder."""
    vocabulary = train(texts, TokenizerSettings(vocab_size=400, pattern=request.param)).vocabulary
    library = text_encoder(vocabulary)
    return Lexicon(library, Merger(vocabulary), request.param), library


def same(lexicon, library, many):
    found = [ids.tolist() for ids in lexicon.encode(many)]
    return found == [each.ids for each in library.encode_batch(many)]


@reuse
@given(many=st.lists(nasty_texts, min_size=1, max_size=4))
def test_ids_are_the_librarys(pair, many, monkeypatch):
    monkeypatch.setattr(lexicon, "FOREIGN_SHARE", 1.0)
    assert same(*pair, many)


def test_long_words_and_words_that_differ_in_what_is_not_seen(pair):
    for _ in range(2):
        assert same(*pair, [*LONG, "", *NASTY, " ".join(LONG) + "\n" + " ".join(reversed(LONG))])


def test_a_full_memory_forgets_and_neighbours_in_it_are_told_apart(pair, monkeypatch):
    monkeypatch.setattr(wordtable, "SLOTS_LOG2", 7)  # 128 slots for 100 words: most words meet others in them
    monkeypatch.setattr(lexicon, "MOST_WORDS", 60)
    monkeypatch.setattr(lexicon, "MOST_LONG", 3)
    small = Lexicon(pair[1], pair[0]._merger, pair[0]._pattern)
    rng = np.random.default_rng(0)
    for _ in range(30):
        words = ["".join(rng.choice(list("abcdeABC"), rng.integers(1, 20))) for _ in range(40)]
        assert same(small, pair[1], [" ".join(words), *words[:3]])


def test_text_of_another_script_is_left_to_the_library(pair, monkeypatch):
    monkeypatch.setattr(lexicon, "read_block", None)
    assert same(*pair, ["你好，世界。" * 100])


def test_large_batches_and_small_ones_agree(tokenizer, texts, monkeypatch):
    many = [*texts, *NASTY, "", texts[0] * 40]
    little = tokenizer.encode_batch(many)
    monkeypatch.setattr(codec, "GROUP_CHARACTERS", 1000)
    assert tokenizer.encode_batch(many) == little
    arrays = tokenizer.encode_arrays(many)
    assert {each.dtype for each in arrays} == {np.dtype(np.int32)}
    with pytest.raises(DataFault, match="surrogate"):
        tokenizer.encode_arrays([*many, "\udc00"])


def history(folder: Path):
    """All texts of the historical part of the shared data."""
    for path in sorted(folder.glob("*.tar.xz")):
        with tarfile.open(path) as archive:
            yield from (archive.extractfile(member).read().decode("utf-8") for member in archive if member.isfile())
    for path in sorted(folder.glob("*.jsonl.xz")):
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            yield from (json.loads(line)["text"] for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "pattern"), [*enumerate(PATTERNS)])
def test_five_centuries_of_print_get_the_librarys_ids(number, pattern, shared):
    """Each pattern gets its share of the books: the library takes minutes for all of them."""
    everything = list(history(shared / "data" / "history"))[number :: len(PATTERNS)]
    tokenizer = train(everything, TokenizerSettings(vocab_size=8192, pattern=pattern, train_bytes="20M"))
    library = text_encoder(tokenizer.vocabulary)
    for start in range(0, len(everything), 10):
        some = everything[start : start + 10]
        pieces = [piece for text in some for piece in codec.pieces(text)]
        found = np.concatenate(tokenizer.encode_arrays(some))
        assert np.array_equal(found, np.concatenate([each.ids for each in library.encode_batch_fast(pieces)]))
