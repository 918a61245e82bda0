import random

import pytest

from holdfast.base.faults import DataFault
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.train import LONGEST_TOKEN_BYTES, train
from holdfast.tokenizer.vocabulary import PATTERNS


@pytest.mark.parametrize("pattern", list(PATTERNS))
def test_vocabulary_is_exactly_as_large_as_asked(texts, pattern):
    tokenizer = train(texts, TokenizerSettings(vocab_size=384, pattern=pattern))
    assert (tokenizer.kind, tokenizer.pattern, tokenizer.vocab_size) == ("bpe", pattern, 384)
    assert "<|reserved_0|>" not in tokenizer.special
    assert len(tokenizer.encode("".join(texts))) < len("".join(texts)) / 2


def test_an_odd_size_is_filled_with_reserved_tokens(texts):
    tokenizer = train(texts, TokenizerSettings(vocab_size=330))
    assert (len(tokenizer.vocabulary.tokens), tokenizer.vocab_size) == (330 - 13, 384)
    assert tokenizer.special["<|reserved_53|>"] == 383


def test_training_is_a_function_of_text_and_settings(texts, monkeypatch):
    prints = set()
    for parallel in ("false", "true"):
        monkeypatch.setenv("TOKENIZERS_PARALLELISM", parallel)
        prints |= {train(iter(texts), TokenizerSettings(vocab_size=400)).fingerprint for _ in range(2)}
    assert len(prints) == 1
    others = [TokenizerSettings(vocab_size=400, pattern="gpt2"), TokenizerSettings(vocab_size=384)]
    assert not prints & {train(texts, other).fingerprint for other in others}


def test_words_never_merge_across_spaces(bpe):
    assert not [token for token in bpe.vocabulary.tokens if "Ġ" in token[1:] and token.strip("Ġ")]


def test_long_runs_do_not_fill_the_vocabulary():
    text = ["=" * 500_000 + " a" * 2000 + "".join(random.Random(0).choices("abcdefgh ", k=5000))]
    tokenizer = train(text, TokenizerSettings(vocab_size=320))
    assert tokenizer.token_bytes().max() <= LONGEST_TOKEN_BYTES


@pytest.mark.parametrize(
    ("text", "remedy"), [("ab " * 9, "tokenizer.kind=byte"), ("the cat and the dog sat " * 9, "vocab_size=")]
)
def test_a_vocabulary_larger_than_the_text_allows_is_refused_with_what_is_possible(text, remedy):
    if remedy == "vocab_size=":
        text = " ".join(f"{a}{b}{a}{a}" for a in "abcdefghijk" for b in "mnopqrst") * 2
    with pytest.raises(DataFault, match="allows only") as caught:
        train([text], TokenizerSettings(vocab_size=8192))
    assert remedy in caught.value.remedy
    if remedy == "vocab_size=":
        possible = int(caught.value.remedy.split("=")[1].split()[0])
        assert train([text], TokenizerSettings(vocab_size=possible)).vocab_size == possible


@pytest.mark.parametrize("kind", ["bpe", "char"])
@pytest.mark.parametrize("texts", [[], [""]])
def test_no_text_is_a_fault(kind, texts):
    with pytest.raises(DataFault):
        train(texts, TokenizerSettings(kind=kind, vocab_size=320))


def test_bytes_need_no_text():
    tokenizer = train([], TokenizerSettings(kind="byte"))
    assert tokenizer.encode("Aé") == [0x41, 0xC3, 0xA9]
    assert tokenizer.vocab_size == 320


def test_characters_get_one_id_and_rare_ones_their_bytes():
    text = "é" * 3 + "你" * 2 + "abc" + "".join(map(chr, range(0x400, 0x440)))
    roomy = train([text], TokenizerSettings(kind="char"))
    assert len(roomy.encode(text)) == len(text)
    tight = train([text], TokenizerSettings(kind="char", vocab_size=320))
    assert tight.vocab_size == 320
    assert [len(tight.encode(c)) for c in ("a", "é", "你", "\u043f", "😀")] == [1, 1, 1, 2, 4]


def test_the_sample_is_spread_over_the_texts_and_kept_under_its_limit():
    texts = [f"{letter * 5} " * 2000 for letter in "abcdefghijklmnop"]
    size = sum(map(len, texts))
    calls = []
    tokenizer = train(
        texts,
        TokenizerSettings(kind="char", train_bytes=size // 2),
        lambda done, total: calls.append((done, total)),
        size,
    )
    assert tokenizer.kind == "char"
    assert calls == sorted(calls)
    assert calls[-1][0] > size * 0.8

    late = [*texts, "é" * 1000]
    assert "é" in train(late, TokenizerSettings(kind="char", train_bytes="1M"), total_bytes=size).vocabulary.tokens
    assert "é" not in train(late, TokenizerSettings(kind="char", train_bytes=size // 4)).vocabulary.tokens


def test_half_a_surrogate_pair_is_refused():
    with pytest.raises(DataFault, match="surrogate"):
        train(["ab\ud800"], TokenizerSettings(vocab_size=320))
