"""Recorded runs: bring a finished run into docs/results, and write the README's numbers from what lies there.

python docs/results.py record RUN NAME    keep RUN's report.json, curves and samples as docs/results/NAME
python docs/results.py write              write the README's results block again
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from holdfast.evals.report.curve import curve_svg
from holdfast.stages.report import JSON, gather

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
README = ROOT / "README.md"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
SHOWN = ("demo", "history")  # rows of the table, in this order
SAMPLES = 5
EXCHANGES = 6


def record(run_dir: Path, name: str) -> None:
    """Copy what a finished run has to show; numbers are taken as they are."""
    facts = gather(run_dir)
    folder = RESULTS / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / JSON).write_bytes((run_dir / JSON).read_bytes())
    for stage, steps in facts.curves.items():
        if steps:
            validation = facts.validation.get(stage, ())
            svg = curve_svg(stage, steps, validation, facts.events, facts.model["vocab_size"], True)
            (folder / f"{stage}.svg").write_text(svg, "utf-8")
    (folder / "samples.md").write_text(_samples(_report(name)), "utf-8")


def results_block() -> str:
    """The README's results, made from the recorded reports only."""
    reports = {name: _report(name) for name in SHOWN if (RESULTS / name / JSON).exists()}
    lines = ["## What comes out", "", *_table(reports), "", *_machine(reports), ""]
    if "history" in reports:
        lines += ["![Loss of the recorded `history` run](docs/results/history/pretrain.svg)", ""]
    if "demo" in reports:
        lines += [
            "The demo's model, asked what it was never shown:",
            "",
            "```",
            *_exchanges(reports["demo"]),
            "```",
            "",
        ]
    names = " and ".join(f"[{name}](docs/results/{name}/samples.md)" for name in reports)
    lines += [f"Samples, as they came: {names}. The full reports lie beside them.", ""]
    return "\n".join(lines)


def with_results(readme: str) -> str:
    """The README with its results block replaced."""
    head, rest = readme.split(BEGIN)
    tail = rest.split(END)[1]
    return f"{head}{BEGIN}\n{results_block()}{END}{tail}"


def _report(name: str) -> dict[str, Any]:
    return dict(json.loads((RESULTS / name / JSON).read_text("utf-8")))


def _table(reports: Mapping[str, Mapping[str, Any]]) -> list[str]:
    names = list(reports)
    rows: list[tuple[str, list[str]]] = [
        ("parameters", [f"{report['model']['parameters']:,}" for report in reports.values()]),
        (
            "tokens read in pretraining",
            [f"{report['training']['pretrain']['tokens']:,}" for report in reports.values()],
        ),
        (
            "bits per byte, held-out text, base model",
            [_score(report, "bits_per_byte", "pretrain") for report in reports.values()],
        ),
        (
            "exact match, held-out questions, chat model",
            [_score(report, "exact_match", "sft") for report in reports.values()],
        ),
        ("... by guessing", [_baseline(report) for report in reports.values()]),
        ("minutes, from text to report", [_minutes(report) for report in reports.values()]),
    ]
    lines = [f"| | {' | '.join(f'`{name}`' for name in names)} |", f"|---|{'---|' * len(names)}"]
    return lines + [f"| {title} | {' | '.join(cells)} |" for title, cells in rows]


def _find(report: Mapping[str, Any], metric: str, stage: str) -> Mapping[str, Any] | None:
    return next((row for row in report["evals"] if row["metric"] == metric and row["stage"] == stage), None)


def _score(report: Mapping[str, Any], metric: str, stage: str) -> str:
    row = _find(report, metric, stage)
    if row is None:
        return "-"
    shown = f"{row['value']:.1%}" if metric == "exact_match" else f"{row['value']:.3f}"
    return f"{shown} (n = {row['n']:,})"


def _baseline(report: Mapping[str, Any]) -> str:
    row = _find(report, "exact_match", "sft")
    return "-" if row is None or row["baseline"] is None else f"{row['baseline']:.1%}"


def _minutes(report: Mapping[str, Any]) -> str:
    return f"{sum(stage['wall_seconds'] for stage in report['stages'].values()) / 60:.1f}"


def _machine(reports: Mapping[str, Mapping[str, Any]]) -> list[str]:
    made_on = {
        f"{report['environment']['processor']}, {report['environment']['threads']} threads, torch "
        f"{report['environment']['torch']}"
        for report in reports.values()
    }
    commits = ", ".join(f"`{name}` at {report['environment']['git_commit']}" for name, report in reports.items())
    return [f"Recorded on {'; '.join(sorted(made_on))}, without a GPU: {commits}."]


def _exchanges(report: Mapping[str, Any]) -> list[str]:
    """The first reply of each family, right or wrong."""
    seen: set[str] = set()
    lines = []
    for each in report["transcripts"]:
        if each["family"] in seen or len(seen) == EXCHANGES:
            continue
        seen.add(each["family"])
        lines += [f"{'you' if turn['role'] == 'user' else 'model'}> {turn['content']}" for turn in each["messages"]]
        lines += [f"model> {each['reply']}" + ("" if each["right"] else f"    (wrong: {each['expected']})"), ""]
    return lines[:-1]


def _samples(report: Mapping[str, Any]) -> str:
    lines = [f"# Samples of the recorded `{report['run']}` run", "", "As they came, good and bad.", ""]
    finished = [sample for sample in report["samples"] if "time" not in sample]
    base = [sample for sample in finished if sample["form"] == "continuation"][:SAMPLES]
    chat = [sample for sample in finished if sample["form"] == "chat"][:SAMPLES]
    for sample in [*base, *chat]:
        lines += [
            f"**{sample['prompt']}** ({sample['stage']}, temperature {sample['temperature']}, seed {sample['seed']})"
        ]
        lines += ["", *(f"> {line}" for line in sample["text"].splitlines() or [""]), ""]
    return "\n".join(lines)


def main(words: list[str]) -> None:
    """The two commands above."""
    match words:
        case ["record", run_dir, name]:
            record(Path(run_dir), name)
        case ["write"]:
            README.write_text(with_results(README.read_text("utf-8")), "utf-8")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
