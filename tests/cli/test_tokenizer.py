"""`holdfast tokenizer`."""

import io
import json
from pathlib import Path

import pytest

from holdfast.text import harbour

from .conftest import Small, holdfast


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    for number, document in enumerate(harbour.documents(40, 3)):
        (folder / f"{number}.txt").write_text(document.text, "utf-8")
    (folder / "london.txt").write_text("<|london|> on the Thames", "utf-8")
    return folder


@pytest.fixture(scope="module")
def made(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "tokenizer"
    ended = holdfast(
        "tokenizer", "train", texts, "tokenizer.domain_tokens=[<|london|>]", "--vocab-size", "512", "--out", out
    )
    assert (ended.code, ended.err) == (0, "")
    assert "bpe, 512 tokens" in ended.out
    return out


def test_the_same_files_give_the_same_tokenizer_and_nothing_is_overwritten(texts: Path, made: Path, tmp_path: Path):
    words = ("tokenizer", "train", texts, "tokenizer.domain_tokens=[<|london|>]", "--vocab-size", "512", "--out")
    assert holdfast(*words, tmp_path / "again", "--quiet").out == ""
    assert (tmp_path / "again" / "tokenizer.json").read_bytes() == (made / "tokenizer.json").read_bytes()
    assert holdfast(*words, made).code == 2


def test_a_bad_setting_or_too_little_text_says_what_to_do(texts: Path, tmp_path: Path):
    out = tmp_path / "t"
    assert holdfast("tokenizer", "train", texts, "--vocab-size", "many", "--out", out).code == 2
    ended = holdfast("tokenizer", "train", texts, "--vocab-size", "65536", "--out", out)
    assert ended.code == 1
    assert "allows only" in ended.err
    assert not out.exists()


def test_show_says_what_it_is_and_cuts_text(made: Path):
    found = holdfast("tokenizer", "show", made, "--json").json
    assert (found["kind"], found["vocab_size"], list(found["domain"])) == ("bpe", 512, ["<|london|>"])
    assert "domain\t<|london|>=" in holdfast("tokenizer", "show", made).out
    tokens = holdfast("tokenizer", "show", made, "The <|london|> 你\n", "--json").json
    assert tokens[-1] == {"id": tokens[-1]["id"], "text": "\n"}
    assert "<|london|>" in [token["text"] for token in tokens]
    assert "\\xe4" in [token["text"] for token in tokens]
    lines = holdfast("tokenizer", "show", made, "The sea").out.splitlines()
    assert lines[0] == "id\ttext"
    assert "".join(eval(line.split("\t")[1]) for line in lines[1:]) == "The sea"


def test_on_a_terminal_every_token_has_a_colour(made: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdout", terminal := Terminal())
    monkeypatch.setattr("sys.argv", ["holdfast"])
    from holdfast.cli import tokenizer

    tokenizer.show(made, "a\x1b[2Jb\n", as_json=False)
    assert "\x1b[2J" not in terminal.getvalue()
    assert terminal.getvalue().count("\x1b[30m") > 3


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_encode_prints_ids_and_reads_stdin(made: Path, monkeypatch: pytest.MonkeyPatch):
    ids = json.loads(holdfast("tokenizer", "encode", made, "The sea").out)
    monkeypatch.setattr("sys.stdin", io.StringIO("The sea"))
    assert json.loads(holdfast("tokenizer", "encode", made, "-").out) == ids


def test_eval_compares_on_the_same_text(made: Path, texts: Path):
    words = ("tokenizer", "eval", made, "--text", texts, "--against", made / "tokenizer.json")
    ours, theirs = holdfast(*words, "--json").json
    assert ours | {"tokenizer": ""} == theirs | {"tokenizer": ""}
    assert ours["texts_lost"] == 0
    assert 1 < ours["bytes_per_token"] < 8
    assert "bytes per token\t" in holdfast(*words, "--quiet").out
    ended = holdfast("tokenizer", "eval", made)
    assert ended.code == 1
    assert "--text" in ended.err


@pytest.mark.slow
def test_eval_of_a_run_takes_its_held_out_text(small: Small):
    (found,) = holdfast("tokenizer", "eval", small.done, "--json").json
    assert found["bytes"] > 100
    assert found["bytes_per_token"] == 1


def test_what_is_no_tokenizer_is_refused(texts: Path, made: Path):
    assert "no tokenizer" in holdfast("tokenizer", "show", texts).err
    broken = texts.parent / "broken.json"
    broken.write_text("{}")
    assert "is no tokenizer" in holdfast("tokenizer", "eval", made, "--text", texts, "--against", broken).err
