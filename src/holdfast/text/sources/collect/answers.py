"""What services answer, checked before it is believed: a page instead of data is a fault, not an empty list."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from holdfast.base.faults import DataFault
from holdfast.text.fetch.client import Answer, Client
from holdfast.text.rejection import preview

CATALOGUE_BYTES = 128 << 20  # whole catalogues come as one file
_ASKED: WeakKeyDictionary[Client, dict[str, Answer]] = WeakKeyDictionary()
NAME_BYTES = 180  # of one part of a path: file systems take 255, and suffixes are added on the way
_UNSAFE = re.compile(r'[<>:"|?*\\]+')


def catalogue(client: Client, url: str) -> Answer:
    """A whole catalogue, asked for once by a client, however many sources are looked up in it."""
    asked = _ASKED.setdefault(client, {})
    if url not in asked:
        asked[url] = client.get(url, limit=CATALOGUE_BYTES)
    return asked[url]


def body(answer: Answer) -> bytes:
    """What was answered. Raises DataFault for a refusal."""
    if answer.status != 200:
        raise DataFault(f"{answer.url} answers with status {answer.status}", "try again later; is the address right?")
    return answer.body


def text(answer: Answer) -> str:
    """As text; the services that are asked here write UTF-8. Raises DataFault."""
    return body(answer).decode("utf-8-sig", "replace")


def data(answer: Answer, kind: type) -> Any:
    """JSON data that is a `kind`. Raises DataFault."""
    try:
        found = _sound(json.loads(body(answer)))
    except (ValueError, RecursionError):
        raise _unexpected(answer, "JSON") from None
    if not isinstance(found, kind):
        raise _unexpected(answer, f"a JSON {'object' if kind is dict else 'list'}")
    return found


def _sound(found: Any) -> Any:
    """The same with halves of characters, which JSON can write and nothing else, replaced by question marks."""
    written = json.dumps(found, ensure_ascii=False)
    return found if written.isascii() else json.loads(written.encode("utf-8", "replace"))


def table(answer: Answer, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """The rows of a CSV file that has at least these columns. Raises DataFault."""
    rows = csv.DictReader(io.StringIO(text(answer), newline=""))
    try:
        if missing := [name for name in columns if name not in (rows.fieldnames or ())]:
            raise _unexpected(answer, f"a table with {', '.join(missing)}")
        for row in rows:
            yield {key: value or "" for key, value in row.items() if key is not None and not isinstance(value, list)}
    except csv.Error as error:
        raise _unexpected(answer, f"a table that can be read ({error})") from None


def _unexpected(answer: Answer, wanted: str) -> DataFault:
    began = preview(answer.body[:400].decode("utf-8", "replace")) or "nothing"
    return DataFault(f"{answer.url} answers with something that is not {wanted}: {began}", "try again later")


def length(value: Any) -> int | None:
    """A number of bytes, as a number or as text; None for anything else."""
    text = str(value) if isinstance(value, int | str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def sha256(value: Any) -> str | None:
    """A hash in its usual writing; None for anything else."""
    return value if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) else None


def holds(words: list[str], *texts: str) -> bool:
    """Whether one of the phrases stands in one of the texts; capitals do not matter. No phrases: yes."""
    where = "\n".join(texts).casefold()
    return not words or any(word.casefold() in where for word in words)


def safe_name(path: str) -> str:
    """A relative path that is one on every system: no way up, no hidden part, none too long, none empty."""
    parts = []
    for part in unicodedata.normalize("NFC", path).split("/"):
        part = _UNSAFE.sub("_", "".join(sign if sign.isprintable() else "_" for sign in part)).strip(" .")
        if part:
            parts.append(_short(part))
    return "/".join(parts) or "file"


def _short(part: str) -> str:
    if len(part.encode("utf-8")) <= NAME_BYTES:
        return part
    stem, dot, suffix = part.rpartition(".")
    suffix = f"{dot}{suffix}" if stem and len(suffix) < 12 else ""
    room = NAME_BYTES - len(suffix.encode("utf-8"))
    return part.encode("utf-8")[:room].decode("utf-8", "ignore") + suffix


def is_web(url: str) -> bool:
    """Whether an address is one that can be fetched."""
    try:
        split = urlsplit(url)
    except ValueError:
        return False
    return split.scheme in ("http", "https") and bool(split.hostname)
