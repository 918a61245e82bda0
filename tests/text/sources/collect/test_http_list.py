"""Pages and lists with links."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from holdfast.text.fetch.items import check_name
from holdfast.text.sources.collect.answers import safe_name

PAGE = b"""<!doctype html><title>Texts</title><base href="x">
<a href="a.xml">A</a> <a HREF='/deep/../b.xml#top'>B</a> <a href="a.xml">again</a> <a href="mailto:me@a.example">me</a>
<a href="picture.png">no</a> <a>none</a> <a href="https://other.example/c.txt?v=2">C</a> <a href="http://[">odd</a>
"""


def test_links_of_a_page(collect: Callable) -> None:
    found, left = collect(
        {"https://texts.example/list/": PAGE}, kind="http-list", lists=["https://texts.example/list/"]
    )
    assert [(each.url, each.name) for each in found] == [
        ("https://texts.example/list/a.xml", "list/a.xml"),
        ("https://texts.example/b.xml", "b.xml"),
        ("https://other.example/c.txt?v=2", "c.txt_v=2"),
    ]
    assert not left


def test_lines_of_a_list(collect: Callable) -> None:
    body = b"# texts\nhttps://a.example/K%C3%B6ln.tei\n\nfile:///etc/passwd\nsub/b.tei\n"
    fields = {"kind": "http-list", "lists": ["https://a.example/list.txt"], "files": ["*.tei"]}
    found, _ = collect({"https://a.example/list.txt": body}, **fields)
    assert [each.name for each in found] == ["Köln.tei", "sub/b.tei"]


def test_addresses_by_name_and_an_empty_page(collect: Callable) -> None:
    fields = {"kind": "http-list", "lists": ["https://a.example/"], "urls": ["https://a.example/all.zip", "nonsense"]}
    found, left = collect({"https://a.example/": b""}, **fields)
    assert [each.name for each in found] == ["all.zip"]
    assert left == {
        "nonsense": "not an address on the web",
        "https://a.example/": "no link there matches: 0 links, *.txt, *.xml",
    }


@given(st.text())
def test_every_path_becomes_a_name_that_can_be_stored(path: str) -> None:
    check_name(safe_name(path)[:1000])
