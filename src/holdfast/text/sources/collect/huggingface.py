"""Datasets on the Hugging Face hub: the files of one revision, as they lie there.

With `files`, files of the dataset itself; with `config`, the parquet files that the hub makes of every dataset
(refs/convert/parquet, laid out as CONFIG/SPLIT/0000.parquet). Either way the revision is fixed when the list is made,
so that all files are of one version. The token, where one is needed, is HF_TOKEN in the environment and nowhere else;
HF_ENDPOINT names another hub.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from operator import itemgetter
from typing import Any
from urllib.parse import quote

from holdfast.base.faults import DataFault
from holdfast.text.fetch.client import Client
from holdfast.text.fetch.items import Item
from holdfast.text.fetch.keys import hub
from holdfast.text.rejection import Rejected
from holdfast.text.sources.catalogue.entry import Entry
from holdfast.text.sources.catalogue.registry import Source
from holdfast.text.sources.collect.answers import data, length, safe_name, sha256

CONVERTED = "refs/convert/parquet"
_NEXT = re.compile(r'<([^>]+)>\s*;\s*rel="?next"?')


def listed(source: Source, client: Client) -> Iterator[Item | Rejected]:
    """The files that the entry names, by path."""
    entry = source.entry
    at = f"{hub()}/api/datasets/{entry.repo}"
    wanted = CONVERTED if entry.config and entry.revision is None else entry.revision or "main"
    revision = _revision(entry, f"{at}/revision/{quote(wanted, safe='')}", client)
    found = False
    listing = _files(f"{at}/tree/{revision}?recursive=true", client)
    for path, each in sorted(listing, key=itemgetter(0)):
        if any(fnmatchcase(path, pattern) for pattern in patterns(entry)):
            found = True
            url = f"{hub()}/datasets/{entry.repo}/resolve/{revision}/{quote(path)}"
            large = each["lfs"] if isinstance(each.get("lfs"), dict) else {}
            size, hashed = length(each.get("size")), sha256(large.get("oid"))
            yield Item(source.id, path, url, safe_name(path), size, hashed, entry.licence, {"revision": revision})
    if not found:
        yield Rejected(str(entry.repo), "no file there matches", ", ".join(patterns(entry)))


def patterns(entry: Entry) -> list[str]:
    """Which paths are wanted. A split that was cut because the dataset is huge is called partial-NAME by the hub."""
    if entry.files:
        return entry.files
    split = entry.split or "*"
    return [f"{entry.config}/{split}/*.parquet", f"{entry.config}/partial-{split}/*.parquet"]


def _revision(entry: Entry, url: str, client: Client) -> str:
    """The commit that a branch, a tag or a reference stands for now."""
    page = f"{hub()}/datasets/{entry.repo}"
    answer = client.get(url)
    if answer.status in (401, 403, 404):
        raise DataFault(
            f"the hub does not show {entry.repo} (status {answer.status})",
            f"open {page}: where it asks for it, accept its terms, and set HF_TOKEN to a token of yours",
        )
    facts = data(answer, dict)
    if facts.get("gated") and not os.environ.get("HF_TOKEN"):
        raise DataFault(
            f"{entry.repo} is given to people who accept its terms", f"accept them at {page}, then set HF_TOKEN"
        )
    if not isinstance(sha := facts.get("sha"), str):
        raise DataFault(f"the hub names no revision of {entry.repo}", "check repo and revision")
    return sha


def _files(url: str, client: Client) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, facts) of every file, over all pages of the list."""
    seen = set()
    while url:
        if url in seen:
            raise DataFault(f"{url} goes round in circles", "try again later")
        seen.add(url)
        answer = client.get(url)
        for each in data(answer, list):
            if isinstance(each, dict) and each.get("type") == "file" and isinstance(each.get("path"), str):
                yield each["path"], each
        following = _NEXT.search(answer.headers.get("link", ""))
        url = following[1] if following else ""
