from holdfast.tokenizer.special import SPECIAL_TOKENS, special_tokens


def test_names_are_unique_and_fill_up_to_a_round_total():
    for text_tokens in (256, 307, 308, 4000):
        names = special_tokens(text_tokens)
        assert names[: len(SPECIAL_TOKENS)] == SPECIAL_TOKENS
        assert len(set(names)) == len(names)
        assert (text_tokens + len(names)) % 64 == 0
        assert len(names) - len(SPECIAL_TOKENS) < 64
