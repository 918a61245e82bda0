from collections import Counter

import numpy as np
import pytest

from holdfast.base.faults import DataFault
from holdfast.tokenizer.measure import Measure, Subject, measure, of_ours, subject
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.train import train


def letters(texts):
    """A tokenizer that one can reckon with: an id per byte."""
    return [np.frombuffer(text.encode(), dtype=np.uint8).astype(np.int32) for text in texts]


def test_the_figures_by_hand():
    done = []
    batches = [["ab ab"], ["é it's"]]
    (found,) = measure([Subject("x", 300, letters, bytes)], batches, done.append)
    assert found == {
        "tokenizer": "x",
        "vocab_size": 300,
        "bytes": 12,
        "tokens": 12,
        "bytes_per_token": 1.0,
        "tokens_per_word": (3 + 3 + 3 + 5) / 4,
        "words_in_one_token": 0.0,
        "rare_words": 2,
        "tokens_per_rare_word": 4.0,
        "texts_lost": 0,
        "unused_tokens": 300 - len(set(b"ab ab it's") | set("é".encode())),
    }
    assert done == [5, 12]


def test_a_tokenizer_that_loses_text_is_found_out():
    found = Measure(Subject("x", 300, letters, lambda ids: bytes(ids).lower()))
    found.add(["fine", "Not fine"])
    assert found.result(Counter())["texts_lost"] == 1
    assert found.result(Counter())["tokens_per_word"] is None


def test_no_text_is_a_fault():
    with pytest.raises(DataFault, match="no text"):
        measure([Subject("x", 300, letters, bytes)], [], lambda done: None)


def test_tiktokens_files_are_read_where_their_pattern_is_known(tmp_path, texts):
    pytest.importorskip("tiktoken")
    from base64 import b64encode

    ours = train(texts, TokenizerSettings(vocab_size=400, pattern="llama-bpe"))
    spelled = ours.vocabulary.token_bytes[: len(ours.vocabulary.tokens)]
    lines = [b64encode(token) + b" %d" % place for place, token in enumerate(spelled)]
    for name in ("cl100k_base", "mystery"):
        (tmp_path / f"{name}.tiktoken").write_bytes(b"\n".join(lines))
    theirs = subject(tmp_path / "cl100k_base.tiktoken")
    one, other = measure([of_ours("ours", ours), theirs], [texts], lambda done: None)
    assert one["tokens"] == other["tokens"]
    assert other["texts_lost"] == 0
    (tmp_path / "gpt2.tiktoken").write_bytes(b"no rank")
    with pytest.raises(DataFault, match="can not be read"):
        subject(tmp_path / "gpt2.tiktoken")
    with pytest.raises(DataFault, match="pattern"):
        subject(tmp_path / "mystery.tiktoken")
