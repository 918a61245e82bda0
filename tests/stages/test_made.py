"""A second run of the same text takes what the first has made, and says so; as the recipe allows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from holdfast.base.faults import NotReady
from holdfast.stages import corpus, made
from holdfast.stages.pipeline import run
from holdfast.stages.recipe import resolve
from holdfast.text.meter import Progress
from holdfast.text.settings import CorpusSettings

SHARED = ("corpus", "tokenizer", "tokens")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """For this test only, and everything is worth keeping."""
    monkeypatch.setenv("HOLDFAST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(made, "WORTHWHILE_SECONDS", 0.0)
    return tmp_path / "cache"


def tokens(run_dir: Path, texts: Path, *words: str) -> dict[str, Any]:
    """Run up to the tokens; which stages were taken from the cache, and what all said."""
    resolved = resolve("smoke", [f"corpus.path={texts}", "tokenizer.kind=char", *words])
    run(resolved, run_dir, until="tokens", quiet=True, examine=False)
    journal = sorted((run_dir / "journal").iterdir())
    lines = [json.loads(line) for path in journal for line in path.read_text("utf-8").splitlines()]
    said = [line["text"] for line in lines if line.get("event") == "note"]
    return {"taken": [each.partition(":")[0] for each in said if "taken from the cache" in each], "said": said}


def outputs(run_dir: Path) -> dict[str, bytes]:
    return {
        path.relative_to(run_dir).as_posix(): path.read_bytes()
        for stage in SHARED
        for path in (run_dir / stage).rglob("*")
        if path.is_file() and path.name != "stage.json"
    }


def test_the_second_run_makes_nothing_and_has_the_same(tmp_path: Path, corpus_folder: Path) -> None:
    assert tokens(tmp_path / "a", corpus_folder)["taken"] == []
    assert tokens(tmp_path / "b", corpus_folder)["taken"] == [*SHARED]
    assert outputs(tmp_path / "a") == outputs(tmp_path / "b")
    assert tokens(tmp_path / "c", corpus_folder, "tokens.cache=rebuild")["taken"] == []
    assert tokens(tmp_path / "d", corpus_folder, "tokens.cache=off")["taken"] == []
    assert outputs(tmp_path / "a") == outputs(tmp_path / "c") == outputs(tmp_path / "d")


def test_what_changed_is_made_anew_and_told(tmp_path: Path, corpus_folder: Path) -> None:
    tokens(tmp_path / "a", corpus_folder)
    second = tokens(tmp_path / "b", corpus_folder, "tokenizer.vocab_size=9000")
    assert second["taken"] == ["corpus", "tokens"], "the characters are the same, so the tokens are"
    differs = "tokenizer.vocab_size 8192 -> 9000 (identity)"
    assert f"tokenizer: made anew, as what is kept differs: {differs}" in second["said"]
    (corpus_folder / "letter-00.txt").write_text("Another letter altogether.\n" * 9, "utf-8")
    third = tokens(tmp_path / "c", corpus_folder)
    assert third["taken"] == []
    assert any(each.startswith("corpus: made anew") and "corpus.content" in each for each in third["said"])


def test_require_refuses_to_make_and_says_what_is_missing(tmp_path: Path, corpus_folder: Path) -> None:
    with pytest.raises(NotReady, match="nothing is kept in"):
        tokens(tmp_path / "a", corpus_folder, "tokens.cache=require")
    tokens(tmp_path / "b", corpus_folder)
    assert tokens(tmp_path / "c", corpus_folder, "tokens.cache=require")["taken"] == [*SHARED]
    with pytest.raises(NotReady, match=r"corpus of this recipe is not there: corpus\.gates\.min_chars off -> 2"):
        tokens(tmp_path / "d", corpus_folder, "tokens.cache=require", "corpus.gates.min_chars=2")


def test_a_build_that_was_killed_gives_way_to_one_that_is_whole(
    tmp_path: Path, corpus_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(settings: CorpusSettings, seed: int, out: Path, progress: Progress) -> None:
        (out / ".gathered-00000.jsonl").write_text("half a line", "utf-8")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(corpus, "build_corpus", killed)
        with pytest.raises(KeyboardInterrupt):
            tokens(tmp_path / "b", corpus_folder)
    tokens(tmp_path / "a", corpus_folder)
    assert tokens(tmp_path / "b", corpus_folder)["taken"] == [*SHARED]
    assert outputs(tmp_path / "a") == outputs(tmp_path / "b")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_can_not_be_written_stops_nobody(tmp_path: Path, corpus_folder: Path, own_cache: Path) -> None:
    own_cache.mkdir()
    own_cache.chmod(0o500)
    said = tokens(tmp_path / "a", corpus_folder)["said"]
    assert sum("not kept for other runs" in each for each in said) == len(SHARED)


def test_a_cache_that_is_a_file_stops_nobody(tmp_path: Path, corpus_folder: Path, own_cache: Path) -> None:
    own_cache.write_text("a file", "utf-8")
    said = tokens(tmp_path / "a", corpus_folder)["said"]
    assert sum("not kept for other runs" in each for each in said) == len(SHARED)


def test_what_is_quick_to_make_is_not_kept(
    tmp_path: Path, corpus_folder: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made, "WORTHWHILE_SECONDS", 3600.0)
    tokens(tmp_path / "a", corpus_folder)
    assert not own_cache.exists()
    tokens(tmp_path / "b", corpus_folder, "tokens.cache=rebuild")
    assert tokens(tmp_path / "c", corpus_folder)["taken"] == [*SHARED]


def test_too_much_is_thrown_away(tmp_path: Path, corpus_folder: Path, own_cache: Path) -> None:
    tokens(tmp_path / "a", corpus_folder, "tokens.cache_gb=1e-9")
    assert tokens(tmp_path / "b", corpus_folder)["taken"] == []
