"""Whether what the catalogue names is still there."""

from pathlib import Path
from typing import Any

from holdfast.text.sources.collect.check import Finding, check

from .conftest import Shelf, source

MIRROR = "https://m.example"


def checked(answers: dict[str, Any], **fields: Any) -> Finding:
    return check(source(**fields), Shelf(answers))  # type: ignore[arg-type]  # a stand-in


def book(number: int) -> str:
    return f"{MIRROR}/cache/epub/{number}/pg{number}.txt"


def test_every_id_is_looked_at() -> None:
    fields = {"kind": "gutenberg", "mirror": MIRROR, "ids": [str(number) for number in range(1, 9)], "max_items": 2}
    assert checked({book(number): b"x" for number in range(1, 9)}, **fields) == Finding("it", 8, ())
    found = checked({book(number): b"x" for number in range(1, 8)}, **fields)
    assert (found.ok, found.alive, [id for id, _ in found.dead]) == (False, 7, ["8"])


def test_what_is_out_of_reach_is_not_alive() -> None:
    found = checked({book(1): None}, kind="gutenberg", mirror=MIRROR, ids=["1"])
    assert not found.ok
    assert found.dead[0][1] == f"{book(1)}: no answer for 30 s"


def test_of_a_list_a_few_are_looked_at() -> None:
    links = b"".join(b"%d.txt\n" % number for number in range(50))
    page = "https://a.example/"
    files = {f"{page}{number}.txt": b"x" for number in range(50)}
    fields = {"kind": "http-list", "lists": [page]}
    assert checked({page: links, **files}, **fields) == Finding("it", 3, ())
    assert [id for id, _ in checked({page: links}, **fields).dead] == [f"{page}{number}.txt" for number in range(3)]
    assert checked({page: b"nothing.png\n"}, **fields).dead[0][1].startswith("no link there matches")


def test_a_list_that_leads_nowhere_is_dead() -> None:
    assert checked({}, kind="http-list", lists=["https://a.example/"]).dead[0][0] == "it"


def test_a_page_and_a_path(tmp_path: Path) -> None:
    page = "https://a.example/"
    assert checked({page: b"x"}, kind="by-hand", url=page).ok
    assert not checked({}, kind="by-hand", url=page).ok
    (tmp_path / "a.txt").write_text("x")
    assert checked({}, kind="local", path=str(tmp_path)).ok
    assert not checked({}, kind="local", path=str(tmp_path / "none")).ok
