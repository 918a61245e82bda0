import json

import pytest
from tokenizers import Tokenizer as Library

from holdfast.base.faults import DataFault
from holdfast.disk.fileops import watched
from holdfast.tokenizer.lossless import NASTY
from holdfast.tokenizer.store import MANIFEST_FILE, TOKENIZER_FILE, export_json, load, save, saved

from ..disk.breaking import contents, nothing_goes_past_the_watcher
from ..disk.watchers import Killed, Nth


def test_a_saved_tokenizer_comes_back_equal(tokenizer, tmp_path):
    save(tokenizer, tmp_path)
    loaded = load(tmp_path)
    assert loaded.fingerprint == tokenizer.fingerprint
    assert loaded.special == tokenizer.special
    assert (loaded.kind, loaded.pattern, loaded.vocab_size) == (tokenizer.kind, tokenizer.pattern, tokenizer.vocab_size)
    assert loaded.encode_batch(NASTY) == tokenizer.encode_batch(NASTY)
    assert export_json(loaded) == (tmp_path / TOKENIZER_FILE).read_text()


def test_the_exported_file_knows_every_id_and_encodes_text_alike(tokenizer, tmp_path):
    save(tokenizer, tmp_path)
    library = Library.from_file(str(tmp_path / TOKENIZER_FILE))
    assert library.get_vocab_size() == tokenizer.vocab_size
    assert all(library.id_to_token(i) is not None for i in range(tokenizer.vocab_size))
    assert {name: library.token_to_id(name) for name in tokenizer.special} == tokenizer.special
    for text in NASTY[:-2]:  # the last two spell special tokens, which that library does honour
        assert library.encode(text, add_special_tokens=False).ids == tokenizer.encode(text)
        assert library.encode(text).ids == [tokenizer.bos, *tokenizer.encode(text)]
        assert library.decode(tokenizer.encode(text)) == text
    assert library.encode("<|eot|>", add_special_tokens=False).ids == [tokenizer.eot]


def test_a_missing_tokenizer_says_what_to_run(tmp_path):
    with pytest.raises(DataFault, match="missing") as caught:
        load(tmp_path)
    assert "tokenizer stage" in caught.value.remedy


def change_json(path, change):
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def swap_ids(saved):
    vocab = saved["model"]["vocab"]
    vocab["A"], vocab["B"] = vocab["B"], vocab["A"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (TOKENIZER_FILE, swap_ids),
        (TOKENIZER_FILE, lambda saved: saved["model"]["merges"].pop()),
        (TOKENIZER_FILE, lambda saved: saved["model"]["vocab"].pop("A")),
        (TOKENIZER_FILE, lambda saved: saved["model"].update(vocab=None)),
        (TOKENIZER_FILE, lambda saved: saved.pop("model")),
        (MANIFEST_FILE, lambda manifest: manifest.update(pattern="gpt2")),
        (MANIFEST_FILE, lambda manifest: manifest.update(kind="words")),
        (MANIFEST_FILE, lambda manifest: manifest["special"].update({"<|bos|>": 0})),
    ],
)
def test_damage_is_seen(bpe, tmp_path, name, change):
    save(bpe, tmp_path)
    change_json(tmp_path / name, change)
    with pytest.raises(DataFault, match="damaged"):
        load(tmp_path)


def test_a_torn_file_is_seen(bpe, tmp_path):
    save(bpe, tmp_path)
    whole = (tmp_path / TOKENIZER_FILE).read_bytes()
    (tmp_path / TOKENIZER_FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataFault, match="not valid JSON"):
        load(tmp_path)


def test_a_tokenizer_is_known_again_by_what_it_was_made_from(bpe, tmp_path):
    assert saved(tmp_path, "corpus") is None
    save(bpe, tmp_path, "corpus")
    assert saved(tmp_path, "corpus").fingerprint == bpe.fingerprint
    assert saved(tmp_path, "another corpus") is None
    change_json(tmp_path / TOKENIZER_FILE, swap_ids)
    assert saved(tmp_path, "corpus") is None


def test_nothing_goes_past_the_watcher(bpe, tmp_path):
    nothing_goes_past_the_watcher(lambda folder: save(bpe, folder, "corpus"), tmp_path / "out")


def test_killed_anywhere_it_is_the_old_one_or_none_and_never_half_of_the_new(tokenizer, bpe, tmp_path):
    counter = Nth()
    save(bpe, tmp_path / "unbroken", "old")
    with watched(counter):
        save(tokenizer, tmp_path / "unbroken", "new")
    for number in range(1, counter.count + 1):
        out = tmp_path / str(number)
        save(bpe, out, "old")
        with watched(Nth(number, Killed)), pytest.raises(Killed):
            save(tokenizer, out, "new")
        if (old := saved(out, "old")) is not None:
            assert old.fingerprint == bpe.fingerprint
        if (new := saved(out, "new")) is not None:
            assert new.fingerprint == tokenizer.fingerprint
        save(tokenizer, out, "new")
        assert contents(out) == contents(tmp_path / "unbroken")
