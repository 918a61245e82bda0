"""No text is lost, whatever kind of tokenizer encodes it."""

import random

import pytest
from tokenizers import ByteLevelBPETokenizer

from holdfast.tokenizer import codec
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.train import train
from holdfast.tokenizer.vocabulary import PATTERNS

STRINGS = 10_000
SURROGATES = range(0xD800, 0xE000)
RANGES = ((0x20, 0x7F), (0, 0x100), (0x80, 0x3000), (0x2000, 0x2070), (0x3000, 0xFFFF), (0x10000, 0x10FFFF))


def strings():
    """Random characters: of one range or of all, so that they are prose-like, foreign, or everything at once."""
    rng = random.Random(5)
    for _ in range(STRINGS):
        ranges = [rng.choice(RANGES)] if rng.random() < 0.7 else RANGES
        points = [rng.randint(*rng.choice(ranges)) for _ in range(rng.randint(0, 24))]
        yield "".join(chr(point) for point in points if point not in SURROGATES)


@pytest.fixture(scope="module", params=[*PATTERNS, "char", "byte", "gpt2 files"])
def kind(request, texts, tmp_path_factory):
    """A tokenizer of each kind."""
    if request.param == "gpt2 files":
        folder = tmp_path_factory.mktemp("gpt2")
        made = ByteLevelBPETokenizer()
        made.train_from_iterator(texts, vocab_size=350, show_progress=False)
        made.save_model(str(folder))
        return train([], TokenizerSettings(load=str(folder)))
    how = {"pattern": request.param} if request.param in PATTERNS else {"kind": request.param}
    return train(texts, TokenizerSettings(vocab_size=400, **how))


@pytest.mark.slow
@pytest.mark.parametrize("much", [False, True], ids=["little", "much"])
def test_ten_thousand_random_strings_come_back(kind, much, monkeypatch):
    monkeypatch.setattr(codec, "GROUP_CHARACTERS", 5000 if much else 1 << 30)
    texts = list(strings())
    found = kind.encode_arrays(texts)
    limit = min(kind.special.values())
    for text, ids in zip(texts, found, strict=True):
        assert kind.decode_bytes(ids.tolist()) == text.encode()
        assert ids.size == 0 or ids.max() < limit
