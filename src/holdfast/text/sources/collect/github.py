"""Files of a public GitHub repository, all of one commit.

One question lists the whole repository (the REST interface allows 60 an hour without a key), the files themselves come
from the host for raw files.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from urllib.parse import quote

from holdfast.base.faults import DataFault
from holdfast.text.fetch.client import Client
from holdfast.text.fetch.items import Item
from holdfast.text.rejection import Rejected
from holdfast.text.sources.catalogue.registry import Source
from holdfast.text.sources.collect.answers import data, length, safe_name

API = "https://api.github.com/repos/"
RAW = "https://raw.githubusercontent.com/"


def listed(source: Source, client: Client) -> Iterator[Item | Rejected]:
    """The files that match one of the patterns, in the order of the repository."""
    entry = source.entry
    assert entry.repo is not None, "an entry of this kind has one"
    commit = entry.revision or _newest(entry.repo, client)
    tree = data(client.get(f"{API}{entry.repo}/git/trees/{quote(commit, safe='')}", {"recursive": "1"}), dict)
    if not isinstance(tree.get("tree"), list):
        raise DataFault(f"github.com lists no files for {entry.repo} at {commit}", "check repo and revision")
    for each in tree["tree"]:
        path = each.get("path") if isinstance(each, dict) and each.get("type") == "blob" else None
        if isinstance(path, str) and any(fnmatchcase(path, pattern) for pattern in entry.files):
            url = f"{RAW}{entry.repo}/{commit}/{quote(path)}"
            said = {"revision": commit}
            yield Item(source.id, path, url, safe_name(path), length(each.get("size")), None, entry.licence, said)
    if tree.get("truncated"):
        yield Rejected(entry.repo, "the repository is too large to be listed whole", "name fewer files")


def _newest(repo: str, client: Client) -> str:
    sha = data(client.get(f"{API}{repo}/commits/HEAD"), dict).get("sha")
    if not isinstance(sha, str):
        raise DataFault(f"github.com names no newest commit of {repo}", "check repo, or give a revision")
    return sha
