"""A web server on this machine that can be told to misbehave, and a clock on which waiting takes no time."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from holdfast.text.fetch.clock import Clock


class Timeless(Clock):
    """Waiting takes no time and is written down. `passing`: what each look at it takes, for slow servers."""

    def __init__(self, passing: float = 0.0) -> None:
        super().__init__()
        self.time, self.passing = 1_000.0, passing
        self.slept: list[float] = []

    def now(self) -> float:
        self.time += self.passing
        return self.time

    def wall(self) -> float:
        return 1_700_000_000 + self.time

    def sleep(self, seconds: float) -> None:
        self.go_on()
        if seconds > 0:
            self.slept.append(seconds)
            self.time += seconds


@dataclass
class Asked:
    """A request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]


class Handler(BaseHTTPRequestHandler):
    """Gives each request to what the test put at its path."""

    protocol_version = "HTTP/1.1"
    server: Any

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, ValueError):  # the client, or the test, hung up
            self.close_connection = True

    def do_GET(self) -> None:
        web: Web = self.server.web
        path = self.path.partition("?")[0]
        with web.guard:
            web.asked.append(
                Asked(self.command, self.path, {name.lower(): each for name, each in self.headers.items()})
            )
        acts = web.acts.get(path)
        if acts is None:
            self.say(404, b"not here")
            return
        with web.guard:
            act = acts.pop(0) if len(acts) > 1 else acts[0]
        act(self)

    def do_HEAD(self) -> None:
        self.do_GET()

    def say(self, status: int, body: bytes = b"", length: int | None = None, **headers: str) -> None:
        """An answer with a Content-Length, true unless the test gives another; names with _ for -."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if length is None or length >= 0:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reset(self) -> None:
        """Hang up in the rudest way there is."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        """Silence."""


Act = Callable[[Handler], None]


@dataclass
class Web:
    """A server. `on` says what a path does: at the first request, the second, ...; the last one for all that follow."""

    url: str = ""
    acts: dict[str, list[Act]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def on(self, path: str, *acts: Act) -> str:
        """The URL of that path."""
        self.acts[path] = list(acts)
        return self.url + path

    def of(self, path: str) -> list[Asked]:
        """The requests for a path."""
        return [each for each in self.asked if each.path == path]


def says(status: int, body: bytes = b"", length: int | None = None, **headers: str) -> Act:
    """Always the same answer."""
    return lambda request: request.say(status, body, length, **headers)


def file(body: bytes, etag: str | None = '"one"') -> Act:
    """A file on a server that knows ranges and If-Range."""

    def act(request: Handler) -> None:
        named = {} if etag is None else {"ETag": etag}
        wanted = request.headers.get("Range")
        if wanted is None or request.headers.get("If-Range", etag) != etag:
            request.say(200, body, **named)
            return
        start = int(wanted.removeprefix("bytes=").partition("-")[0])
        if start >= len(body):
            request.say(416, b"", Content_Range=f"bytes */{len(body)}")
        else:
            request.say(206, body[start:], Content_Range=f"bytes {start}-{len(body) - 1}/{len(body)}", **named)

    return act


def breaks(body: bytes, after: int, etag: str | None = '"one"') -> Act:
    """The first `after` bytes of what is asked for, then the connection is reset."""

    def act(request: Handler) -> None:
        wanted = request.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted and etag else 0
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if etag:
            request.send_header("ETag", etag)
        request.send_header("Content-Length", str(len(body) - start))
        request.end_headers()
        request.wfile.write(body[start : start + after])
        request.wfile.flush()
        threading.Event().wait(0.05)  # or what was sent is lost with the connection
        request.reset()

    return act


@contextmanager
def serving() -> Iterator[Callable[[], Web]]:
    """Starts servers, which end with the block."""
    started: list[ThreadingHTTPServer] = []

    def start() -> Web:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        web = Web(f"http://127.0.0.1:{server.server_address[1]}")
        server.web = web  # type: ignore[attr-defined]  # the handler finds it there
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        started.append(server)
        return web

    yield start
    for server in started:
        server.shutdown()
        server.server_close()
