import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import ByteLevelBPETokenizer

from holdfast.base.faults import DataFault
from holdfast.tokenizer.adopt import adopt
from holdfast.tokenizer.codec import Tokenizer
from holdfast.tokenizer.lossless import NASTY
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.store import export_json, load, save
from holdfast.tokenizer.train import train

from .test_words import texts as nasty_texts

reuse = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture(scope="module")
def files(texts, tmp_path_factory):
    """vocab.json and merges.txt as GPT-2's are: 256 bytes, what merges make, and one name at the end."""
    folder = tmp_path_factory.mktemp("gpt2")
    made = ByteLevelBPETokenizer()
    made.train_from_iterator(texts, vocab_size=400, special_tokens=[], show_progress=False)
    made.save_model(str(folder))
    vocab = json.loads((folder / "vocab.json").read_text("utf-8"))
    (folder / "vocab.json").write_text(json.dumps(vocab | {"<|endoftext|>": len(vocab)}), "utf-8")
    return folder


@pytest.fixture(scope="module")
def stock(files):
    transformers = pytest.importorskip("transformers")
    return transformers.GPT2TokenizerFast.from_pretrained(str(files))


@pytest.fixture(scope="module")
def ours(files):
    return Tokenizer(adopt(files))


@reuse
@given(many=st.lists(nasty_texts, min_size=1, max_size=4))
def test_ids_are_those_of_stock_transformers(ours, stock, many):
    assert ours.encode_batch(many) == [stock(text)["input_ids"] for text in many]


def test_text_never_becomes_a_special_token_of_theirs_or_ours(ours, stock):
    assert stock.convert_tokens_to_ids("<|endoftext|>") not in ours.encode("".join(NASTY))
    assert min(ours.special.values()) == len(stock)
    for text in NASTY:
        assert ours.decode(ours.encode(text)) == text


def test_a_file_written_by_transformers_is_the_same_tokenizer(files, stock, tmp_path):
    stock.backend_tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert adopt(tmp_path).fingerprint == adopt(tmp_path / "tokenizer.json").fingerprint == adopt(files).fingerprint


def test_what_we_export_can_be_taken_over(bpe, tmp_path):
    (tmp_path / "tokenizer.json").write_text(export_json(bpe), "utf-8")
    assert adopt(tmp_path).fingerprint == bpe.fingerprint


def test_a_recipe_takes_one_over_and_stores_it(files, texts, tmp_path):
    wanted = TokenizerSettings(load=str(files), domain_tokens=["<|harbour|>"], vocab_size=0)
    made = train([*texts, "<|harbour|>"], wanted)
    save(made, tmp_path)
    assert load(tmp_path).fingerprint == made.fingerprint
    assert len(made.encode("<|harbour|>")) == 1


CHANGES = {
    "normalizer NFC": lambda saved: saved.update(normalizer={"type": "NFC"}),
    "takes the word 'Bob'": lambda saved: saved["added_tokens"].append({"content": "Bob", "special": False}),
    "not byte-level, or puts": lambda saved: saved["pre_tokenizer"].update(add_prefix_space=True),
    "not byte-level, or": lambda saved: saved.update(pre_tokenizer={"type": "Whitespace"}),
    "none of gpt2, llama-bpe, qwen2": lambda saved: saved["pre_tokenizer"].update(use_regex=False),
    "WordPiece, not": lambda saved: saved["model"].update(type="WordPiece"),
    "dropout 0.1": lambda saved: saved["model"].update(dropout=0.1),
    "ignore_merges True": lambda saved: saved["model"].update(ignore_merges=True),
    "ids have gaps": lambda saved: saved["model"]["vocab"].update(a=9999),
    "of the 256 bytes": lambda saved: saved["model"]["vocab"].update({"é" * 9: saved["model"]["vocab"].pop("é")}),
    "not in the vocabulary": lambda saved: saved["model"]["merges"].append(["a", "zzzz"]),
    "not in the expected form": lambda saved: saved["model"]["merges"].append("a"),
    "byte-level alphabet": lambda saved: saved["model"]["vocab"].update({"a b": len(saved["model"]["vocab"])}),
    "<|bos|> is taken": lambda saved: saved["model"]["vocab"].update({"<|bos|>": len(saved["model"]["vocab"])}),
}


@pytest.mark.parametrize("why", list(CHANGES))
def test_rules_that_would_change_ids_are_refused_by_name(stock, tmp_path, why):
    saved = json.loads(stock.backend_tokenizer.to_str())
    CHANGES[why](saved)
    (tmp_path / "tokenizer.json").write_text(json.dumps(saved), "utf-8")
    with pytest.raises(DataFault, match="can not be taken over") as caught:
        adopt(tmp_path)
    assert why in caught.value.cause


def test_missing_files_say_what_is_wanted(tmp_path):
    with pytest.raises(DataFault, match=r"vocab\.json"):
        adopt(tmp_path)
    (tmp_path / "vocab.json").write_text("{}")
    with pytest.raises(DataFault, match=r"merges\.txt"):
        adopt(tmp_path)
    (tmp_path / "tokenizer.json").write_text("[]")
    with pytest.raises(DataFault, match="JSON object"):
        adopt(tmp_path)
