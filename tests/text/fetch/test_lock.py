"""What a source held when it was fetched, remembered to the bit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from holdfast.base.faults import DataFault
from holdfast.text.fetch.download import Outcome
from holdfast.text.fetch.failures import Failure
from holdfast.text.fetch.items import BadName, Item
from holdfast.text.fetch.lock import Lock, asked_fingerprint, lock_path, read_lock, write_lock
from holdfast.text.fetch.transfer import Fetched

ITEMS = [Item("books", name, f"https://example.org/{name}", f"{name}.txt", meta={"year": 1719}) for name in "ab"]
ASKED = asked_fingerprint({"entry": "books", "limit": 2})


def fetched(item: Item) -> Fetched:
    return Fetched(item, Path("x"), 5, hashlib.sha256(item.id.encode()).hexdigest())


def test_a_lock_takes_in_what_came(tmp_path: Path) -> None:
    lock = Lock.fresh("books", ASKED, ITEMS).after(Outcome(done=(fetched(ITEMS[1]),)))
    write_lock(tmp_path, lock)
    assert read_lock(tmp_path, "books", ASKED) == lock
    assert [each.fetched for each in lock.files] == [False, True]
    assert lock.items[0] == ITEMS[0]
    assert (lock.items[1].bytes, lock.items[1].sha256) == (5, fetched(ITEMS[1]).sha256)
    assert lock.paths(tmp_path) == [tmp_path / "books" / "b.txt"]


def test_what_was_asked_makes_another_lock(tmp_path: Path) -> None:
    assert read_lock(tmp_path, "books", ASKED) is None
    write_lock(tmp_path, Lock.fresh("books", ASKED, ITEMS))
    assert asked_fingerprint({"limit": 2, "entry": "books"}) == ASKED
    assert read_lock(tmp_path, "books", asked_fingerprint({"entry": "books", "limit": 3})) is None


def test_a_damaged_lock_says_so(tmp_path: Path) -> None:
    write_lock(tmp_path, Lock.fresh("books", ASKED, ITEMS))
    path = lock_path(tmp_path, "books", ASKED)
    path.write_text(path.read_text().replace("1719", "1720"))
    with pytest.raises(DataFault, match="damaged"):
        read_lock(tmp_path, "books", ASKED)


def test_what_is_gone_for_good_is_no_longer_wanted(tmp_path: Path) -> None:
    busy, gone = Failure(ITEMS[0], "503", final=False, status=503), Failure(ITEMS[1], "404", final=True, status=404)
    lock = Lock.fresh("books", ASKED, ITEMS).after(Outcome(failed=(busy, gone)))
    assert [(each.why, each.final, each.gone) for each in lock.files] == [("503", False, False), ("404", True, True)]
    assert not lock.after(Outcome(done=(fetched(ITEMS[1]),))).files[1].gone
    write_lock(tmp_path, lock)
    assert read_lock(tmp_path, "books", ASKED) == lock


def test_a_lock_with_a_name_that_leads_out_is_damaged(tmp_path: Path) -> None:
    write_lock(tmp_path, Lock.fresh("books", ASKED, [Item("books", "a", "https://example.org/a", "../../a")]))
    with pytest.raises(DataFault, match="damaged"):
        read_lock(tmp_path, "books", ASKED)


@pytest.mark.parametrize("source", ["../x", "", "a/b", "a.b"])
def test_a_lock_stays_in_its_folder(tmp_path: Path, source: str) -> None:
    with pytest.raises(BadName):
        lock_path(tmp_path, source, ASKED)


def test_a_lock_of_another_source_is_refused(tmp_path: Path) -> None:
    write_lock(tmp_path, Lock.fresh("books", ASKED, ITEMS))
    lock_path(tmp_path, "books", ASKED).rename(lock_path(tmp_path, "letters", ASKED))
    with pytest.raises(DataFault, match="another source"):
        read_lock(tmp_path, "letters", ASKED)
    assert json.loads(lock_path(tmp_path, "letters", ASKED).read_text())["source"] == "books"
