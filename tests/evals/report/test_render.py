"""The report: complete for programs, self-contained and safe for people."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from holdfast.evals.report.facts import RunFacts
from holdfast.evals.report.render import render_html, render_json

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Outline(HTMLParser):
    """Which tags and attributes a page has, and whether every tag is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(page: str) -> Outline:
    parsed = Outline()
    parsed.feed(page)
    parsed.close()
    assert parsed.open == []
    return parsed


def test_programs_find_what_they_were_promised(facts: RunFacts) -> None:
    report = json.loads(json.dumps(render_json(facts), allow_nan=False))
    assert report["run"] == "harbour-in-ten-minutes"
    assert report["recipe_fingerprint"] == facts.recipe_fingerprint
    assert report["model"]["parameters"] == 1_234_567
    assert report["stages"]["pretrain"] == {"status": "done", "wall_seconds": 301.5}
    validation = next(each for each in report["evals"] if each["metric"] == "bits_per_byte")
    assert validation["name"] == "validation"
    assert set(validation) == {
        *("name", "metric", "value", "n", "seed", "baseline", "low", "high", "stage", "step"),
    }


def test_the_page_is_well_formed_and_needs_nothing_else(facts: RunFacts) -> None:
    page = render_html(facts)
    parsed = outline(page)
    assert not parsed.tags & {"script", "link", "iframe", "object", "img"}
    addresses = [value for name, value in parsed.attributes if name in ("src", "href", "action")]
    assert addresses == []
    assert not re.search(r"url\(|@import", page)
    assert not [name for name, _ in parsed.attributes if name.startswith("on")]


def test_what_a_model_writes_is_text(facts: RunFacts) -> None:
    page = render_html(facts)
    assert "&lt;script&gt;alert(&#39;no&#39;)&lt;/script&gt;" in page
    assert "The &lt;b&gt;Red Duck&lt;/b&gt; &amp; co." in page


def test_a_hostile_name_is_text_too(facts: RunFacts) -> None:
    evil = '"><img src=x onerror=alert(1)>'
    steps = [{**each, "stage": evil} for each in facts.curves["sft"]]
    events = [{"kind": "checkpoint", "stage": evil, "step": 3}]
    page = render_html(replace(facts, run=evil, curves={evil: steps}, events=events, corpus={evil: {evil: evil}}))
    assert "img" not in outline(page).tags


@pytest.mark.parametrize(
    "words", ["1.182", "88.2 %", "86.4–90.0 %", "5 min 02 s", "bits per byte", "✗ wrong", "resume", "earlier, while"]
)
def test_the_page_tells_the_story(facts: RunFacts, words: str) -> None:
    assert words in render_html(facts)


def test_a_run_that_has_hardly_begun_has_a_report(facts: RunFacts) -> None:
    begun = RunFacts(
        run="new",
        recipe_fingerprint="0",
        created="now",
        environment={},
        model={},
        corpus={},
        tokenizer={},
        stages=[{"name": "corpus", "status": "failed", "wall_seconds": 0.2}],
    )
    page = render_html(begun)
    outline(page)
    assert "failed" in page
    assert render_json(begun)["stages"] == {"corpus": {"status": "failed", "wall_seconds": 0.2}}
