import pytest

from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.train import train

TEXT = [
    "The harbour master counted 12 ships, 3 of them from Genoa; the café wasn't open.\n\n" * 8,
    "Sailors don't like the rain. They'll wait for 1,000 years, she said: “no”.\r\n\tThen it cleared.  " * 8,
    "Salt and rope and tar, and salt again; naïve gulls over the old quay — 你好.\n" * 8,
]


@pytest.fixture(scope="session")
def texts():
    return TEXT


@pytest.fixture(scope="session", params=["bpe", "char", "byte"])
def tokenizer(request):
    return train(TEXT, TokenizerSettings(kind=request.param, vocab_size=320))


@pytest.fixture(scope="session")
def bpe():
    return train(TEXT, TokenizerSettings(vocab_size=320))
