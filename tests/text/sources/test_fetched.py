"""Named sources that a corpus is made of: fetched before, or here already."""

import json
from itertools import chain
from pathlib import Path

import pytest

from holdfast.base.faults import DataFault, RecipeFault
from holdfast.base.records import Document
from holdfast.text.build import build_corpus
from holdfast.text.fetch.items import Item
from holdfast.text.fetch.lock import Lock, Locked, write_lock
from holdfast.text.meter import Meter
from holdfast.text.rejection import Rejected
from holdfast.text.settings import CorpusSettings
from holdfast.text.sources import documents, fetched, source_fingerprint
from holdfast.text.sources.catalogue.registry import load

LIST = """\
sources:
  letters: {name: Letters, kind: local, path: FOLDER/letters, licence: CC0-1.0, period: 1800-1810}
  rows: {name: Rows, kind: http-list, urls: [https://a.example/rows.jsonl], licence: CC-BY-4.0, column: body}
  deeds: {name: Deeds, kind: by-hand, url: https://deeds.example, licence: unknown}
  talks: {name: Talks, kind: by-hand, url: https://talks.example, licence: unknown, format: chats}
  closed: {name: Closed, kind: by-hand, url: https://c.example, licence: unknown, enabled: false, why: it is paid}
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of sources, two of them here."""
    monkeypatch.setenv("HOLDFAST_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "mine.yaml"
    path.write_text(LIST.replace("FOLDER", str(tmp_path)), "utf-8")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "one.txt").write_text("Dear Sir,\n")
    (tmp_path / "letters" / "two.txt").write_text("Madam,\n")
    rows = tmp_path / "cache" / "sources" / "rows"
    rows.mkdir(parents=True)
    lines = [{"body": f"Row {number}.", "title": "Own"} for number in range(4)]
    (rows / "rows.jsonl").write_text("\n".join(["{broken", *map(json.dumps, lines)]))
    lock(path, "rows", Item("rows", "1", "https://a.example", "rows.jsonl"))
    return path


def lock(mine: Path, id: str, *items: Item, missing: tuple[Item, ...] = ()) -> None:
    """As if these items had been fetched, and those had not come."""
    source = load([str(mine)])[id]
    files = [*(Locked(item, fetched=True) for item in items), *(Locked(item, why="no answer") for item in missing)]
    write_lock(fetched.sources_folder(), Lock(id, fetched.asked(source), tuple(files)))


def settings(mine: Path, *ids: str, **more: object) -> CorpusSettings:
    return CorpusSettings.model_validate({"sources": ids, "source_files": [str(mine)]} | more)


def read(chosen: CorpusSettings) -> list[Document | Rejected]:
    return [found for _, found in documents(chosen, 0, Meter(lambda done, total: None))]


def test_every_text_says_where_it_is_from(mine: Path) -> None:
    found = read(settings(mine, "rows", "letters"))
    assert [each.id for each in found] == [
        *(f"rows/rows.jsonl:{number}" for number in range(1, 6)),
        "letters/one.txt",
        "letters/two.txt",
    ]
    assert isinstance(found[0], Rejected)
    assert found[1].meta == {  # type: ignore[union-attr]
        "source": "rows",
        "licence": "CC-BY-4.0",
        "title": "Own",
        "path": "rows/rows.jsonl",
    }
    assert found[-1].meta == {  # type: ignore[union-attr]
        "source": "letters",
        "licence": "CC0-1.0",
        "period": "1800-1810",
        "path": "letters/two.txt",
    }


