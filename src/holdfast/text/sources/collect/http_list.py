"""Files that plain pages or lists link to, or that are named by their addresses."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from holdfast.text.fetch.client import Client
from holdfast.text.fetch.items import Item
from holdfast.text.rejection import Rejected
from holdfast.text.sources.catalogue.registry import Source
from holdfast.text.sources.collect.answers import is_web, safe_name, text

TEXTS = ("*.txt", "*.xml")  # what is taken where an entry does not say


def listed(source: Source, client: Client) -> Iterator[Item | Rejected]:
    """The addresses given, then those in the lists whose file name matches one of the patterns. No link is followed
    further than one step."""
    entry = source.entry
    seen: set[str] = set()
    for url in entry.urls:
        yield _item(source, url) if is_web(url) else Rejected(url, "not an address on the web")
        seen.add(url)
    for page in entry.lists:
        answer = client.get(page)
        links = list(_links(text(answer), answer.url))
        wanted = [link for link in links if any(fnmatchcase(_path(link), each) for each in entry.files or TEXTS)]
        if not wanted:
            yield Rejected(page, "no link there matches", f"{len(links)} links, {', '.join(entry.files or TEXTS)}")
        for link in wanted:
            if link not in seen:
                seen.add(link)
                yield _item(source, link)


def _item(source: Source, url: str) -> Item:
    query = urlsplit(url).query
    name = safe_name(_path(url).lstrip("/") + (f"_{query}" if query else ""))
    return Item(source.id, url, url, name, None, None, source.entry.licence)


def _path(url: str) -> str:
    return unquote(urlsplit(url).path)


def _links(page: str, base: str) -> Iterator[str]:
    """Addresses on a page; of a plain list, each line that is one."""
    if "<" in page[:2000]:
        reader = _Links()
        reader.feed(page)
        found = reader.found
    else:
        found = [line.strip() for line in page.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for link in found:
        try:
            url = urldefrag(urljoin(base, link)).url
        except ValueError:
            continue
        if is_web(url):
            yield url


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the target of a link."""
        if tag == "a" and (target := dict(attrs).get("href")):
            self.found.append(target.strip())
