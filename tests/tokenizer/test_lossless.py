import pytest

from holdfast.base.faults import DataFault
from holdfast.tokenizer.codec import Tokenizer
from holdfast.tokenizer.lossless import check_lossless
from holdfast.tokenizer.vocabulary import Vocabulary, byte_alphabet


def test_a_tokenizer_that_drops_characters_does_not_pass():
    lossy = Tokenizer(Vocabulary("char", None, tuple(map(chr, range(128)))))
    with pytest.raises(DataFault, match="loses text"):
        check_lossless(lossy)


def test_samples_are_checked_too():
    alphabet = byte_alphabet()
    alphabet[0xE2] = "zz"  # no byte 0xE2 any more: only texts that use it are hurt
    with pytest.raises((DataFault, KeyError)):
        check_lossless(Tokenizer(Vocabulary("byte", None, tuple(alphabet))), ["€"])
