"""What a reader sees first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.evals.report.facts import RunFacts
from holdfast.evals.report.summary import bar, chosen_transcripts, history, rounds, strip, tables, tiles, training


def test_the_headlines(facts: RunFacts) -> None:
    found = {tile.name: tile.value for tile in tiles(facts)}
    assert found == {
        "bits per byte": "1.182",
        "answers right": "88.2 %",
        "parameters": "1.23M",
        "tokens seen": "6.55M",
        "wall time": "8 min 47 s",
    }


def test_training_in_numbers(facts: RunFacts) -> None:
    row = training(facts)["pretrain"]
    assert (row["steps"], row["tokens"]) == (1200, 1200 * 4096)
    assert row["last_loss"] == pytest.approx(1.95, abs=0.06)
    assert row["first_loss"] == facts.curves["pretrain"][0]["loss"]
    assert training(replace(facts, curves={"sft": []})) == {}


def test_short_stages_stay_visible(facts: RunFacts) -> None:
    rows = strip(facts)
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert all(row["width"] > 0 for row in rows)
    assert strip(replace(facts, stages=[{"name": "corpus", "status": "pending", "wall_seconds": 0.0}]))[0]["share"] == 0


def test_bars_stay_inside() -> None:
    row = {"metric": "exact_match", "value": 0.5, "low": 0.4, "high": 0.6, "baseline": 0.25}
    assert bar(row).__class__(50, 40, 60, 25) == bar(row)
    loss = bar({"metric": "bits_per_byte", "value": 1.0, "low": None, "high": None, "baseline": 2.0})
    assert loss.baseline == pytest.approx(100 / 1.05, abs=0.01)
    assert loss.low is None
    assert bar({"metric": "bits_per_byte", "value": 0.0}).value == 0


def test_failures_are_shown_beside_successes(facts: RunFacts) -> None:
    shown = chosen_transcripts(facts.transcripts)
    for family in ("stated", "sums"):
        assert [each["right"] for each in shown if each["family"] == family] == [True, True, False, False]


def test_the_latest_samples_of_every_stage_come_first(facts: RunFacts) -> None:
    latest, earlier = rounds(facts.samples)
    assert [name for name, _ in latest] == ["pretrain, step 1,200", "sft, step 400"]
    assert [name for name, _ in earlier] == ["pretrain, step 600"]


def test_nested_facts_become_tables(facts: RunFacts) -> None:
    found = {table.title: table for table in tables("corpus", facts.corpus)}
    assert list(found) == ["corpus", "splits", "rejected"], "the list of files is left out"
    assert found["splits"].columns == ["documents", "characters", "bytes"]
    assert found["splits"].rows[1] == ("val", "500", "210,000", "210,003")
    assert found["rejected"].rows == [("too short", "3"), ("duplicate", "17")]
    assert tables("model", {}) == []


def test_what_happened(facts: RunFacts) -> None:
    saves, others = history(facts)
    assert saves == 6
    assert [(where, what) for _, where, what in others] == [
        ("", "start"),
        ("pretrain step 400", "resume"),
        ("pretrain step 733", "skip: the loss is not finite"),
        ("", "tokens: 1,708,333 for training"),
    ]
