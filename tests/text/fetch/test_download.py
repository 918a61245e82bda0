"""Many files: every one of them accounted for, hosts side by side, a stop at any time, and a list of what failed."""

from __future__ import annotations

import json
import multiprocessing
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast.base.faults import DiskFault
from holdfast.disk.fileops import watched
from holdfast.disk.injection import FileFaults, parse
from holdfast.text.fetch.client import Client
from holdfast.text.fetch.clock import Clock, Halted
from holdfast.text.fetch.download import PATIENCE, Outcome, fetch_all
from holdfast.text.fetch.failures import LIST, read_failures
from holdfast.text.fetch.items import Item
from holdfast.text.fetch.settings import FetchSettings

from .webs import Handler, Timeless, Web, file, says

BODY = random.Random(1).randbytes(50_000)


def item(web: Web, name: str, **more: Any) -> Item:
    return Item("books", name, f"{web.url}/{name}", f"{name}.txt", **more)


def fetch(items: list[Item], into: Path, client: Client, **more: Any) -> Outcome:
    return fetch_all(items, into, client, client.settings, **more)


def listed(into: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (into / LIST).read_text("utf-8").splitlines()]


def files(into: Path) -> list[str]:
    return sorted(path.relative_to(into).as_posix() for path in into.rglob("*") if path.is_file())


def test_every_item_is_accounted_for(web: Web, tmp_path: Path, client: Client) -> None:
    web.on("/good", file(BODY))
    web.on("/busy", says(503))
    web.on("/secret", says(403))
    items = [item(web, name) for name in ("good", "busy", "gone", "secret")]
    items.append(Item("books", "trick", f"{web.url}/good", "../../trick.txt"))
    items.append(Item("../books", "trick2", f"{web.url}/good", "trick.txt"))
    items.append(Item("books", "twin", f"{web.url}/good", "GOOD.txt"))
    outcome = fetch(items, tmp_path / "sources", client)
    assert [each.item.id for each in outcome.done] == ["good"]
    assert outcome.kept == ()
    why = {failure.item.id: (failure.final, failure.status) for failure in outcome.failed}
    assert why == {
        "busy": (False, 503), "gone": (True, 404), "secret": (True, 403),
        "trick": (True, None), "trick2": (True, None), "twin": (True, None),
    }  # fmt: skip
    assert files(tmp_path) == ["sources/books/good.txt", f"sources/{LIST}"]
    assert {row["id"]: row["retry"] for row in listed(tmp_path / "sources")} == {
        name: not final for name, (final, _) in why.items()
    }


def test_the_next_call_tries_what_may_pass_and_leaves_what_was_refused(
    web: Web, tmp_path: Path, client: Client
) -> None:
    web.on("/good", file(BODY))
    web.on("/busy", says(503))
    items = [item(web, name) for name in ("good", "busy", "gone")]
    first = fetch(items, tmp_path, client)
    web.asked.clear()
    web.on("/busy", file(BODY))
    second = fetch(items, tmp_path, client)
    assert [each.item.id for each in second.done] == ["busy"]
    assert [each.item.id for each in second.kept] == ["good"]
    assert second.failed == tuple(each for each in first.failed if each.item.id == "gone")
    assert [each.path for each in web.asked] == ["/busy"]
    assert [row["id"] for row in listed(tmp_path)] == ["gone"]
    web.on("/gone", file(BODY))
    assert not fetch(items, tmp_path, client).done
    assert [each.item.id for each in fetch(items, tmp_path, client, again=True).done] == ["gone"]
    assert read_failures(tmp_path) == {}


def test_an_item_with_a_new_address_is_tried(web: Web, tmp_path: Path, client: Client) -> None:
    web.on("/new", file(BODY))
    fetch([item(web, "gone")], tmp_path, client)
    moved = Item("books", "gone", f"{web.url}/new", "gone.txt")
    assert fetch([moved], tmp_path, client).done


def test_what_only_our_settings_forbade_is_tried_when_they_change(
    web: Web, tmp_path: Path, client: Client, clock: Timeless
) -> None:
    web.on("/a", file(BODY))
    with Client(FetchSettings(largest_file_bytes=1000), clock) as strict:
        assert fetch([item(web, "a")], tmp_path, strict).failed[0].final
    assert fetch([item(web, "a")], tmp_path, client).done


def test_failures_of_others_stay_on_the_list(web: Web, tmp_path: Path, client: Client) -> None:
    fetch([item(web, "gone")], tmp_path, client)
    fetch([item(web, "lost")], tmp_path, client)
    assert {row["id"] for row in listed(tmp_path)} == {"gone", "lost"}
    (tmp_path / LIST).write_text("not JSON\n[]\n" + (tmp_path / LIST).read_text())
    fetch([item(web, "absent")], tmp_path, client)
    assert {row["id"] for row in listed(tmp_path)} == {"gone", "lost", "absent"}


def test_hosts_side_by_side_and_one_file_at_a_time_of_each(
    webs: Callable[[], Web], tmp_path: Path, client: Client
) -> None:
    """No server lets go before the other is asked, and none is asked for two files at once."""
    both = threading.Barrier(2, timeout=10)
    at_work: dict[str, int] = {}

    def act(request: Handler) -> None:
        host = request.headers["Host"]
        at_work[host] = at_work.get(host, 0) + 1
        assert at_work[host] == 1
        if request.path == "/first":
            both.wait()
        at_work[host] -= 1
        request.say(200, BODY)

    items = []
    for web in (webs(), webs()):
        for name in ("first", "second", "third"):
            web.on(f"/{name}", act)
            items.append(Item(f"books-{web.url[-5:]}", name, f"{web.url}/{name}", name))
    assert len(fetch(items, tmp_path, client).done) == 6


