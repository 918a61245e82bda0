"""A sample of the text says how many tokens all of it comes to."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.base.faults import DataFault
from holdfast.stages.planning.survey import FRAME_TOKENS, SAMPLE_BYTES, survey
from holdfast.stages.recipe import Recipe, resolve
from holdfast.text import harbour


def recipe(*words: str) -> Recipe:
    return resolve("smoke", list(words)).recipe


def test_all_of_a_small_corpus(corpus_folder: Path) -> None:
    size = sum(path.stat().st_size for path in corpus_folder.iterdir())
    found = survey(recipe(f"corpus.path={corpus_folder}"), size)
    assert found.whole
    assert found.tokens == pytest.approx(size + FRAME_TOKENS * len(list(corpus_folder.iterdir())), rel=0.01)
    assert found.seconds > 0


@pytest.mark.slow
def test_a_share_of_a_large_one(tmp_path: Path) -> None:
    text = "\n\n".join(document.text for document in harbour.documents(12_000, 1))
    (tmp_path / "long.jsonl").write_text("".join(f'{{"text": "{"a line of it " * 300}"}}\n' for _ in range(600)))
    (tmp_path / "text.txt").write_text(text)
    size = (tmp_path / "long.jsonl").stat().st_size
    assert size > 2 * SAMPLE_BYTES
    found = survey(recipe(f"corpus.path={tmp_path / 'long.jsonl'}"), size)
    assert not found.whole
    assert found.tokens == pytest.approx(size, rel=0.02)
    words = (f"corpus.path={tmp_path / 'text.txt'}", "tokenizer.kind=bpe", "tokenizer.vocab_size=512")
    of_pairs = survey(recipe(*words), len(text))
    assert of_pairs.tokens < 0.6 * len(text)


def test_a_vocabulary_that_all_of_the_text_does_not_allow(corpus_folder: Path) -> None:
    words = (f"corpus.path={corpus_folder}", "tokenizer.kind=bpe", "tokenizer.vocab_size=2048")
    with pytest.raises(DataFault, match="the text allows only"):
        survey(recipe(*words), 8000)


def test_text_of_which_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "blank.txt").write_text(" \n" * 50)
    with pytest.raises(DataFault, match="nothing is left"):
        survey(recipe(f"corpus.path={tmp_path}"), 100)
