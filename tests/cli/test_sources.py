"""`holdfast sources`, as people and programs see it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from holdfast.stages.supplies import sources
from holdfast.text.fetch.settings import FetchSettings

from .conftest import holdfast


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_CACHE", str(tmp_path / "cache"))


def test_the_list_is_a_table_and_json() -> None:
    bare = holdfast("sources")
    assert bare.code == 0
    assert holdfast("sources", "list").out == bare.out
    assert [line.split("\t")[0] for line in bare.out.splitlines()[1:]] == [
        each["id"] for each in holdfast("sources", "list", "--json").json
    ]


def test_choosing() -> None:
    ended = holdfast("sources", "list", "--period", "1660-1669", "--place", "london", "--licence", "Public", "--json")
    ids = [each["id"] for each in ended.json]
    assert "pepys-diary" in ids
    assert "dickens-novels" not in ids
    states = [each["state"] for each in holdfast("sources", "list", "--json").json]
    assert set(states) == {"to fetch", "off"}
    assert states == sorted(states, reverse=True)
    none = holdfast("sources", "list", "--place", "nowhere")
    assert (none.code, none.err) == (0, "no source is like that\n")
    refused = holdfast("sources", "list", "--period", "long ago")
    assert refused.code == 2
    assert "write years as 1660-1669" in refused.err


def test_one_source() -> None:
    found = holdfast("sources", "show", "old-bailey", "--json").json
    assert (found["enabled"], found["state"], found["period"]) == (False, "off", "1674-1913")
    assert "commercial" in found["why"]
    assert "described in\tcourts.yaml" in holdfast("sources", "show", "old-bailey").out
    wrong = holdfast("sources", "show", "old-baily")
    assert wrong.code == 2
    assert "did you mean old-bailey?" in wrong.err


def test_what_a_users_file_changes_is_said(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("sources: {old-bailey: {enabled: true}}")
    ended = holdfast("sources", "list", "--file", path)
    assert "mine.yaml changes old-bailey: enabled" in ended.err
    path.write_text("sources: {old-bailey: {enbled: true}}")
    ended = holdfast("sources", "list", "-f", path)
    assert ended.code == 2
    assert "did you mean enabled?" in ended.err


class _Texts(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(200 if self.path == "/there.txt" else 404)
        self.send_header("Content-Length", "4")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server with one text, which may be asked without a pause."""
    monkeypatch.setattr(sources, "FetchSettings", lambda retries: FetchSettings(delay_seconds=0, retries=0))
    with ThreadingHTTPServer(("127.0.0.1", 0), _Texts) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_checking_asks_and_fails_where_anything_is_gone(site: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"""
defaults: {{licence: CC0-1.0, kind: http-list}}
sources:
  good: {{name: Good, urls: [{site}/there.txt]}}
  gone: {{name: Gone, urls: [{site}/there.txt, {site}/not.txt]}}
""")
    good = holdfast("sources", "check", "good", "--file", path)
    assert good.code == 0
    assert "good\tyes\t1\t-" in good.out
    both = holdfast("sources", "check", "good", "gone", "-f", path, "--json")
    assert both.code == 1
    assert [(each["source"], each["ok"], each["alive"]) for each in both.json] == [
        ("good", True, 1),
        ("gone", False, 1),
    ]
    assert both.json[1]["dead"][0]["id"] == f"{site}/not.txt"
    assert holdfast("sources", "check", "god", "-f", path).code == 2
    kept = tmp_path / "kept.yaml"
    assert holdfast("sources", "check", "good", "-f", path, "--record", kept).code == 0
    assert kept.read_text().startswith("about: What `holdfast sources check` saw on ")
    assert holdfast("sources", "check", "good", "-f", path, "--record", kept).code == 2
