"""The same work by several systems in turns, and what comes of it as a file and as a table."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.bench.figures import OURS, Measured, kept, pairs, summary

MORE_ROUNDS = 2  # times as many as asked for at most, where rounds were dropped
SCHEMA = 1

Once = Callable[[str, int], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Trial:
    """How something is measured. tell: hears a line about each run."""

    rounds: int
    probe: Callable[[], float]
    tell: Callable[[str], None] = lambda line: None

    def interleave(self, systems: Sequence[str], once: Once, ours: str = OURS) -> list[Measured]:
        """Rounds in which every system has its turn, in the other order every second time, until enough of them count.

        once(system, round): one run, its figures.
        """
        runs: list[Measured] = []
        for number in range(MORE_ROUNDS * self.rounds):
            before = self.probe()
            for name in systems if number % 2 == 0 else systems[::-1]:
                figures = dict(once(name, number))
                after = self.probe()
                runs.append(Measured(number, name, before, after, figures))
                told = ", ".join(f"{key} {value:,.4g}" for key, value in figures.items())
                self.tell(f"round {number + 1}, {name}: {told} (probe {before:.0f} to {after:.0f} GFLOP/s)")
                before = after
            if self._enough(runs, systems, ours):
                break
        return runs

    def _enough(self, runs: list[Measured], systems: Sequence[str], ours: str) -> bool:
        peers = [name for name in systems if name != ours]
        counted = [len(list(pairs(runs, ours, peer))) for peer in peers] or [len(kept(runs, ours))]
        return min(counted) >= self.rounds


def result(
    verb: str,
    environment: Mapping[str, Any],
    config: Mapping[str, Any],
    runs: Sequence[Measured],
    ours: str = OURS,
    **more: Any,
) -> dict[str, Any]:
    """A result as it is written: what ran where, and its figures. The peak is the best matrix probe around any run."""
    peak = max((max(run.before, run.after) for run in runs), default=None)
    return {
        "schema": SCHEMA,
        "verb": verb,
        "measured": time.strftime("%Y-%m-%d"),
        "environment": dict(environment),
        "config": dict(config),
        "peak_gflops": peak,
        "ours": ours,
        **summary(runs, ours),
        **more,
    }


def write(folder: Path, name: str, found: Mapping[str, Any]) -> Path:
    """Keep a result as folder/name.json."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n", "utf-8")
    return path


def table(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """(columns, rows): a row per system, median and extremes of each figure, and ours as a multiple of it."""
    keys = list(dict.fromkeys(key for figures in found["systems"].values() for key in figures))
    columns = ["system", *(key.replace("_", " ") for key in keys), f"{found['ours']} / it", "runs", "dropped"]
    rows = []
    for name, figures in found["systems"].items():
        ratio = next(iter(found["ratios"].get(name, {}).values()), None)  # of the first figure that both have
        count = next((each["n"] for each in figures.values()), 0)
        cells = [_cell(figures.get(key)) for key in keys]
        rows.append([name, *cells, _cell(ratio), str(count), str(found["dropped"].get(name, 0))])
    return columns, rows


def _cell(value: Mapping[str, float] | None) -> str:
    if value is None:
        return "-"
    return f"{value['median']:,.4g} ({value['low']:,.4g} to {value['high']:,.4g})"
