import pytest
from pydantic import ValidationError
from tokenizers import Tokenizer as Library

from holdfast.base.faults import DataFault
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.special import SPECIAL_TOKENS
from holdfast.tokenizer.store import export_json, load, save
from holdfast.tokenizer.train import train

NAMES = ["<|london|>", "<|year_1750|>"]


@pytest.fixture(scope="module", params=["bpe", "char", "byte"])
def placed(request, texts):
    texts = [text.replace("harbour", f"{NAMES[0]} harbour") for text in texts] + [f"In{NAMES[1]}{NAMES[1]}\n"]
    return train(texts, TokenizerSettings(kind=request.param, vocab_size=320, domain_tokens=NAMES))


def test_a_domain_token_is_one_id_wherever_a_text_has_it(placed):
    london, year = placed.encode(NAMES[0]) + placed.encode(NAMES[1])
    ids = placed.encode(f"x{NAMES[0]}y {NAMES[1]}")
    assert ids == [*placed.encode("x"), london, *placed.encode("y "), year]
    assert placed.decode(ids) == f"x{NAMES[0]}y {NAMES[1]}"
    assert placed.token_bytes()[[london, year]].tolist() == [len(name) for name in NAMES]
    assert placed.encode_batch([NAMES[0] * 3, "", "<|london"])[:2] == [[london] * 3, []]


def test_it_is_text_and_no_special_token(placed):
    assert not set(NAMES) & set(placed.special)
    spelled = "".join((*SPECIAL_TOKENS, *NAMES))
    ids = placed.encode(spelled)
    assert max(ids) < min(placed.special.values())
    assert placed.decode(ids) == spelled
    assert placed.vocab_size == 320 or placed.kind == "byte"


def test_it_is_stored_and_other_software_knows_it(placed, tmp_path):
    save(placed, tmp_path)
    assert load(tmp_path).fingerprint == placed.fingerprint
    library = Library.from_str(export_json(placed))
    text = f"A {NAMES[0]} day{NAMES[1]}."
    assert library.encode(text, add_special_tokens=False).ids == placed.encode(text)
    assert {name: library.token_to_id(name) for name in placed.special} == placed.special


@pytest.mark.parametrize("kind", ["bpe", "char", "byte"])
def test_one_that_no_text_has_is_refused_by_name(kind, texts):
    wanted = TokenizerSettings(kind=kind, vocab_size=320, domain_tokens=["<|paris|>", "<|london|>"])
    with pytest.raises(DataFault, match=r"domain tokens <\|paris\|>$"):
        train([*texts, "to <|london|>"], wanted)


def test_one_that_only_the_end_of_the_corpus_has_is_found_past_the_sample(texts):
    wanted = TokenizerSettings(vocab_size=290, domain_tokens=["<|london|>"], train_bytes=1500)
    assert train([*texts, "to <|london|>"], wanted).vocabulary.domain == ("<|london|>",)


@pytest.mark.parametrize("names", [["<|bos|>"], ["<|reserved_3|>"], ["london"], ["<|a b|>"], ["<|a|>", "<|a|>"]])
def test_names_that_are_taken_or_misspelled_are_refused(names):
    with pytest.raises(ValidationError, match="domain_tokens"):
        TokenizerSettings(domain_tokens=names)
