"""Asking servers for something, with manners: who we are, how often, what robots.txt allows, and when to come back."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import holdfast
from holdfast.base.faults import DataFault
from holdfast.text.fetch.clock import Clock
from holdfast.text.fetch.keys import keys_for
from holdfast.text.fetch.manners import Unfetched, asked_to_wait, backoff, may_pass
from holdfast.text.fetch.pace import Pace, TooLong
from holdfast.text.fetch.robots import AGENT, LARGEST_BYTES, Robots
from holdfast.text.fetch.settings import FetchSettings

if TYPE_CHECKING:
    import httpx2

SMALL_BYTES = 16 << 20
MOST_REDIRECTS = 5
FORGIVEN_BYTES = 1 << 20  # a try that brought so much more than all before it does not count as failed
LEAST_BYTES_PER_SECOND = 256
SCHEMES = ("http", "https")
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole small answer. headers: names in lower case. url: behind all redirects."""

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether something is there: its size where the server tells it, and why not where it is not."""

    ok: bool
    status: int | None
    bytes: int | None
    why: str = ""


class Client:
    """One for all hosts, shared by threads. Raises DataFault where the library it stands on is not installed.

    Every request waits for the turn of its host, obeys robots.txt and follows at most MOST_REDIRECTS. `get` and
    `probe` come back after a failure that may pass, as `patiently` does for whoever uses `request`.
    """

    def __init__(self, settings: FetchSettings | None = None, clock: Clock | None = None) -> None:
        self.settings = settings or FetchSettings()
        self.clock = clock or Clock()
        self._library = library = _httpx()
        self._pace = Pace(self.clock, self.settings.delay_seconds, self.settings.longest_wait_seconds)
        self._robots = Robots(self._robots_file)
        self._http: httpx2.Client = library.Client(
            headers={"User-Agent": user_agent(self.settings.contact), "Accept-Encoding": "identity"},
            timeout=library.Timeout(self.settings.timeout_seconds),
            follow_redirects=False,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections."""
        self._http.close()

    def get(self, url: str, params: Mapping[str, str] | None = None, limit: int = SMALL_BYTES) -> Answer:
        """A small answer, unpacked: JSON, a page, a list, or what the server says instead: `status` is then not 200.

        Raises Unfetched where there is no answer, or only one of trouble that did not pass, or one of more than `limit`
        bytes; Halted.
        """
        whole = self._joined(url, params)

        def once() -> Answer:
            with self.request(whole, {"Accept-Encoding": "gzip"}, accept=None) as response:
                return Answer(response.status_code, str(response.url), _lower(response), self._body(response, limit))

        return self.patiently(whole, once)

    def probe(self, url: str) -> Probe:
        """Whether `url` is there, without its content: by HEAD, or by its first byte where HEAD is not known."""
        try:
            return self.patiently(url, lambda: self._probed(url))
        except Unfetched as error:
            return Probe(False, error.status, None, error.why)

    def patiently(self, url: str, act: Callable[[], T], reached: Callable[[], int] = lambda: 0) -> T:
        """What `act` gives; an Unfetched that may pass is waited out, `settings.retries` times.

        reached: how many bytes are there; a try that brought them on by FORGIVEN_BYTES does not count.
        """
        tried, before = 0, reached()
        while True:
            try:
                return act()
            except Unfetched as error:
                if error.final or error.later:
                    raise
                now = reached()
                if now >= before + FORGIVEN_BYTES:
                    tried, before = 0, now
                elif tried >= self.settings.retries:
                    raise
                self.clock.sleep(backoff(url, tried))
                tried += 1

    @contextmanager
    def request(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        accept: Collection[int] | None = (200,),
        method: str = "GET",
    ) -> Iterator[httpx2.Response]:
        """One answer of an accepted status, redirects followed; its body is read inside the block, see `pieces`.

        accept: None for every status that will not pass.
        It is tried once. Raises Unfetched, also for what goes wrong in the block; Halted.
        """
        for _ in range(MOST_REDIRECTS + 1):
            origin = self._origin(url)
            self._asked(origin, url)
            with self._hop(origin, method, url, headers) as response:
                target = self._target(response)
                if target is None:
                    self._judge(response, url, origin, accept)
                    yield response
                    return
            url = target
        raise Unfetched(url, f"more than {MOST_REDIRECTS} redirects", final=True)

    def pieces(self, response: httpx2.Response, *, unpacked: bool = False) -> Iterator[bytes]:
        """The body, piece by piece, as it was sent or unpacked. Raises Unfetched where it comes unbearably slowly."""
        window, began = 0, self.clock.now()
        for piece in response.iter_bytes() if unpacked else response.iter_raw():
            self.clock.go_on()
            yield piece
            window += len(piece)
            passed = self.clock.now() - began
            if passed > 2 * self.settings.timeout_seconds:
                if window < passed * LEAST_BYTES_PER_SECOND:
                    raise Unfetched(str(response.url), f"too slow: {window:,} bytes in {passed:.0f} s", final=False)
                window, began = 0, self.clock.now()

    def _asked(self, origin: str, url: str) -> None:
        with _polite(url):
            self._pace.slow_down(_host(origin), self._robots.require(origin, url))

    @contextmanager
    def _hop(self, origin: str, method: str, url: str, headers: Mapping[str, str] | None) -> Iterator[httpx2.Response]:
        """One request and its answer, whatever it says, in the turn of its host."""
        library = self._library
        try:
            with (
                _polite(url),
                self._pace.turn(_host(origin)),
                self._http.stream(method, url, headers={**(headers or {}), **keys_for(url)}) as response,
            ):
                yield response
        except library.TimeoutException as error:
            why = f"no answer for {self.settings.timeout_seconds:g} s ({type(error).__name__})"
            raise Unfetched(url, why, final=False) from None
        except (library.UnsupportedProtocol, library.InvalidURL) as error:
            raise Unfetched(url, f"not a web address: {error}", final=True) from None
        except library.TransportError as error:
            raise Unfetched(url, _in_words(error), final=False, later=_out_of_reach(error)) from None
        except library.DecodingError as error:
            raise Unfetched(url, f"damaged on its way: {error}", final=False) from None

    def _judge(self, response: httpx2.Response, url: str, origin: str, accept: Collection[int] | None) -> None:
        """Raise Unfetched for a status that is not accepted; a wait that the server asks for begins now."""
        status = response.status_code
        passing = may_pass(status)
        if not passing if accept is None else status in accept:
            return
        wait = asked_to_wait(_lower(response), self.clock.wall()) if passing else None
        if wait is not None:
            self._pace.leave_alone(_host(origin), wait)
        said = f", and asks to wait {wait:.0f} s" if wait else ""
        raise Unfetched(
            url, f"the server says {status} {response.reason_phrase}{said}", final=not passing, status=status
        )

    def _target(self, response: httpx2.Response) -> str | None:
        """Where a redirect leads."""
        if not response.has_redirect_location:
            return None
        try:
            return str(response.url.join(response.headers["location"]))
        except (self._library.InvalidURL, ValueError):
            raise Unfetched(str(response.url), "redirected to what is no address", final=True) from None

    def _probed(self, url: str) -> Probe:
        with self.request(url, accept=(200, 204, 405, 501), method="HEAD") as response:
            if response.status_code in (200, 204):
                return Probe(True, response.status_code, _number(response.headers.get("content-length")))
        with self.request(url, {"Range": "bytes=0-0"}, accept=(200, 206)) as response:
            if response.status_code == 200:
                return Probe(True, 200, _number(response.headers.get("content-length")))
            return Probe(True, 206, _number(response.headers.get("content-range", "").rpartition("/")[2]))

    def _robots_file(self, url: str) -> bytes:
        """The bytes of a robots.txt; nobody is asked whether it may be read."""
        for _ in range(MOST_REDIRECTS + 1):
            origin = self._origin(url)
            with self._hop(origin, "GET", url, None) as response:
                target = self._target(response)
                if target is None:
                    self._judge(response, url, origin, (200,))
                    return self._body(response, LARGEST_BYTES, cut=True)
            url = target
        raise Unfetched(url, "redirected without end", final=True)

    def _body(self, response: httpx2.Response, limit: int, *, cut: bool = False) -> bytes:
        held = bytearray()
        for piece in self.pieces(response, unpacked=True):
            held += piece
            if len(held) > limit:
                if cut:
                    return bytes(held[:limit])
                raise Unfetched(str(response.url), f"an answer of more than {limit:,} bytes", final=True)
        return bytes(held)

    def _joined(self, url: str, params: Mapping[str, str] | None) -> str:
        try:
            return str(self._library.URL(url).copy_merge_params(params)) if params else url
        except self._library.InvalidURL as error:
            raise Unfetched(url, f"not a web address: {error}", final=True) from None

    def _origin(self, url: str) -> str:
        try:
            parsed = self._library.URL(url)
        except self._library.InvalidURL as error:
            raise Unfetched(url, f"not a web address: {error}", final=True) from None
        if parsed.scheme not in SCHEMES or not parsed.host:
            raise Unfetched(url, "not a web address: it begins with neither http:// nor https://", final=True)
        return f"{parsed.scheme}://{parsed.netloc.decode('ascii')}"


def user_agent(contact: str | None) -> str:
    """How we introduce ourselves."""
    reach = f"; contact: {contact}" if contact else ""
    return f"{AGENT}/{holdfast.__version__} (collects texts for training a language model{reach})"


def _host(origin: str) -> str:
    return origin.partition("://")[2]


@contextmanager
def _polite(url: str) -> Iterator[None]:
    try:
        yield
    except TooLong as error:
        raise Unfetched(url, f"left for later: {error}", final=False, later=True) from None


def _lower(response: httpx2.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _in_words(error: Exception) -> str:
    said = " ".join(str(error).split())
    return f"the connection failed: {said}" if said else f"the connection failed ({type(error).__name__})"


def _out_of_reach(error: BaseException | None) -> bool:
    """Whether this machine knows no way to that host: no network, or no such name. The next second changes nothing."""
    while error is not None:
        if isinstance(error, socket.gaierror) or getattr(error, "errno", None) in _NO_WAY:
            return True
        error = error.__cause__ or error.__context__
    return False


def _httpx() -> Any:
    try:
        import httpx2
    except ImportError:
        raise DataFault("fetching needs the library httpx2", "pip install 'holdfast[data]'") from None
    return httpx2
