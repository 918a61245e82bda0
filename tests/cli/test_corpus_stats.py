"""`holdfast corpus stats`: of a folder and of a run, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from holdfast.cli import main


def call(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as left:
        main.main(list(arguments))
    assert left.value.code == code


@pytest.fixture
def corpus(corpus_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    (corpus_folder / "copy.txt").write_text((corpus_folder / "letter-03.txt").read_text("utf-8"), "utf-8")
    call("corpus", "build", f"corpus.path={corpus_folder}", "--out", str(tmp_path / "run" / "corpus"), "--quiet")
    capsys.readouterr()
    return tmp_path / "run" / "corpus"


def test_tables_for_people(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("corpus", "stats", str(corpus))
    said = capsys.readouterr().out
    assert "copy of another document\t1" in said
    assert "held-out passages cut" in said
    rows = dict(line.split("\t", 1) for line in said.splitlines())
    assert rows["source"].startswith("documents\twords")
    assert rows["."].startswith("40\t")
    call("corpus", "stats", str(corpus.parent))
    assert capsys.readouterr().out == said


def test_json_for_programs(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split, tokens in (("train", 700), ("val", 30)):
        folder = corpus.parent / "tokens" / split
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps({"tokens": tokens}))
    call("corpus", "stats", str(corpus.parent), "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["tokens"] == {"train": 700, "val": 30}
    assert found["dedup"]["copies"] == 1
    assert found["licences"]["unknown"]["documents"] == 40
    assert "files" not in found


def test_a_page_lies_beside_the_texts(corpus: Path) -> None:
    page = (corpus / "stats.html").read_text("utf-8")
    assert "copy of another document" in page
    assert "<script" not in page


def test_nothing_is_made_where_there_is_no_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("corpus", "stats", str(tmp_path), code=1)
    assert "holds no corpus" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
