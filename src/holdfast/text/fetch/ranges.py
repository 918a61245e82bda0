"""Going on with the beginning of a file: what to ask for, and whether what comes fits behind it. Pure functions.

After RFC 9110: range requests (section 14), If-Range (13.1.5) and what a strong validator is (8.8.1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Begun:
    """The part that is there.

    size:      its bytes.
    url:       where they came from.
    validator: what names this very content: a strong ETag, or the time of its last change; None where the server gave
               neither.
    total:     bytes of the whole file, where the server told.
    """

    size: int
    url: str
    validator: str | None
    total: int | None


def validator(headers: Mapping[str, str]) -> str | None:
    """What an answer says to name its content, fit for If-Range. headers: with names in lower case."""
    tag = headers.get("etag", "")
    return tag if tag.startswith('"') else headers.get("last-modified")


def going_on(begun: Begun) -> dict[str, str]:
    """Headers that ask for the rest, or for the whole file if it is another one by now."""
    asked = {"Range": f"bytes={begun.size}-"}
    return asked | ({} if begun.validator is None else {"If-Range": begun.validator})


def unfit(begun: Begun, headers: Mapping[str, str]) -> str | None:
    """Why a partial answer (206) can not be put behind the part, in a few words; None when it can."""
    match = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
    if match is None:
        return "it does not say which part of the file it is"
    if headers.get("content-encoding", "identity") != "identity":
        return "it is a part of a packed file"
    if int(match[1]) != begun.size:
        return f"it begins at byte {int(match[1]):,}, and {begun.size:,} was asked for"
    if begun.total is not None and match[3] != "*" and int(match[3]) != begun.total:
        return "the file has another length now"
    now = validator(headers)
    if begun.validator is not None and now is not None and now != begun.validator:
        return "the file is another one now"
    return None


def whole_length(headers: Mapping[str, str], status: int) -> int | None:
    """Bytes of the whole file by what an answer (200 or 206) says, as it is sent; None where it does not."""
    if status == 206:
        match = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
        return None if match is None or match[3] == "*" else int(match[3])
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else None