def test_a_host_that_is_down_is_left_and_others_are_not(
    webs: Callable[[], Web], tmp_path: Path, client: Client
) -> None:
    down, up = webs(), webs()
    up.on("/a", file(BODY))
    items = [Item("down", str(number), f"{down.url}/{number}", str(number)) for number in range(20)]
    for each in items:
        down.on(f"/{each.id}", says(500))
    outcome = fetch([*items, item(up, "a")], tmp_path, client)
    assert len(outcome.done) == 1
    assert len(outcome.failed) == 20
    assert not any(failure.final for failure in outcome.failed)
    assert len({each.path for each in down.asked}) == PATIENCE + 1, "robots.txt too"


def test_progress_in_bytes(web: Web, tmp_path: Path, client: Client) -> None:
    for name in ("a", "b"):
        web.on(f"/{name}", file(BODY))
    told: list[tuple[int, int | None]] = []
    known = [item(web, name, bytes=len(BODY)) for name in ("a", "b")]
    fetch(known, tmp_path, client, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (2 * len(BODY), 2 * len(BODY))
    assert {total for _, total in told} == {2 * len(BODY)}
    told.clear()
    web.on("/c", file(BODY))
    fetch([*known, item(web, "c")], tmp_path, client, progress=lambda done, total: told.append((done, total)))
    assert told[0][1] is None
    assert told[-1][0] == 3 * len(BODY)


def test_a_full_disk_ends_it(web: Web, tmp_path: Path, client: Client) -> None:
    web.on("/a", file(BODY))
    with pytest.raises(DiskFault, match="no space left"), watched(FileFaults(parse("enospc@write:1"))):
        fetch([item(web, "a")], tmp_path, client)


def test_a_file_in_the_place_of_a_folder_is_about_that_item(web: Web, tmp_path: Path, client: Client) -> None:
    web.on("/a", file(BODY))
    web.on("/b", file(BODY))
    items = [Item("books", "a", f"{web.url}/a", "x"), Item("books", "b", f"{web.url}/b", "x/y")]
    outcome = fetch(items, tmp_path, client)
    assert [each.item.id for each in outcome.done] == ["a"]
    assert [failure.item.id for failure in outcome.failed] == ["b"]
    assert "can not be stored as x/y" in outcome.failed[0].why


def test_a_halt_leaves_what_came(web: Web, tmp_path: Path, direct: None) -> None:
    clock = Clock()

    def half(request: Handler) -> None:
        request.send_response(200)
        request.send_header("ETag", '"one"')
        request.send_header("Content-Length", str(len(BODY)))
        request.end_headers()
        request.wfile.write(BODY[:20_000])
        request.wfile.flush()
        threading.Timer(0.1, clock.halt).start()
        threading.Event().wait(0.3)
        request.wfile.write(BODY[20_000:])

    web.on("/a", half)
    with Client(FetchSettings(delay_seconds=0), clock) as client, pytest.raises(Halted):
        fetch([item(web, "a")], tmp_path, client)
    part = tmp_path / "books" / ".a.txt.part"
    there = part.stat().st_size
    assert 20_000 <= there < len(BODY)
    web.on("/a", file(BODY))
    with Client(FetchSettings(delay_seconds=0)) as client:
        assert fetch([item(web, "a")], tmp_path, client).done
    assert web.asked[-1].headers["range"] == f"bytes={there}-"
    assert (tmp_path / "books" / "a.txt").read_bytes() == BODY


def test_an_interrupt_gets_through_and_stops_the_threads(
    web: Web, tmp_path: Path, client: Client, clock: Timeless
) -> None:
    for number in range(10):
        web.on(f"/{number}", file(BODY))

    def interrupted(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch([item(web, str(number)) for number in range(10)], tmp_path, client, progress=interrupted)
    with pytest.raises(Halted):
        clock.go_on()
    assert not any(thread.name.startswith("fetch-") for thread in threading.enumerate())


def _process(url: str, into: str, ready: Any, found: Any) -> None:
    items = [Item("books", str(number), f"{url}/{number}", f"{number}.txt") for number in range(5)]
    with Client(FetchSettings(delay_seconds=0, hosts=2)) as client:
        ready.wait(20)
        outcome = fetch_all(items, Path(into), client, client.settings)
    found.put([len(outcome.done), len(outcome.kept), [failure.why for failure in outcome.failed]])


@pytest.mark.slow
def test_two_processes_share_the_work(web: Web, tmp_path: Path, direct: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(request: Handler) -> None:
        threading.Event().wait(0.05)
        file(BODY)(request)

    for number in range(5):
        web.on(f"/{number}", slow)
    several = multiprocessing.get_context("spawn")
    ready, found = several.Barrier(2), several.Queue()
    started = [several.Process(target=_process, args=(web.url, str(tmp_path), ready, found)) for _ in range(2)]
    for process in started:
        process.start()
    results = [found.get(timeout=60) for _ in started]
    for process in started:
        process.join(20)
    assert [done + kept for done, kept, _ in results] == [5, 5]
    assert len([each for each in web.asked if each.path != "/robots.txt"]) == 5, "each file came once"
    assert files(tmp_path) == [f"books/{number}.txt" for number in range(5)]
