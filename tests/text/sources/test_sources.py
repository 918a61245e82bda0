"""Every file in text/sources is a source: the same two functions, the same promise."""

import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

from holdfast.base.records import Document
from holdfast.text import sources
from holdfast.text.locate import find_inputs
from holdfast.text.meter import Meter
from holdfast.text.settings import CorpusSettings
from holdfast.text.sources import content_bytes, content_fingerprint, documents, generated, source_fingerprint

MODULES = [
    importlib.import_module(f"{sources.__name__}.{found.name}")
    for found in pkgutil.iter_modules(sources.__path__)
    if not found.ispkg
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_a_source_keeps_the_contract(module: ModuleType) -> None:
    assert list(inspect.signature(module.units).parameters) == ["settings", "seed", "meter"]
    assert list(inspect.signature(module.fingerprint).parameters) == ["settings"]


def test_generated_text_is_a_source_like_any_other() -> None:
    settings = CorpusSettings(generator="harbour", documents=30)
    told: list[tuple[int, int | None]] = []
    meter = Meter(lambda done, total: told.append((done, total)))
    first = [found for _, found in documents(settings, 1, meter)]
    meter.tell()
    assert len({each.id for each in first}) == 30
    assert first == [found for _, found in documents(settings, 1, Meter(lambda done, total: None))]
    assert first != [found for _, found in documents(settings, 2, Meter(lambda done, total: None))]
    assert told[-1] == (sum(len(each.text) for each in first if isinstance(each, Document)), None)


def test_reading_goes_on_at_any_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated, "UNIT_DOCUMENTS", 4)
    for number in range(3):
        (tmp_path / f"{number}.jsonl").write_text('{"text": "One."}\n{broken\n{"text": "Two."}\n')
    (tmp_path / "empty").mkdir()
    (tmp_path / "a-hole").symlink_to(tmp_path / "nowhere")
    for settings in (CorpusSettings(path=str(tmp_path)), CorpusSettings(generator="harbour", documents=10)):
        read = list(documents(settings, 1, Meter(lambda done, total: None)))
        assert len(read) == 10
        for number, (cursor, _) in enumerate(read, 1):
            meter = Meter(lambda done, total: None)
            assert list(documents(settings, 1, meter, cursor)) == read[number:]


def test_what_lies_before_the_place_is_not_opened(tmp_path: Path) -> None:
    settings = CorpusSettings(path=str(tmp_path))
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text("The text.")
    read = list(documents(settings, 1, Meter(lambda done, total: None)))
    (tmp_path / "0.txt").write_bytes(b"\0" * 9)
    assert list(documents(settings, 1, Meter(lambda done, total: None), read[1][0])) == read[2:]
    assert list(documents(settings, 1, Meter(lambda done, total: None)))[1:] == read[1:]


def test_fingerprints_follow_the_content(corpus_folder: Path) -> None:
    settings = CorpusSettings(path=str(corpus_folder))
    before = source_fingerprint(settings)
    assert before == source_fingerprint(settings)
    assert before.endswith(content_fingerprint(str(corpus_folder)))
    (corpus_folder / "letter-00.txt").write_text("other")
    assert source_fingerprint(settings) != before
    assert source_fingerprint(CorpusSettings(generator="harbour")) != before


def test_packed_files_are_estimated(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x" * 1000)
    assert content_bytes(find_inputs(str(tmp_path)).files) == 1000
    (tmp_path / "a.txt").rename(tmp_path / "a.txt.xz")
    assert content_bytes(find_inputs(str(tmp_path)).files) > 2000
