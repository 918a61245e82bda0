"""The fault matrix: the page in docs/explanation, written from the recorded runs of tests/chaos/test_faults.py.

make chaos                  runs the harness in full and keeps its figures in docs/results/chaos
python docs/faults.py       writes the page's table again from what lies there
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results" / "chaos"
PAGE = ROOT / "docs" / "explanation" / "fault-matrix.md"
BEGIN, END = "<!-- faults:begin -->", "<!-- faults:end -->"

# fault -> where it is injected
PLACES = {
    "nan": "the loss of a batch is no number",
    "inf": "the loss of a batch is infinite",
    "nan-grad": "one number in the gradient of one parameter is none",
    "spike": "the tokens of a batch are noise",
    "lr": "one update is made with 60 times the learning rate",
    "oom": "memory runs out at the first try of a batch",
    "oom-evaluate": "memory runs out in a validation",
    "oom-sample": "memory runs out while samples are written",
    "oom-save": "memory runs out when the state is copied to be saved",
    "slow": "one step takes five seconds",
    "hang": "training stands still and does not go on",
    "kill": "SIGKILL after a step",
    "term": "SIGTERM after a step",
    "enospc": "no space is left for one file operation",
    "crash-before": "the process is killed before it renames a file",
    "torn": "half of a write reaches the disk, then the process is killed",
}
ENDS = {0: "done", 70: "halted", 74: "disk full", 75: "stopped", -9: "killed"}  # of a start, by its exit code


def table() -> str:
    """A row for each fault of the recorded run, and what the random scripts came to."""
    found = json.loads((RESULTS / "faults.json").read_text("utf-8"))
    lines = ["| fault | where | what was decided | starts | outcome |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(_cells(row))} |" for row in found["rows"]]
    commit = found["environment"]["git_commit"] or "a copy without its history"
    return "\n".join([*lines, "", f"Runs of {found['steps']} steps. Counted at `{commit}`.", "", *_scripts()])


def _cells(row: Mapping[str, Any]) -> Iterator[str]:
    yield f"`{row['fault']}`"
    yield PLACES[row["fault"].partition("@")[0]]
    yield ", ".join(name if count == 1 else f"{count} x {name}" for name, count in row["decided"].items()) or "nothing"
    yield ", ".join(ENDS[code] for code in row["exit_codes"])
    if row["outcome"] == "healed":
        noticed = "" if row["decided"] else "not noticed, "
        yield f"{noticed}replayed to the bit; validation {row['worse']:+.1%}"
    else:
        yield str(row["outcome"])


def _scripts() -> list[str]:
    path = RESULTS / "replayed-faults.json"
    if not path.exists():
        return []
    found = json.loads(path.read_text("utf-8"))
    decided = ", ".join(f"{count} x {name}" for name, count in found["decided"].items())
    halted = f", {found['halted']} of them up to where the guard halted them" if found["halted"] else ""
    return [
        f"{found['scripts']} random scripts of several faults each, in {found['starts']} starts: `replay` reproduces "
        f"{found['bit_equal']} of the runs bit for bit{halted}. Decided on the way: {decided}.",
        "",
    ]


def with_table(page: str) -> str:
    """The page with its table replaced."""
    head, rest = page.split(BEGIN)
    return f"{head}{BEGIN}\n{table()}{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
