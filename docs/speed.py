"""How fast it is, and why: tables in the README and on a page, written from what was measured.

holdfast bench train|loss|...    measures and keeps its figures in bench/results
python bench/techniques.py       the same for the parts of a step
python docs/speed.py             writes the tables again from what lies there
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"
README = ROOT / "README.md"
PAGE = ROOT / "docs" / "explanation" / "why-it-is-fast.md"

# file -> (what it is, figure, how it is written)
ROWS = (
    ("train-a", "tokens/s in training, 4 layers x 256", "tokens_per_second", "{:,.0f}"),
    ("train-b", "... 6 layers x 384", "tokens_per_second", "{:,.0f}"),
    ("train-c", "... GPT-2 of 124M", "tokens_per_second", "{:,.0f}"),
    ("train-a", "part of the measured matrix peak, 4 x 256", "peak_share", "{:.0%}"),
    ("train-b", "... 6 x 384", "peak_share", "{:.0%}"),
    ("train-c", "... 124M", "peak_share", "{:.0%}"),
    ("train-c", "most memory, 124M, GB", "memory_gb", "{:.1f}"),
    ("train-a", "seconds to the first step, 4 x 256", "first_step_seconds", "{:.1f}"),
    ("loss-5min", "bits per byte of held-out novels after 5 minutes", "bits_per_byte", "{:.3f}"),
    ("loss-2min", "... after 2 minutes", "bits_per_byte", "{:.3f}"),
    ("loss-30min", "... after 30 minutes", "bits_per_byte", "{:.3f}"),
    ("infer-a", "tokens/s of text that is made, 4 x 256, one prompt", "batch_1_tokens_per_second", "{:,.0f}"),
    ("infer-a", "... eight prompts", "batch_8_tokens_per_second", "{:,.0f}"),
)


def table(results: Path = RESULTS) -> str:
    """The rows that were measured: medians, and behind each peer's how many times as much ours is."""
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(results.glob("*.json"))}
    used = {name: found[name] for name, *_ in ROWS if name in found}
    if not used:
        return "\n"
    names = list(dict.fromkeys(name for each in used.values() for name in each["systems"]))
    lines = ["## How fast it is", "", f"| | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for name, what, figure, form in ROWS:
        if name in used:
            lines.append(f"| {what} | {' | '.join(_cells(used[name], names, figure, form))} |")
    beside = "In brackets ours divided by theirs, within a round. "
    return "\n".join(["", *lines, "", beside + _measured(used, "docs/reference/bench.md"), ""])


def _cells(result: Mapping[str, Any], names: Sequence[str], figure: str, form: str) -> list[str]:
    key, divisor = ("memory_mb", 1000) if figure == "memory_gb" else (figure, 1)
    cells = []
    for name in names:
        value = result["systems"].get(name, {}).get(key)
        ratio = result["ratios"].get(name, {}).get(key)
        shown = "-" if value is None else form.format(value["median"] / divisor)
        cells.append(shown if ratio is None else f"{shown} ({ratio['median']:.2f}x)")
    return cells


def _measured(used: Mapping[str, Mapping[str, Any]], rules: str) -> str:
    machines, commits = set(), dict[str, list[str]]()
    for name, result in used.items():
        about = result["environment"]
        machines.add(f"{about['processor']}, {about['cores']} cores, torch {about['torch']}")
        commits.setdefault(about["git_commit"], []).append(f"`{name}`")
    at = ", ".join(f"{' '.join(names)} at {commit}" for commit, names in commits.items())
    return (
        f"Medians of runs in turns, each in a fresh process, on {'; '.join(sorted(machines))}. "
        "Rounds in which a matrix probe before and after each run differed by more "
        f"than 15 % are left out. [How it is measured]({rules}); figures: {at}."
    )


def techniques(results: Path = RESULTS) -> str:
    """What a step takes with each of its parts left out."""
    if not (path := results / "techniques.json").exists():
        return "\n"
    found = json.loads(path.read_text("utf-8"))
    lines = ["| left out | ms a step | times as long | page faults | MB |", "|---|---|---|---|---|"]
    for name, figures in found["systems"].items():
        step = figures["step_ms"]
        ratio = found["ratios"].get(name, {}).get("step_ms")
        longer = "" if ratio is None else f"{1 / ratio['median']:.2f}"
        lines.append(
            f"| {'nothing' if name == found['ours'] else name} | {step['median']:.0f} ({step['low']:.0f} to "
            f"{step['high']:.0f}) | {longer} | {figures['page_faults']['median']:,.0f} | "
            f"{figures['memory_mb']['median']:.0f} |"
        )
    return "\n".join(["", *lines, "", _measured({path.stem: found}, "../reference/bench.md"), ""])


TABLES = ((README, "speed", table), (PAGE, "techniques", techniques))


def with_table(text: str, name: str, made: str) -> str:
    """A text with what lies between its two marks replaced."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    head, rest = text.split(begin)
    return f"{head}{begin}{made}{end}{rest.split(end)[1]}"


if __name__ == "__main__":
    for document, mark, make in TABLES:
        document.write_text(with_table(document.read_text("utf-8"), mark, make()), "utf-8")
