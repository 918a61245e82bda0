"""`holdfast fetch` and `holdfast verify`: from nothing to a machine without a network, and what is said when any one
thing is missing there."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from holdfast.base.faults import ExitCode
from holdfast.text.fetch.clock import Clock
from holdfast.vault.store import Vault

from ..text.fetch.webs import Web, breaks, file, says, serving
from .conftest import Ended, holdfast, tree

CHAT = '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "%s"}]}\n'
RECIPE = """
extends: smoke
corpus: {path: [texts, more/*.jsonl], generator: off}
sft: {path: chats.jsonl, generator: off}
"""
WITH_SOURCE = """
extends: mine.yaml
corpus: {sources: [old-books], source_files: [sources.yaml], fetch: {delay_seconds: 0, retries: 1}}
"""
SOURCES = """
sources:
  old-books: {name: Old books, licence: CC0-1.0, kind: http-list, urls: [URL/a.txt, URL/b.txt, URL/c.txt.gz]}
"""
BOOK = b"It was a dark night.\n" * 500


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe and its files, and an empty cache."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "here"
    for name in ("texts/deep", "more"):
        (folder / name).mkdir(parents=True)
    (folder / "mine.yaml").write_text(RECIPE)
    (folder / "texts/one.txt").write_text("one\n")
    (folder / "texts/deep/two.txt.gz").write_bytes(gzip.compress(b"two\nlines\n"))
    (folder / "more/rows.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n')
    (folder / "chats.jsonl").write_text("".join(CHAT % word for word in ("yo", "ho")))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOLDFAST_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def web(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A server with the three books of a source, and a recipe that names it. Waiting takes no time."""
    monkeypatch.setattr(Clock, "sleep", lambda clock, seconds: clock.go_on())
    with serving() as start:
        web = start()
        web.on("/a.txt", file(BOOK))
        web.on("/b.txt", file(BOOK + b"second"))
        web.on("/c.txt.gz", file(gzip.compress(BOOK)))
        (here / "sources.yaml").write_text(SOURCES.replace("URL", web.url))
        (here / "books.yaml").write_text(WITH_SOURCE)
        yield web


@pytest.fixture
def elsewhere(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Goes to another machine: another folder with the recipe only, another, empty cache."""

    def go() -> Path:
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        for name in ("mine.yaml", "books.yaml", "sources.yaml"):
            if (here / name).exists():
                (folder / name).write_bytes((here / name).read_bytes())
        monkeypatch.chdir(folder)
        monkeypatch.setenv("HOLDFAST_CACHE", str(tmp_path / "other-cache"))
        return folder

    return go


def problems(ended: Ended) -> list[str]:
    assert ended.code == ExitCode.NOT_READY, ended
    return [problem["what"] for problem in ended.json["problems"]]


def test_files_of_ones_own_are_opened_and_counted(here: Path) -> None:
    ended = holdfast("verify", "mine.yaml", "--offline", "--json")
    assert ended.code == 0, ended
    assert ended.json["ready"]
    found = {file["name"]: file for need in ended.json["needs"] for file in need["files"]}
    assert {name: file.get("lines", file.get("rows")) for name, file in found.items()} == {
        "one.txt": 1, "deep/two.txt.gz": 2, "rows.jsonl": 2, "chats.jsonl": 2,
    }  # fmt: skip
    assert all("nobody recorded" in note for note in ended.json["notes"])


@pytest.mark.parametrize("gone", ["texts/one.txt", "texts/deep/two.txt.gz", "more/rows.jsonl", "chats.jsonl"])
def test_any_file_that_is_gone_is_named(here: Path, gone: str) -> None:
    assert holdfast("fetch", "mine.yaml").code == 0
    assert holdfast("verify", "mine.yaml").code == 0
    (here / gone).unlink()
    for words in ([], ["--quick"], ["--offline"]):
        (what,) = problems(holdfast("verify", "mine.yaml", "--json", *words))
        assert what.endswith(f"{Path(gone).name} is missing")
    shown = holdfast("verify", "mine.yaml", "--offline")
    assert shown.code == ExitCode.NOT_READY
    assert "holdfast fetch mine.yaml --refresh" in shown.out


@pytest.mark.parametrize("name", ["texts/one.txt", "texts/deep/two.txt.gz", "more/rows.jsonl", "chats.jsonl"])
def test_any_file_that_is_damaged_is_named_but_not_by_a_quick_look(here: Path, name: str) -> None:
    assert holdfast("fetch", "mine.yaml").code == 0
    data = bytearray((here / name).read_bytes())
    data[-1] ^= 1
    (here / name).write_bytes(data)
    (what,) = problems(holdfast("verify", "mine.yaml", "--json"))
    assert Path(name).name in what
    assert holdfast("verify", "mine.yaml", "--quick").code == 0


def test_everything_that_is_missing_is_named_at_once(here: Path) -> None:
    assert holdfast("fetch", "mine.yaml").code == 0
    for name in ("texts/one.txt", "more/rows.jsonl", "chats.jsonl"):
        (here / name).unlink()
    assert len(problems(holdfast("verify", "mine.yaml", "--json"))) == 3
    ended = holdfast("fetch", "mine.yaml")
    assert ended.code == ExitCode.FAILED
    assert ended.err.count("missing: ") == ended.err.count("fix: ") == 3


def test_without_a_record_what_a_recipe_names_is_missed_and_what_breaks_off_is_seen(here: Path) -> None:
    (here / "chats.jsonl").unlink()
    (here / "more/rows.jsonl").unlink()
    packed = here / "texts/deep/two.txt.gz"
    packed.write_bytes(packed.read_bytes()[:-4])
    found = problems(holdfast("verify", "mine.yaml", "--json"))
    assert any("chats.jsonl does not exist" in what for what in found)
    assert any("more/*.jsonl matches nothing" in what for what in found)
    assert any("two.txt.gz is damaged" in what for what in found)


def test_a_damaged_file_is_not_recorded(here: Path) -> None:
    packed = here / "texts/deep/two.txt.gz"
    packed.write_bytes(packed.read_bytes()[:-4])
    ended = holdfast("fetch", "mine.yaml")
    assert ended.code == ExitCode.FAILED
    assert "two.txt.gz is damaged" in ended.err
    assert len(problems(holdfast("verify", "mine.yaml", "--json"))) == 1


def test_what_is_new_is_told_and_can_be_taken_in(here: Path) -> None:
    assert holdfast("fetch", "mine.yaml").code == 0
    (here / "texts/new.txt").write_text("new\n")
    (here / "texts/one.txt").unlink()
    ended = holdfast("verify", "mine.yaml", "--json")
    assert any("1 file more than were recorded" in note for note in ended.json["notes"])
    assert problems(ended) == ["corpus.path: one.txt is missing"]
    assert holdfast("fetch", "mine.yaml", "--refresh").code == 0
    ended = holdfast("verify", "mine.yaml", "--json")
    assert (ended.code, ended.json["notes"]) == (0, [])


def test_a_link_that_leads_nowhere_is_a_file_that_is_missing(here: Path) -> None:
    (here / "texts/three.txt").symlink_to(here / "nowhere")
    assert any(
        "texts/three.txt" in what or "three.txt" in what for what in problems(holdfast("verify", "mine.yaml", "--json"))
    )
    assert holdfast("fetch", "mine.yaml").code == ExitCode.FAILED
    (here / "texts/three.txt").unlink()
    assert holdfast("fetch", "mine.yaml").code == 0
    (here / "texts/three.txt").symlink_to(here / "nowhere")
    assert len(problems(holdfast("verify", "mine.yaml", "--json"))) == 1


def test_weights_to_start_from(here: Path, tmp_path: Path, elsewhere: Callable[[], Path]) -> None:
    state = {part: {"x": torch.arange(100.0)} for part in ("model", "optimizer")}
    Vault(here / "runs/old/pretrain", 1).save(10, state, {"stage": "pretrain", "best": None}, [])
    words = ("mine.yaml", "pretrain.init_from=runs/old")
    assert holdfast("fetch", *words, "--bundle", tmp_path / "all.tar").code == 0
    assert holdfast("verify", *words, "--offline").code == 0
    for path in (here / "runs/old").rglob("*.safetensors"):
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        (what,) = problems(holdfast("verify", *words, "--json"))
        assert what.startswith("pretrain.init_from: ")
        path.write_bytes(data)
    elsewhere()
    assert any("pretrain.init_from" in what for what in problems(holdfast("verify", *words, "--json")))
    ended = holdfast("fetch", *words, "--from-bundle", tmp_path / "all.tar")
    assert ended.code == 0, ended
    assert holdfast("verify", *words, "--offline").code == 0


def test_verify_writes_nothing(here: Path, tmp_path: Path) -> None:
    before = tree(tmp_path)
    holdfast("verify", "mine.yaml")
    assert tree(tmp_path) == before


def test_a_recipe_that_needs_nothing(here: Path) -> None:
    ended = holdfast("verify", "demo", "--offline")
    assert ended.code == 0
    assert ended.out.startswith("everything this recipe needs is here")


def test_a_stage_that_is_off_needs_nothing(here: Path) -> None:
    (here / "chats.jsonl").unlink()
    assert holdfast("verify", "mine.yaml").code == ExitCode.NOT_READY
    assert holdfast("verify", "mine.yaml", "sft.enabled=false").code == 0


@pytest.mark.slow
def test_a_source_is_fetched_and_checked(here: Path, web: Web, tmp_path: Path) -> None:
    assert any(
        "source old-books was not fetched" in what for what in problems(holdfast("verify", "books.yaml", "--json"))
    )
    ended = holdfast("fetch", "books.yaml")
    assert ended.code == 0, ended
    assert "source old-books\tsource\t3\t3" in ended.out
    assert holdfast("verify", "books.yaml", "--offline").code == 0
    web.asked.clear()
    assert holdfast("fetch", "books.yaml").code == 0
    assert not web.asked, "nobody is asked for what is here"
    stored = tmp_path / "cache/sources/old-books/b.txt"
    stored.write_bytes(b"x" + stored.read_bytes()[1:])
    (what,) = problems(holdfast("verify", "books.yaml", "--json"))
    assert what.startswith("source old-books: b.txt is not what it was")
    (stored.parent / "a.txt").unlink()
    assert len(problems(holdfast("verify", "books.yaml", "--json"))) == 2
    assert holdfast("fetch", "books.yaml").code == 0
    assert holdfast("verify", "books.yaml").code == 0
    assert {each.path for each in web.asked} == {"/robots.txt", "/a.txt", "/b.txt"}


@pytest.mark.slow
def test_what_fails_is_told_with_what_to_do(here: Path, web: Web) -> None:
    web.on("/a.txt", says(503))
    web.on("/b.txt", says(404))
    ended = holdfast("fetch", "books.yaml", "--json")
    assert ended.code == ExitCode.FAILED
    assert [problem["what"].partition(" was not")[0] for problem in ended.json["problems"]] == [
        "source old-books: a.txt"
    ]
    assert any("b.txt is left out for good: the server says 404" in note for note in ended.json["notes"])
    web.on("/a.txt", file(BOOK))
    ended = holdfast("fetch", "books.yaml")
    assert ended.code == 0, ended
    assert holdfast("verify", "books.yaml").code == 0, "a source is complete without what its server no longer has"
    web.on("/b.txt", file(BOOK))
    assert holdfast("fetch", "books.yaml", "--again").code == 0
    assert "left out" not in holdfast("verify", "books.yaml").out


def test_a_source_that_nobody_answers_for(here: Path, web: Web) -> None:
    listed = SOURCES.replace("urls: [URL/a.txt, URL/b.txt, URL/c.txt.gz]", "lists: [URL/list]").replace("URL", web.url)
    (here / "sources.yaml").write_text(listed)
    web.on("/list", says(500))
    ended = holdfast("fetch", "books.yaml")
    assert ended.code == ExitCode.FAILED
    assert ended.err.count("missing: source old-books") == 1
    assert "500" in ended.err


def test_another_question_is_another_lock(here: Path, web: Web) -> None:
    assert holdfast("fetch", "books.yaml").code == 0
    changed = (here / "sources.yaml").read_text().replace("urls:", "max_items: 2, urls:")
    (here / "sources.yaml").write_text(changed)
    assert any("was not fetched" in what for what in problems(holdfast("verify", "books.yaml", "--json")))


@pytest.mark.slow
def test_a_line_that_breaks_is_gone_on_with(
    here: Path, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Clock, "sleep", lambda clock, seconds: clock.go_on())
    web.on("/a.txt", breaks(BOOK, 4000), says(500))
    assert holdfast("fetch", "books.yaml").code == ExitCode.FAILED
    assert list(tmp_path.rglob(".a.txt.part"))
    web.on("/a.txt", file(BOOK))
    assert holdfast("fetch", "books.yaml").code == 0
    assert web.of("/a.txt")[-1].headers["range"].startswith("bytes=")
    assert not list(tmp_path.rglob("*.part*"))


@pytest.mark.slow
def test_a_bundle_makes_another_machine_ready(
    here: Path, web: Web, tmp_path: Path, elsewhere: Callable[[], Path]
) -> None:
    bundle = tmp_path / "all.tar"
    assert holdfast("fetch", "books.yaml", "--bundle", bundle).code == 0
    first = bundle.read_bytes()
    assert holdfast("fetch", "books.yaml", "-q", "--bundle", bundle).code == 0
    assert bundle.read_bytes() == first, "the same files make the same bundle"
    web.asked.clear()
    folder = elsewhere()
    assert len(problems(holdfast("verify", "books.yaml", "--offline", "--json"))) >= 3
    ended = holdfast("fetch", "books.yaml", "--from-bundle", bundle)
    assert ended.code == 0, ended
    assert holdfast("verify", "books.yaml", "--offline").code == 0
    assert not web.asked
    for path in [
        *folder.rglob("*.txt*"),
        *folder.rglob("*.jsonl"),
        *(tmp_path / "other-cache/sources").rglob("*.txt*"),
    ]:
        data = path.read_bytes()
        path.unlink()
        (what,) = problems(holdfast("verify", "books.yaml", "--offline", "--json"))
        assert path.name in what
        path.write_bytes(data)
    assert holdfast("verify", "books.yaml", "--offline").code == 0


def test_a_bundle_is_made_of_what_is_complete_only(here: Path, web: Web, tmp_path: Path) -> None:
    web.on("/a.txt", says(503))
    assert holdfast("fetch", "books.yaml", "--bundle", tmp_path / "all.tar").code == ExitCode.FAILED
    assert not (tmp_path / "all.tar").exists()


def test_what_can_not_be_carried_is_told(here: Path, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far/a.txt").write_text("far\n")
    ended = holdfast("fetch", "mine.yaml", f"corpus.path={tmp_path}/far", "--bundle", tmp_path / "all.tar")
    assert ended.code == 0
    assert f"not in the bundle: corpus.path: {tmp_path}/far/a.txt" in ended.err


def test_nothing_connects_while_verifying(here: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where a reader would like to."""
    assert holdfast("fetch", "books.yaml").code == 0
    monkeypatch.setattr(
        "holdfast.stages.supplies.verifying.misses", lambda file: socket.create_connection(("192.0.2.1", 80))
    )
    ended = holdfast("verify", "books.yaml", "--offline")
    assert ended.code == ExitCode.FAILED
    assert "192.0.2.1" in ended.err


def test_the_whole_check_is_data_for_programs(here: Path) -> None:
    found = json.loads(holdfast("verify", "mine.yaml", "--json", "--quick").out)
    assert found.keys() == {"ready", "quick", "problems", "notes", "needs", "offline", "seconds"}
    assert found["quick"] is True
