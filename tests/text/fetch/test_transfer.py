"""One file over a bad line: it arrives whole, or what came of it is kept and continued, or nothing is left."""

from __future__ import annotations

import errno
import gzip
import hashlib
import random
import threading
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.disk.fileops import watched
from holdfast.disk.injection import FileFaults, parse
from holdfast.text.fetch.client import Client
from holdfast.text.fetch.items import Item
from holdfast.text.fetch.manners import Unfetched
from holdfast.text.fetch.settings import FetchSettings
from holdfast.text.fetch.transfer import Fetched, transfer

from .webs import Act, Handler, Timeless, Web, breaks, file, says

BODY = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(280_000)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def item(web: Web) -> Item:
    return Item("books", "1", f"{web.url}/a", "deep/a.txt")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books" / "deep" / "a.txt"


def fetch(item: Item, path: Path, client: Client) -> Fetched:
    return transfer(item, path, client, lambda size: None)


def refused(item: Item, path: Path, client: Client) -> Unfetched:
    with pytest.raises(Unfetched) as failed:
        fetch(item, path, client)
    assert not path.exists()
    return failed.value


def left(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


def ranges(web: Web) -> list[str | None]:
    return [each.headers.get("range") for each in web.of("/a")]


def test_a_file_arrives(web: Web, item: Item, path: Path, client: Client) -> None:
    web.on("/a", file(BODY))
    sizes: list[int] = []
    found = transfer(item, path, client, sizes.append)
    assert found == Fetched(item, path, len(BODY), sha(BODY))
    assert path.read_bytes() == BODY
    assert left(path) == ["a.txt"]
    assert sizes[0] == 0
    assert sizes[-1] == len(BODY)
    assert sizes == sorted(sizes)
    assert fetch(item, path, client) == found
    assert len(web.of("/a")) == 1, "what is there is not asked for"


def test_it_is_continued_where_the_line_broke(web: Web, item: Item, path: Path, client: Client) -> None:
    web.on("/a", breaks(BODY, 100_000), breaks(BODY, 50_000), file(BODY))
    assert fetch(item, path, client).sha256 == sha(BODY)
    assert path.read_bytes() == BODY
    first, *rest = ranges(web)
    assert first is None
    assert all(each is not None and each != "bytes=0-" for each in rest)
    assert {each.headers.get("if-range") for each in web.of("/a")[1:]} == {'"one"'}
    assert left(path) == ["a.txt"]


def test_the_next_call_continues(web: Web, item: Item, path: Path, client: Client) -> None:
    web.on("/a", breaks(BODY, 100_000), says(500))
    assert not refused(item, path, client).final
    assert left(path) == [".a.txt.part", ".a.txt.part.json"]
    there = (path.parent / ".a.txt.part").stat().st_size
    web.on("/a", file(BODY))
    web.asked.clear()
    assert fetch(item, path, client).sha256 == sha(BODY)
    assert ranges(web) == [f"bytes={there}-"]
    assert left(path) == ["a.txt"]


@pytest.mark.parametrize("now", [file(OTHER, '"two"'), file(OTHER, '"one"'), says(200, OTHER)])
def test_a_file_that_changed_begins_anew(web: Web, item: Item, path: Path, client: Client, now: Act) -> None:
    """Told by its ETag; by its length where a server forgets to give it another; or by a server that just sends it."""
    web.on("/a", breaks(BODY, 100_000), now)
    assert fetch(item, path, client).sha256 == sha(OTHER)
    assert path.read_bytes() == OTHER


def test_a_server_that_ignores_if_range(web: Web, item: Item, path: Path, client: Client) -> None:
    """It sends the rest of a file that is another one by now, and its ETag gives it away."""

    def rest(request: Handler) -> None:
        if (wanted := request.headers.get("Range")) is None:
            request.say(200, OTHER + bytes(20_000), ETag='"two"')
        else:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            body = (OTHER + bytes(20_000))[start:]
            request.say(206, body, ETag='"two"', Content_Range=f"bytes {start}-299999/300000")

    web.on("/a", breaks(BODY, 100_000), rest)
    assert fetch(item, path, client).sha256 == sha(OTHER + bytes(20_000))


@pytest.mark.parametrize("said", ["bytes 5-299999/300000", "bytes */300000", "", "lines 1-2/3"])
def test_an_answer_for_another_part(web: Web, item: Item, path: Path, client: Client, said: str) -> None:
    web.on("/a", breaks(BODY, 100_000), says(206, b"nonsense", ETag='"one"', Content_Range=said), file(BODY))
    assert fetch(item, path, client).sha256 == sha(BODY)
    assert ranges(web)[2] is None


def test_a_server_without_ranges(web: Web, item: Item, path: Path, client: Client) -> None:
    web.on("/a", breaks(BODY, 100_000), says(200, BODY))
    assert fetch(item, path, client).sha256 == sha(BODY)


def test_without_a_validator_nothing_is_put_together_unless_the_hash_is_known(
    web: Web, item: Item, path: Path, client: Client
) -> None:
    web.on("/a", breaks(BODY, 100_000, etag=None), file(BODY, etag=None))
    fetch(item, path, client)
    assert ranges(web) == [None, None]
    path.unlink()
    web.asked.clear()
    web.on("/a", breaks(BODY, 100_000, etag=None), file(BODY, etag=None))
    assert fetch(replace(item, sha256=sha(BODY)), path, client).sha256 == sha(BODY)
    assert ranges(web)[1] is not None
    assert "if-range" not in web.of("/a")[1].headers


def test_a_weak_etag_is_none(web: Web, item: Item, path: Path, client: Client) -> None:
    web.on("/a", breaks(BODY, 100_000, etag='W/"one"'), file(BODY, etag='W/"one"'))
    fetch(item, path, client)
    assert ranges(web) == [None, None]


def test_a_part_that_is_the_whole_file_needs_nobody(web: Web, item: Item, path: Path, client: Client) -> None:
    """As a kill between the last byte and the rename leaves it."""
    web.on("/a", breaks(BODY, 100_000), says(500))
    refused(item, path, client)
    part = path.parent / ".a.txt.part"
    part.write_bytes(BODY)
    web.asked.clear()
    assert fetch(item, path, client).sha256 == sha(BODY)
    assert not web.of("/a")


def test_a_part_that_is_too_long_begins_anew(web: Web, item: Item, path: Path, client: Client) -> None:
    web.on("/a", breaks(BODY, 100_000), says(500))
    refused(item, path, client)
    (path.parent / ".a.txt.part").write_bytes(BODY + b"more")
    web.on("/a", file(BODY))
    assert fetch(item, path, client).sha256 == sha(BODY)
    assert ranges(web)[-1] is None


@pytest.mark.parametrize("note", [None, "", "{", '{"url": 1}', "[]"])
def test_a_part_without_a_good_note_begins_anew(
    web: Web, item: Item, path: Path, client: Client, note: str | None
) -> None:
    path.parent.mkdir(parents=True)
    (path.parent / ".a.txt.part").write_bytes(OTHER[:1000])
    if note is not None:
        (path.parent / ".a.txt.part.json").write_text(note)
    web.on("/a", file(BODY))
    assert fetch(item, path, client).sha256 == sha(BODY)
    assert left(path) == ["a.txt"]


@pytest.mark.slow
def test_progress_is_forgiven_and_standing_still_is_not(web: Web, item: Item, path: Path, client: Client) -> None:
    large = random.Random(3).randbytes(12 << 20)
    web.on("/a", *[breaks(large, (1 << 20) + 1000)] * 11, file(large))
    assert fetch(item, path, client).sha256 == sha(large)
    path.unlink()
    web.on("/a", breaks(large, 1000))
    assert not refused(item, path, client).final
    assert len(web.of("/a")) == 12 + 1 + client.settings.retries


def test_a_length_that_is_too_large(web: Web, item: Item, path: Path, client: Client) -> None:
    def short(request: Handler) -> None:
        request.say(200, BODY[:1000], length=5000, Connection="close")
        request.close_connection = True

    web.on("/a", short)
    assert not refused(item, path, client).final
    web.on("/a", short, file(BODY[:1000]))
    assert fetch(item, path, client).bytes == 1000


def test_a_length_that_is_too_small(web: Web, item: Item, path: Path, client: Client) -> None:
    """What is beyond it can not be seen; where the size is known it is found out."""
    web.on("/a", says(200, BODY, length=1000, Connection="close"))
    failed = refused(replace(item, bytes=len(BODY)), path, client)
    assert failed.final
    assert "1,000 bytes came, and the file should have 300,000" in failed.why
    assert left(path) == []


def test_no_length_at_all(web: Web, item: Item, path: Path, client: Client) -> None:
    def until_the_end(request: Handler) -> None:
        request.say(200, BODY, length=-1, Connection="close")
        request.close_connection = True

    web.on("/a", until_the_end)
    assert fetch(item, path, client).sha256 == sha(BODY)


def test_another_file_than_promised(web: Web, item: Item, path: Path, client: Client) -> None:
    web.on("/a", file(BODY))
    failed = refused(replace(item, sha256=sha(OTHER)), path, client)
    assert failed.final
    assert "another file came" in failed.why
    assert left(path) == []
    assert len(web.of("/a")) == 1


def test_a_wrong_sum_of_two_answers_gets_a_second_chance(web: Web, item: Item, path: Path, client: Client) -> None:
    """A server that gives a changed file, of the same length, the same name."""
    mixed = OTHER[:1000] + BODY[1000:]
    web.on("/a", breaks(OTHER[:1000] + BODY[1000:], 1000), file(BODY))
    assert mixed != BODY
    assert fetch(replace(item, sha256=sha(BODY)), path, client).sha256 == sha(BODY)


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_gzip_that_nobody_asked_for(web: Web, item: Item, tmp_path: Path, client: Client, name: str) -> None:
    """It is unpacked, unless it is the file itself that is packed."""
    packed = gzip.compress(BODY[:1000]) + gzip.compress(bytes(5 << 20))
    web.on("/a", says(200, packed, Content_Encoding="gzip"))
    found = fetch(replace(item, name=name), tmp_path / name, client)
    assert (tmp_path / name).read_bytes() == (packed if name.endswith("gz") else BODY[:1000] + bytes(5 << 20))
    assert found.bytes == (tmp_path / name).stat().st_size
    assert web.of("/a")[0].headers["accept-encoding"] == "identity"


def test_zlib_under_the_name_of_deflate(web: Web, item: Item, path: Path, client: Client) -> None:
    web.on("/a", says(200, zlib.compress(BODY), Content_Encoding="deflate"))
    assert fetch(item, path, client).sha256 == sha(BODY)


def test_what_is_sent_packed_is_never_continued(web: Web, item: Item, path: Path, client: Client) -> None:
    packed = gzip.compress(BODY)

    def broken(request: Handler) -> None:
        request.send_response(200)
        request.send_header("ETag", '"one"')
        request.send_header("Content-Encoding", "gzip")
        request.send_header("Content-Length", str(len(packed)))
        request.end_headers()
        request.wfile.write(packed[:200_000])
        request.reset()

    web.on("/a", broken, says(200, packed[:-1], Content_Encoding="gzip"), says(200, packed, Content_Encoding="gzip"))
    assert fetch(item, path, client).sha256 == sha(BODY)
    assert ranges(web) == [None, None, None]


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip"])
def test_packings_that_are_not_known(web: Web, item: Item, path: Path, client: Client, coding: str) -> None:
    web.on("/a", says(200, b"?", Content_Encoding=coding))
    assert refused(item, path, client).final


def test_damaged_gzip(web: Web, item: Item, path: Path, client: Client) -> None:
    web.on("/a", says(200, b"\x1f\x8b\x08 this is none", Content_Encoding="gzip"))
    assert not refused(item, path, client).final


@pytest.mark.parametrize("kind", ["known", "announced", "silent", "packed"])
def test_a_file_that_is_too_large(web: Web, item: Item, path: Path, clock: Timeless, direct: None, kind: str) -> None:
    acts: dict[str, Act] = {
        "known": file(BODY),
        "announced": file(BODY),
        "silent": says(200, BODY, length=-1, Connection="close"),
        "packed": says(200, gzip.compress(bytes(10**7)), Content_Encoding="gzip"),
    }
    web.on("/a", acts[kind])
    with Client(FetchSettings(largest_file_bytes=100_000), clock) as client:
        failed = refused(replace(item, bytes=len(BODY)) if kind == "known" else item, path, client)
    assert failed.final
    assert "corpus.fetch.largest_file_bytes" in failed.why
    assert left(path) == []
    assert len(web.of("/a")) == (0 if kind == "known" else 1)


def test_a_damaged_file_is_fetched_again(web: Web, item: Item, path: Path, client: Client) -> None:
    web.on("/a", file(BODY))
    known = replace(item, bytes=len(BODY), sha256=sha(BODY))
    fetch(known, path, client)
    path.write_bytes(OTHER + bytes(20_000))
    assert fetch(known, path, client).sha256 == sha(BODY)
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_full_disk_keeps_what_came(web: Web, item: Item, path: Path, client: Client, at: int) -> None:
    """At the note, at the data, at the end: the error gets through, and the next call goes on."""
    web.on("/a", file(BODY + bytes(3 << 20)))
    with pytest.raises(OSError, match="No space") as failed, watched(FileFaults(parse(f"enospc@write:{at}"))):
        fetch(item, path, client)
    assert failed.value.errno == errno.ENOSPC
    assert not path.exists()
    assert fetch(item, path, client).sha256 == sha(BODY + bytes(3 << 20))
    assert left(path) == ["a.txt"]


@pytest.mark.parametrize("operation", ["sync", "replace", "sync_directory"])
def test_a_disk_that_fails_at_the_end(web: Web, item: Item, path: Path, client: Client, operation: str) -> None:
    web.on("/a", file(BODY))
    failures = 0
    for at in range(1, 20):
        with watched(FileFaults(parse(f"eio@{operation}:{at}"))), suppress(OSError):
            fetch(item, path, client)
            break
        failures += 1
    assert failures
    assert fetch(item, path, client).sha256 == sha(BODY)


def test_a_link_in_the_place_of_a_part_is_not_followed(
    web: Web, item: Item, path: Path, tmp_path: Path, client: Client
) -> None:
    web.on("/a", file(BODY))
    (tmp_path / "precious").write_text("mine")
    path.parent.mkdir(parents=True)
    (path.parent / ".a.txt.part").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic links"):
        fetch(item, path, client)
    assert (tmp_path / "precious").read_text() == "mine"


def test_two_at_once_fetch_it_once(
    web: Web, item: Item, path: Path, clock: Timeless, direct: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two clients of one process are as strange to each other as two processes: the lock is on the open file."""
    entered, go = threading.Event(), threading.Event()

    def slow(request: Handler) -> None:
        entered.set()
        go.wait(5)
        file(BODY)(request)

    web.on("/a", slow)
    monkeypatch.setattr("holdfast.text.fetch.part.WAIT_SECONDS", 0.02)
    found: list[Fetched] = []

    def one() -> None:
        with Client(FetchSettings(delay_seconds=0)) as client:
            found.append(fetch(item, path, client))

    threads = [threading.Thread(target=one) for _ in range(3)]
    threads[0].start()
    entered.wait(5)
    for thread in threads[1:]:
        thread.start()
    threading.Event().wait(0.1)
    go.set()
    for thread in threads:
        thread.join(10)
    assert [each.sha256 for each in found] == [sha(BODY)] * 3
    assert len(web.of("/a")) == 1
    assert left(path) == ["a.txt"]


def test_where_files_can_not_be_locked_they_are_fetched_all_the_same(
    web: Web, item: Item, path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refused)
    web.on("/a", file(BODY))
    assert fetch(item, path, client).sha256 == sha(BODY)
