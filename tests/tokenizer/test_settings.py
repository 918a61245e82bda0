import pytest
from pydantic import ValidationError

from holdfast.tokenizer.settings import TokenizerSettings


def test_counts_are_read_and_a_vocabulary_without_room_for_bytes_is_refused():
    assert TokenizerSettings(vocab_size="8k", train_bytes="10M").train_bytes == 10_000_000
    assert TokenizerSettings(kind="byte", vocab_size=0).kind == "byte"
    with pytest.raises(ValidationError, match="269"):
        TokenizerSettings(vocab_size=268)
    with pytest.raises(ValidationError):
        TokenizerSettings(pattern="gpt5")
