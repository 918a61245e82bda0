"""From facts to what a reader wants to see first: the few numbers that matter, and rows for the tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from holdfast.evals.report.curve import losses, mark_kind, smoothed
from holdfast.evals.report.facts import Record, RunFacts
from holdfast.evals.report.figures import SHARES, compact, duration, moment, plain, score

SHOWN_RIGHT, SHOWN_WRONG = 2, 2  # transcripts per family
SHORT_STAGE = 0.004  # of the whole time; a shorter stage keeps this width in the strip


@dataclass(frozen=True, slots=True)
class Tile:
    """One of the numbers at the top."""

    value: str
    name: str
    note: str


@dataclass(frozen=True, slots=True)
class Bar:
    """Where a score, its interval and its baseline lie, in percent of a bar's width."""

    value: float
    low: float | None
    high: float | None
    baseline: float | None


@dataclass(frozen=True, slots=True)
class Table:
    """A small table; the first cell of each row is its name."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def tiles(facts: RunFacts) -> list[Tile]:
    """Headlines: the first score of each kind is the one that counts."""
    found = []
    if (bits := first(facts.evals, "bits_per_byte")) is not None:
        found.append(Tile(score(bits["value"], "bits_per_byte"), "bits per byte", _against(bits)))
    if (match := first(facts.evals, "exact_match")) is not None:
        found.append(Tile(score(match["value"], "exact_match"), "answers right", _against(match)))
    if parameters := facts.model.get("parameters"):
        found.append(Tile(compact(parameters), "parameters", plain(parameters)))
    if tokens := sum(row["tokens"] for row in training(facts).values()):
        found.append(Tile(compact(tokens), "tokens seen", " + ".join(training(facts))))
    seconds = sum(stage["wall_seconds"] for stage in facts.stages)
    return [*found, Tile(duration(seconds), "wall time", f"{len(facts.stages)} stages")]


def first(evals: Iterable[Record], metric: str) -> Record | None:
    """The first score of a metric."""
    return next((each for each in evals if each["metric"] == metric), None)


def _against(row: Record) -> str:
    """A score's context in a few words."""
    baseline = row.get("baseline")
    guess = f"guessing: {score(baseline, row['metric'])}" if baseline is not None else f"n = {plain(row['n'])}"
    return f"{row['stage']} · {guess}" if row.get("stage") else guess


def training(facts: RunFacts) -> dict[str, dict[str, Any]]:
    """Per trained stage: steps, tokens, first_loss and last_loss (smoothed), tokens_per_second (median)."""
    found = {}
    for stage, steps in facts.curves.items():
        if not (points := losses(steps)):
            continue
        course = smoothed(points)
        found[stage] = {
            "steps": steps[-1]["step"],
            "tokens": steps[-1]["tokens"],
            "first_loss": course[0][1],
            "last_loss": course[-1][1],
            "tokens_per_second": median(each["tokens_per_second"] for each in steps),
        }
    return found


def strip(facts: RunFacts) -> list[dict[str, Any]]:
    """Stages with their time and their share of it; `width` keeps the short ones visible."""
    total = sum(stage["wall_seconds"] for stage in facts.stages) or 1.0
    return [
        {
            "name": stage["name"],
            "status": stage["status"],
            "time": duration(stage["wall_seconds"]),
            "share": stage["wall_seconds"] / total,
            "width": round(max(SHORT_STAGE, stage["wall_seconds"] / total), 4),
        }
        for stage in facts.stages
    ]


def bar(row: Record) -> Bar:
    """Shares lie between 0 and 100 percent, other scores between 0 and a little past the largest number of the row."""
    numbers = [row[key] for key in ("value", "low", "high", "baseline") if row.get(key) is not None]
    full = 1.0 if row["metric"] in SHARES else 1.05 * max(numbers) or 1.0

    def place(key: str) -> float | None:
        return None if row.get(key) is None else round(100 * min(1.0, max(0.0, row[key] / full)), 2)

    return Bar(place("value") or 0.0, place("low"), place("high"), place("baseline"))


def chosen_transcripts(transcripts: Sequence[Record]) -> list[Record]:
    """The first right and the first wrong ones of every family: failures are shown as well as successes."""
    shown = []
    counts: dict[tuple[str, bool], int] = {}
    for each in sorted(transcripts, key=lambda each: str(each["family"])):
        kind = (str(each["family"]), bool(each["right"]))
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] <= (SHOWN_RIGHT if each["right"] else SHOWN_WRONG):
            shown.append(each)
    return shown


Round = tuple[str, list[Record]]


def rounds(samples: Sequence[Record]) -> tuple[list[Round], list[Round]]:
    """Samples by the moment they were taken, such as "pretrain, step 400": each stage's latest, and all before."""
    found: dict[tuple[str, int], list[Record]] = {}
    for each in samples:
        found.setdefault((each["stage"], each["step"]), []).append(each)
    newest = {stage: max(step for other, step in found if other == stage) for stage, _ in found}
    named = {key: (f"{key[0]}, step {plain(key[1])}", group) for key, group in found.items()}
    latest = [named[stage, step] for stage, step in newest.items()]
    return latest, [group for (stage, step), group in sorted(named.items()) if step != newest[stage]]


def tables(title: str, facts: Record) -> list[Table]:
    """A mapping as tables: its plain values first, then one table for each mapping inside it. Lists are left out."""
    flat = {key: value for key, value in facts.items() if not isinstance(value, Mapping | list | tuple)}
    found = [Table(title, (), [(words(key), plain(value)) for key, value in flat.items()])] if flat else []
    for key, inner in facts.items():
        if isinstance(inner, Mapping) and inner:
            found.append(_inner(words(key), inner))
    return found


def _inner(title: str, facts: Record) -> Table:
    rows = {key: value for key, value in facts.items() if isinstance(value, Mapping)}
    if len(rows) < len(facts):
        flat = [(key, value) for key, value in facts.items() if not isinstance(value, Mapping | list | tuple)]
        return Table(title, (), [(words(key), plain(value)) for key, value in flat])
    columns = list(dict.fromkeys(name for row in rows.values() for name, value in row.items() if _is_cell(value)))
    body = [(words(key), *(plain(row.get(name)) for name in columns)) for key, row in rows.items()]
    return Table(title, [words(name) for name in columns], body)


def _is_cell(value: Any) -> bool:
    return not isinstance(value, Mapping | list | tuple)


def history(facts: RunFacts) -> tuple[int, list[tuple[str, str, str]]]:
    """(how many checkpoints were saved, everything else that happened as (when, where, what))."""
    saves = sum(mark_kind(each) == "saved" for each in facts.events)
    others = [each for each in facts.events if mark_kind(each) != "saved"]
    return saves, [(moment(each.get("time")), _place(each), _what(each)) for each in others]


def _place(record: Record) -> str:
    stage, step = record.get("stage"), record.get("step")
    return " ".join(str(part) for part in (stage, None if step is None else f"step {step:,}") if part)


def _what(record: Record) -> str:
    """A journal record in words: its name, then whichever reason or text it carries."""
    name = words(str(record.get("event") or record.get("verdict") or record["kind"]))
    told = [str(record[key]) for key in ("text", "reason", "cause", "what") if record.get(key)]
    return ": ".join([name, *told]) if name != "note" else " ".join(told)


def words(key: Any) -> str:
    """A name from the code as words."""
    return str(key).replace("_", " ")
