"""The catalogue as plain data, and recipes that name sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from holdfast.base.faults import RecipeFault
from holdfast.stages.planning.checks import examine
from holdfast.stages.recipe import resolve
from holdfast.stages.supplies import fetching
from holdfast.stages.supplies.sources import list_sources, record_check, show_source
from holdfast.text.fetch.lock import lock_path
from holdfast.text.fetch.place import sources_folder
from holdfast.text.sources.catalogue.registry import load
from holdfast.text.sources.fetched import asked


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_CACHE", str(tmp_path / "cache"))


def test_what_is_shown_is_plain_data_and_complete() -> None:
    found = show_source([], "fineweb-edu")
    assert (found["id"], found["state"], found["described_in"]) == ("fineweb-edu", "to fetch", "modern.yaml")
    assert found["folder"].endswith("/sources/fineweb-edu")
    everything, notices = list_sources([], None, None, None)
    assert [each["id"] for each in everything].count("fineweb-edu") == 1
    assert notices == []


def test_a_damaged_record_of_a_fetch_is_no_reason_to_show_nothing() -> None:
    source = load().named(["pepys-diary"])[0]
    path = lock_path(sources_folder(), source.id, asked(source))
    path.parent.mkdir(parents=True)
    path.write_text("{")
    assert show_source([], "pepys-diary")["state"] == "damaged"
    assert show_source([], "stow-survey")["state"] == "to fetch"


def test_what_was_seen_can_be_kept(tmp_path: Path) -> None:
    mine, kept = tmp_path / "mine.yaml", tmp_path / "kept.yaml"
    mine.write_text("sources: {a: {name: A, kind: local, path: x, licence: MIT}, stow-survey: {priority: low}}")
    found = [{"source": id, "ok": id != "evelyn-diary"} for id in ("a", "stow-survey", "pepys-diary", "evelyn-diary")]
    assert record_check([str(mine)], found, kept, date(2030, 1, 2)) == 1
    both = [str(mine), str(kept)]
    assert show_source(both, "pepys-diary")["probed"] == "2030-01-02"
    assert show_source(both, "evelyn-diary")["probed"] is None
    assert list_sources(both, None, None, None)[1] == ["mine.yaml changes stow-survey: priority"]


def test_a_recipe_may_name_sources_instead_of_a_path_or_beside_it() -> None:
    assert resolve("smoke", ["corpus.sources=[pepys-diary]"]).recipe.corpus.path is None
    both = resolve("smoke", ["corpus.sources=[pepys-diary]", "corpus.path=texts"]).recipe.corpus
    assert (both.sources, both.path) == (["pepys-diary"], "texts")
    assert resolve("demo", ["corpus.sources=[pepys-diary]"]).recipe.corpus.generator is None
    with pytest.raises(RecipeFault, match="both sources and generator"):
        resolve("smoke", ["corpus.sources=[pepys-diary]", "corpus.generator=harbour"])
    with pytest.raises(RecipeFault, match="nothing says where the text comes from"):
        resolve("smoke", ["corpus.path=off"])


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("[pepys-diary, stow-survey]", ["pepys-diary was not fetched", "stow-survey was not fetched"]),
        ("[old-bailey]", ["old-bailey is not enabled"]),
        ("[nobody-knows]", ["nobody-knows"]),
    ],
)
def test_a_plan_says_once_each_what_is_not_here_and_what_is_off(tmp_path: Path, named: str, said: list[str]) -> None:
    recipe = resolve("smoke", [f"corpus.sources={named}", "sft.enabled=false"]).recipe
    problems = [problem.what for problem in examine(recipe, tmp_path / "run", ("corpus",)).problems]
    assert len(problems) == len(said)
    assert all(part in what for part, what in zip(said, problems, strict=True))


def test_what_matters_more_is_listed_first_and_what_is_off_last() -> None:
    found, _ = list_sources([], None, None, None)
    order = [(each["state"] == "off", ["high", "medium", "low"].index(each["priority"])) for each in found]
    assert order == sorted(order)
    assert len(set(order)) > 3


def test_what_matters_more_is_fetched_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    said = {"stow-survey": "low", "pepys-diary": "medium", "evelyn-diary": "high"}
    mine.write_text(f"sources: {{{', '.join(f'{id}: {{priority: {word}}}' for id, word in said.items())}}}")
    asked_for: list[str] = []
    monkeypatch.setattr(fetching, "_listed", lambda source, *rest: asked_for.append(source.id))
    named = ["corpus.sources=[stow-survey, pepys-diary, evelyn-diary]", f"corpus.source_files=[{mine}]"]
    fetching.fetch(resolve("smoke", named).recipe, no_bar, refresh=False, again=False)
    assert asked_for == ["evelyn-diary", "pepys-diary", "stow-survey"]


@contextmanager
def no_bar(description: str, unit: str) -> Iterator[Callable[[int, int | None], None]]:
    yield lambda done, total: None