def test_sources_are_read_behind_a_path(mine: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Before.")
    told: list[tuple[int, int | None]] = []
    meter = Meter(lambda done, total: told.append((done, total)))
    chosen = settings(mine, "letters", path=str(tmp_path / "a.txt"))
    assert [found.id for _, found in documents(chosen, 0, meter)] == ["a.txt", "letters/one.txt", "letters/two.txt"]
    meter.tell()
    assert told[-1] == (24, 24)


@pytest.mark.slow
def test_reading_goes_on_anywhere_also_where_texts_are_counted(mine: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.yaml"
    more.write_text(mine.read_text().replace("column: body", "column: body, max_documents: 2"))
    lock(more, "rows", Item("rows", "1", "https://a.example", "rows.jsonl"))
    chosen = settings(more, "rows", "letters")
    whole = list(documents(chosen, 0, Meter(lambda done, total: None)))
    assert len(whole) == 5
    for number, (cursor, _) in enumerate(whole, 1):
        assert list(documents(chosen, 0, Meter(lambda done, total: None), cursor)) == whole[number:]


def test_what_the_archive_said_is_added_where_a_text_is_silent(mine: Path) -> None:
    before = source_fingerprint(settings(mine, "rows"))
    said = {"title": "The archive's", "author": "A. Scribe", "year": 1801, "licence": "CC0-1.0"}
    lock(mine, "rows", Item("rows", "1", "https://a.example", "rows.jsonl", meta=said))
    meta = read(settings(mine, "rows"))[1].meta  # type: ignore[union-attr]
    assert (meta["title"], meta["author"], meta["year"], meta["licence"]) == ("Own", "A. Scribe", 1801, "CC0-1.0")
    assert source_fingerprint(settings(mine, "rows")) != before


def test_a_source_of_one_year_dates_its_texts(mine: Path, tmp_path: Path) -> None:
    mine.write_text(mine.read_text().replace("1800-1810", "1805"))
    (tmp_path / "letters" / "three.jsonl").write_text('{"text": "Dated.", "year": 1804}')
    found = [each.meta["year"] for each in read(settings(mine, "letters"))]  # type: ignore[union-attr]
    assert found == [1805, 1804, 1805]


def test_only_what_was_fetched_for_this_is_read_and_all_of_it(mine: Path) -> None:
    folder = fetched.sources_folder() / "rows"
    (folder / "of-another-recipe.jsonl").write_text('{"body": "Not asked for."}')
    late = Item("rows", "2", "https://a.example", "late.jsonl")
    lock(mine, "rows", Item("rows", "1", "https://a.example", "rows.jsonl"), missing=(late,))
    found = {each.id: each for each in read(settings(mine, "rows"))}
    assert set(found) == {"rows/late.jsonl", *(f"rows/rows.jsonl:{number}" for number in range(1, 6))}
    assert found["rows/late.jsonl"] == Rejected("rows/late.jsonl", "not fetched", "no answer")
    (folder / "rows.jsonl").unlink()
    with pytest.raises(DataFault, match=r"1 of the 1 files of source rows are not there any more, such as rows.jsonl"):
        read(settings(mine, "rows"))


def test_other_limits_are_another_lock(mine: Path) -> None:
    mine.write_text(mine.read_text().replace("column: body", "column: body, max_items: 7"))
    with pytest.raises(DataFault, match="1 source is not here yet: rows"):
        read(settings(mine, "rows"))


def test_the_fingerprint_follows_the_files_and_the_catalogue(mine: Path, tmp_path: Path) -> None:
    chosen = settings(mine, "rows", "letters")
    before = source_fingerprint(chosen)
    assert before == source_fingerprint(settings(mine, "rows", "letters"))
    assert before != source_fingerprint(settings(mine, "letters", "rows"))
    mine.write_text(mine.read_text().replace("CC-BY-4.0", "CC-BY-SA-4.0"))
    other = source_fingerprint(chosen)
    assert other != before
    (tmp_path / "letters" / "two.txt").write_text("Sir,\n")
    assert source_fingerprint(chosen) != other


def test_all_that_is_missing_is_told_at_once(mine: Path) -> None:
    with pytest.raises(DataFault) as caught:
        read(settings(mine, "letters", "pepys-diary", "deeds", "stow-survey"))
    assert "3 sources are not here yet: pepys-diary, deeds, stow-survey" in caught.value.cause
    assert "holdfast fetch" in caught.value.remedy
    assert f"put files from https://deeds.example into {fetched.sources_folder() / 'deeds'}" in caught.value.remedy
    folder = fetched.sources_folder() / "deeds"
    folder.mkdir(parents=True)
    with pytest.raises(DataFault, match="1 source is not here yet: deeds"):
        read(settings(mine, "deeds"))
    (folder / "deed.txt").write_text("This indenture")
    assert [each.id for each in read(settings(mine, "deeds"))] == ["deeds/deed.txt"]


def test_what_is_unknown_off_or_no_text_is_refused(mine: Path) -> None:
    for id, said in (("leters", "letters"), ("closed", "it is paid"), ("talks", "conversations")):
        with pytest.raises(RecipeFault) as caught:
            read(settings(mine, id))
        assert said in f"{caught.value.cause} {caught.value.remedy}"


def test_an_empty_list_is_a_fault() -> None:
    with pytest.raises(DataFault, match="empty list"):
        read(CorpusSettings(sources=[]))


def test_a_local_source_that_names_nothing_is_a_fault(mine: Path, tmp_path: Path) -> None:
    mine.write_text(mine.read_text().replace("/letters", "/nowhere"))
    with pytest.raises(DataFault, match="does not exist") as caught:
        read(settings(mine, "letters"))
    assert "source letters" in caught.value.remedy


def test_a_corpus_of_sources_is_the_same_each_time(mine: Path, tmp_path: Path) -> None:
    chosen = settings(mine, "letters", "rows")
    made = [build_corpus(chosen, 1, tmp_path / name, lambda done, total: None) for name in ("one", "two")]
    assert made[0].fingerprint == made[1].fingerprint
    lines = chain.from_iterable(path.read_text().splitlines() for path in (tmp_path / "one").glob("train-*.jsonl"))
    assert {json.loads(line)["meta"]["source"] for line in lines} <= {"letters", "rows"}
