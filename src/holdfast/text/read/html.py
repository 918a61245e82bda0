"""The readable text of an HTML page.

One pass from left to right with `str.find`, so that hostile or broken markup costs linear time; attributes are never
read. What is kept is what a reader sees: paragraphs apart, line breaks as line breaks, `<pre>` as it stands.
Tags and their meaning: the HTML Living Standard, https://html.spec.whatwg.org/multipage/ (2024).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import IO

from holdfast.text.read.encoding import decode
from holdfast.text.read.flow import Flow
from holdfast.text.read.place import Found, Place, whole

_OPAQUE = ("script", "style", "template", "noscript", "svg", "textarea", "title")
_PARAGRAPH = frozenset(
    re.findall(
        r"\w+",
        "address article aside blockquote body center dd div dl dt fieldset figcaption figure footer form "
        "h1 h2 h3 h4 h5 h6 header hr main nav ol p pre section table ul",
    )
)
_LINE = frozenset(("br", "li", "option", "tr", "caption"))
_CELL = frozenset(("td", "th"))
_TAG = re.compile(r"</?([a-zA-Z][^\s/>]*+)(?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+>")
_NAME = re.compile(r"</?([a-zA-Z][^\s/><]*+)")
_CLOSING = {name: re.compile(f"</{name}\\b", re.IGNORECASE) for name in _OPAQUE}
_CHARSET = re.compile(rb"(?i)charset\s*=\s*[\"']?\s*([\w-]+)")
_CHARSET_BYTES = 2048  # where the standard lets a page declare its encoding, and some more


def page(stream: IO[bytes], place: Place) -> Found:
    """A page as one document, with its title."""
    data = whole(stream)
    markup, encoding = decode(data, declared_encoding(data))
    text, title = page_text(markup)
    yield place.document(text, encoding, {"title": title} if title else {})


def declared_encoding(data: bytes) -> str | None:
    """The encoding a page says it has, in its first bytes."""
    match = _CHARSET.search(data[:_CHARSET_BYTES])
    return match[1].decode("ascii") if match else None


def page_text(markup: str) -> tuple[str, str]:
    """(text, title) of an HTML page; both may be empty. Any string is accepted."""
    page = _Page()
    title = ""
    for tag, content in _pieces(markup):
        if tag == "title":
            title = title or " ".join(_unescape(content).split())
        elif tag:
            page.tag(tag)
        else:
            page.words(_unescape(content))
    return page.text(), title


class _Page(Flow):
    """Tags as breaks."""

    def tag(self, tag: str) -> None:
        name = tag.lstrip("/")
        if name in _PARAGRAPH:
            self.end_paragraph()
            self.preformatted = tag == "pre" or (self.preformatted and tag != "/pre")
        elif name in _LINE and not (self.preformatted and tag != "br"):
            self.end_line()
        elif name in _CELL:
            self.words(" ")


def _pieces(markup: str) -> Iterator[tuple[str, str]]:
    """("", text) and (tag, content): "p", "/p", and "title" with what is inside."""
    position, quotes_close = 0, True
    while (start := markup.find("<", position)) >= 0:
        if start > position:
            yield "", markup[position:start]
        if markup.startswith("<!--", start):
            position = _after(markup, "-->", start + 4)
            continue
        if markup.startswith(("<!", "<?"), start):
            position = _after(markup, ">", start)
            continue
        name = _NAME.match(markup, start)
        if name is None:
            yield "", "<"
            position = start + 1
            continue
        match = _TAG.match(markup, start) if quotes_close else None
        if match is None:  # a quote that never closes: from here on any > ends a tag, so the search is not repeated
            quotes_close = False
            end = markup.find(">", start)
            if end < 0:
                yield "", markup[start:]
                return
            position = end + 1
        else:
            position = match.end()
        tag = ("/" if markup[start + 1] == "/" else "") + name[1].lower()
        content = ""
        if tag in _CLOSING:
            closing = _CLOSING[tag].search(markup, position)
            end = closing.start() if closing else len(markup)
            content, position = markup[position:end], end
        yield tag, content
    yield "", markup[position:]


def _after(markup: str, mark: str, start: int) -> int:
    found = markup.find(mark, start)
    return found + len(mark) if found >= 0 else len(markup)


def _unescape(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:  # a character number of thousands of digits
        return text
