"""Manners: who we say we are, how often we ask, what robots.txt allows, and when we give up."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable

import pytest

import holdfast
from holdfast.text.fetch.client import MOST_REDIRECTS, Client, user_agent
from holdfast.text.fetch.clock import Clock, Halted
from holdfast.text.fetch.manners import Unfetched
from holdfast.text.fetch.settings import FetchSettings

from .webs import Handler, Timeless, Web, says


def failing(client: Client, url: str) -> Unfetched:
    with pytest.raises(Unfetched) as failed:
        client.get(url)
    return failed.value


def test_a_small_answer(web: Web, client: Client) -> None:
    url = web.on("/a", says(200, b"hello", X_Kind="greeting"))
    answer = client.get(url, {"q": "two words", "n": "1"})
    assert (answer.status, answer.body, answer.headers["x-kind"]) == (200, b"hello", "greeting")
    assert answer.url == f"{url}?q=two+words&n=1" == web.url + web.asked[-1].path.replace("%20", "+")
    agent = web.asked[-1].headers["user-agent"]
    assert agent.startswith(f"holdfast/{holdfast.__version__} ")
    assert "contact: me@example.org" in agent


def test_parameters_are_added_to_those_of_the_address(web: Web, client: Client) -> None:
    web.on("/a", says(200))
    client.get(f"{web.url}/a?x=1", {"y": "2"})
    assert web.asked[-1].path == "/a?x=1&y=2"


def test_a_contact_can_not_smuggle_headers() -> None:
    with pytest.raises(ValueError, match="contact"):
        FetchSettings(contact="me\r\nX-Evil: 1")
    assert "contact" not in user_agent(None)


def test_a_packed_answer_is_unpacked(web: Web, client: Client) -> None:
    web.on("/a", says(200, gzip.compress(b"hello"), Content_Encoding="gzip"))
    assert client.get(f"{web.url}/a").body == b"hello"


def test_an_answer_has_a_limit_also_unpacked(web: Web, client: Client) -> None:
    web.on("/a", says(200, gzip.compress(bytes(10**6)), Content_Encoding="gzip"))
    with pytest.raises(Unfetched, match="more than 1,000 bytes") as failed:
        client.get(f"{web.url}/a", limit=1000)
    assert failed.value.final


def test_trouble_passes(web: Web, client: Client, clock: Timeless) -> None:
    url = web.on("/a", says(500), says(503), Handler.reset, says(200, b"at last"))
    assert client.get(url).body == b"at last"
    assert len(web.of("/a")) == 4
    assert sum(clock.slept) >= 1 + 2 + 4, "half of 2, 4 and 8 seconds at least"


def test_trouble_does_not_pass(web: Web, client: Client) -> None:
    url = web.on("/a", says(502))
    failed = failing(client, url)
    assert not failed.final
    assert failed.status == 502
    assert len(web.of("/a")) == 1 + client.settings.retries


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451, 501])
def test_a_refusal_is_taken_at_once(web: Web, client: Client, status: int) -> None:
    url = web.on("/a", says(status, b"no"))
    answer = client.get(url)
    assert (answer.status, answer.body, len(web.of("/a"))) == (status, b"no", 1)
    with pytest.raises(Unfetched) as failed, client.request(url):
        pass
    assert (failed.value.final, failed.value.status) == (True, status)


def test_a_server_says_when_to_come_back(web: Web, client: Client, clock: Timeless) -> None:
    url = web.on("/a", says(429, Retry_After="77"), says(200, b"now"))
    before = clock.time
    assert client.get(url).body == b"now"
    assert 77 <= clock.time - before <= 77 + 2 * client.settings.delay_seconds + 1


def test_a_date_to_come_back_at(web: Web, client: Client, clock: Timeless) -> None:
    dated = {"Retry_After": "Tue, 14 Nov 2023 22:14:20 GMT", "Date": "Tue, 14 Nov 2023 22:13:20 GMT"}

    def busy(request: Handler) -> None:
        request.date_time_string = lambda timestamp=None: dated["Date"]  # type: ignore[method-assign]
        request.say(503, Retry_After=dated["Retry_After"])

    url = web.on("/a", busy, says(200))
    before = clock.time
    client.get(url)
    assert 60 <= clock.time - before < 65


def test_nobody_waits_for_hours(web: Web, client: Client, clock: Timeless) -> None:
    url = web.on("/a", says(503, Retry_After="86400"), says(200))
    failed = failing(client, url)
    assert failed.later
    assert not failed.final
    assert sum(clock.slept) < 60
    assert len(web.of("/a")) == 1
    assert failing(client, f"{web.url}/b").later, "nor is the host asked for anything else"
    assert not web.of("/b")


def test_a_pause_between_two_requests_to_a_host_and_none_between_hosts(
    webs: Callable[[], Web], client: Client, clock: Timeless
) -> None:
    one, other = webs(), webs()
    for web in (one, other):
        web.on("/a", says(200))
        client.get(f"{web.url}/a")
    assert clock.slept == [1.0, 1.0], "each between robots.txt and the file"
    client.get(f"{one.url}/a")
    assert clock.slept == [1.0, 1.0], "a second had passed for the first while the second was waited for"
    client.get(f"{one.url}/a")
    assert clock.slept == [1.0, 1.0, 1.0]


def test_robots_are_obeyed(web: Web, client: Client, clock: Timeless) -> None:
    rules = b"\xef\xbb\xbfUser-agent: other\nDisallow: /\n\nUser-agent: *\nCrawl-delay: 9\nDisallow: /private\n"
    web.on("/robots.txt", says(200, rules))
    web.on("/private/a", says(200))
    web.on("/public", says(200, b"open"))
    failed = failing(client, f"{web.url}/private/a")
    assert failed.final
    assert "robots.txt" in failed.why
    assert not web.of("/private/a")
    assert client.get(f"{web.url}/public").body == b"open"
    assert len(web.of("/robots.txt")) == 1, "read once"
    client.get(f"{web.url}/public")
    assert clock.slept[-1] == 9.0


def test_we_are_called_by_name(web: Web, client: Client) -> None:
    web.on("/robots.txt", says(200, b"User-agent: *\nDisallow:\n\nUser-agent: Holdfast\nDisallow: /a\n"))
    web.on("/a", says(200))
    assert failing(client, f"{web.url}/a").final


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_no_rules_forbid_nothing(web: Web, client: Client, status: int) -> None:
    web.on("/robots.txt", says(status))
    web.on("/a", says(200, b"open"))
    assert client.get(f"{web.url}/a").body == b"open"


def test_rules_out_of_order_forbid_all_for_now(web: Web, client: Client) -> None:
    web.on("/robots.txt", says(503))
    url = web.on("/a", says(200))
    failed = failing(client, url)
    assert not failed.final
    assert "robots.txt can not be read" in failed.why
    assert not web.of("/a")


def test_a_host_that_wants_a_day_between_requests_is_left(web: Web, client: Client) -> None:
    web.on("/robots.txt", says(200, b"User-agent: *\nCrawl-delay: 86400\n"))
    assert failing(client, web.on("/a", says(200))).later


def test_redirects_are_followed_with_the_manners_of_each_host(webs: Callable[[], Web], client: Client) -> None:
    one, other = webs(), webs()
    one.on("/a", says(302, Location="/b"))
    one.on("/b", says(301, Location=f"{other.url}/c"))
    other.on("/c", says(200, b"there"))
    answer = client.get(f"{one.url}/a")
    assert (answer.body, answer.url) == (b"there", f"{other.url}/c")
    other.on("/robots.txt", says(200, b"User-agent: *\nDisallow: /c"))
    with Client(client.settings, client.clock) as fresh:
        assert "robots.txt" in failing(fresh, f"{one.url}/a").why


@pytest.mark.parametrize("target", ["/a", "/b"])
def test_redirects_without_end(web: Web, client: Client, target: str) -> None:
    web.on("/a", says(302, Location=target))
    web.on("/b", says(307, Location="/a"))
    failed = failing(client, f"{web.url}/a")
    assert failed.final
    assert "redirects" in failed.why
    assert len(web.of("/a")) + len(web.of("/b")) == MOST_REDIRECTS + 1


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://example.org/a", "http://", "gopher://x", "http://[::1"]
)
def test_redirects_lead_to_the_web_only(web: Web, client: Client, target: str) -> None:
    web.on("/a", says(302, Location=target))
    assert failing(client, f"{web.url}/a").final


@pytest.mark.parametrize("url", ["", "a", "file:///etc/passwd", "http://", "https:///a", "http://a:x/"])
def test_what_is_no_address(client: Client, url: str) -> None:
    failed = failing(client, url)
    assert failed.final
    assert "not a web address" in failed.why


def test_a_silent_server(web: Web, clock: Timeless, direct: None) -> None:
    web.on("/a", lambda request: threading.Event().wait(1.0) and None)
    with Client(FetchSettings(timeout_seconds=0.1, retries=1), clock) as client:
        failed = failing(client, f"{web.url}/a")
    assert not failed.final
    assert "no answer for 0.1 s" in failed.why
    assert len(web.of("/a")) == 2


def test_a_server_that_drips(web: Web, direct: None) -> None:
    def drip(request: Handler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        for _ in range(1000):
            request.wfile.write(b"x")
            threading.Event().wait(0.002)

    url = web.on("/a", drip)
    with Client(FetchSettings(timeout_seconds=30, retries=1), Timeless(passing=10)) as client:
        failed = failing(client, url)
    assert not failed.final
    assert "too slow" in failed.why


def test_nobody_there(client: Client) -> None:
    failed = failing(client, "http://127.0.0.1:1/a")
    assert not failed.final
    assert "connection failed" in failed.why


def test_no_way_to_a_host_is_not_waited_for(client: Client, clock: Timeless, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without a network: a hundred sources would be an hour of waiting."""

    def unknown(*arguments: object, **more: object) -> list[object]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    failed = failing(client, "http://example.org/a")
    assert (failed.final, failed.later) == (False, True)
    assert "name resolution" in failed.why
    assert not clock.slept


def test_a_probe_asks_without_taking(web: Web, client: Client) -> None:
    url = web.on("/a", says(200, bytes(1000)))
    found = client.probe(url)
    assert (found.ok, found.status, found.bytes) == (True, 200, 1000)
    assert [each.method for each in web.of("/a")] == ["HEAD"]


def test_a_probe_where_head_is_not_known(web: Web, client: Client) -> None:
    url = web.on("/a", says(405), says(206, b"x", Content_Range="bytes 0-0/1000"))
    found = client.probe(url)
    assert (found.ok, found.status, found.bytes) == (True, 206, 1000)


def test_a_probe_of_what_is_dead(web: Web, client: Client) -> None:
    found = client.probe(f"{web.url}/gone")
    assert (found.ok, found.status, found.bytes) == (False, 404, None)
    assert "404" in found.why


def test_a_halt_ends_a_wait(web: Web, direct: None) -> None:
    clock = Clock()
    url = web.on("/a", says(503, Retry_After="500"))
    threading.Timer(0.2, clock.halt).start()
    with Client(FetchSettings(delay_seconds=0), clock) as client, pytest.raises(Halted):
        client.get(url)
