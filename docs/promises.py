"""What survives what: the table of promises in docs/explanation, written from the recorded runs of the harnesses.

make chaos                       runs them in full and keeps their figures in docs/results/chaos
python docs/promises.py          writes the table again from what lies there
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results" / "chaos"
SAVE = ROOT / "bench" / "results" / "save.json"
PAGE = ROOT / "docs" / "explanation" / "what-survives-what.md"
BEGIN, END = "<!-- promises:begin -->", "<!-- promises:end -->"

Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Promise:
    """One row: what is promised, the test that breaks it on purpose, and what its recorded run counted.

    results: the recorded files, by pattern; counted: their figures as words.
    """

    what: str
    test: str
    results: str
    counted: Callable[[list[Figures]], str]


def total(name: str) -> Callable[[list[Figures]], int]:
    """The sum of one figure over the recorded files."""
    return lambda found: sum(figures[name] for figures in found)


def _kills(found: list[Figures]) -> str:
    (one,) = found
    return (
        f"{one['kills']:,} kills in {one['runs']} runs: {one['unloadable']} unloadable, {one['acknowledged_lost']} "
        f"acknowledged checkpoints lost, {one['runs_not_bit_equal']} runs not equal to the bit"
    )


def _signals(found: list[Figures]) -> str:
    (one,) = found
    return (
        f"{one['signals']} signals at random moments: {one['committed']} committed, {one['exit_75']} left with 75, "
        f"{one['steps_lost']} steps lost"
    )


def _power(found: list[Figures]) -> str:
    (one,) = found
    wrong = {name: sum(one[name]["violations"].values()) for name in ("ordered", "weak")}
    return (
        f"{one['states']:,} states after a crash ({one['ordered']['states']:,} with an ordered, "
        f"{one['weak']['states']:,} with a weak file system): {wrong['ordered']} and {wrong['weak']} violations"
    )


def _sabotage(found: list[Figures]) -> str:
    seen = sum(1 for one in found if any(one[name]["violations"] for name in ("ordered", "weak")))
    return f"{seen} of {len(found)} protocols that leave out one thing are seen to break"


def _disk(found: list[Figures]) -> str:
    return (
        f"{sum(one.get('operations', one.get('sizes', 0)) for one in found):,} operations and sizes: nothing older lost"
    )


def _rot(found: list[Figures]) -> str:
    (one,) = found
    kept = {key: value for key, value in one["total"].items() if isinstance(value, int)}
    return ", ".join(f"{value:,} {key}" for key, value in kept.items())


def _steps(found: list[Figures]) -> str:
    return f"{total('bit_equal')(found)} of {total('resumes')(found)} resumes equal to the bit"


def _audit(found: list[Figures]) -> str:
    (one,) = found
    return f"{one['told']} of {one['tampered']} tamperings told"


def _risk(found: list[Figures]) -> str:
    (one,) = found
    return f"at most {one['most_seconds_lost']:.1f} s of work, counted over {one['steps']} steps"


def _order(found: list[Figures]) -> str:
    (one,) = found
    return f"{one['cases']} layouts, {one['rows']:,} rows: {one['differences']} differences"


def _attacks(found: list[Figures]) -> str:
    (one,) = found
    return (
        f"{one['attacks']} attacks: {one['refused']} refused, {one['harmless']} harmless, "
        f"{one['foreign_code']} ran code; at most {one['most_memory_bytes'] / 1e6:.0f} MB "
        f"and {one['slowest_seconds']:.1f} s"
    )


def _fuzz(found: list[Figures]) -> str:
    (one,) = found
    return f"{one['cases']:,} changed manifests and headers: {len(one['events'])} ran code, none crashed a reader"


def _builds(found: list[Figures]) -> str:
    broken = sum(one.get("kills", 0) + one.get("stops", 0) + one.get("broken", 0) for one in found)
    return f"{broken:,} interruptions: {total('different')(found)} builds with other bytes"


def _retention(found: list[Figures]) -> str:
    (one,) = found
    return f"{one['lifetimes']:,} random lifetimes with {one['save']:,} saves and {one['taken back']:,} ways back"


PROMISES = (
    Promise("SIGKILL at any moment", "tests/chaos/test_kills.py", "kills", _kills),
    Promise("SIGTERM, SIGINT, SIGUSR1", "tests/chaos/test_signals.py", "signals", _signals),
    Promise("An end after every single step", "tests/chaos/test_every_step.py", "every-step-*", _steps),
    Promise("Work lost to a kill, by default settings", "tests/chaos/test_kills.py", "work-at-risk", _risk),
    Promise("Power loss", "tests/chaos/test_power_loss.py", "power_loss", _power),
    Promise("... and what the explorer can see", "tests/chaos/test_power_loss.py", "power_loss_*", _sabotage),
    Promise("A full or failing disk", "tests/chaos/test_disk_full_vault.py", "disk_*", _disk),
    Promise("Bit rot and truncation, in every kind of file", "tests/chaos/test_bit_rot.py", "bit-rot", _rot),
    Promise("A resume that is not exact is told", "tests/chaos/test_audit.py", "audit", _audit),
    Promise("Retention never takes the last good one", "tests/vault/test_lifetimes.py", "retention", _retention),
    Promise("Interrupted corpus and token builds", "tests/chaos/test_builds.py", "builds_*", _builds),
    Promise("Other numbers of processes and micro-batches", "tests/feed/test_elastic.py", "elastic-order", _order),
    Promise("A checkpoint from a stranger", "tests/chaos/test_untrusted.py", "untrusted-attacks", _attacks),
    Promise("... changed at random", "tests/chaos/test_untrusted.py", "untrusted-fuzz", _fuzz),
)


def table() -> str:
    """The rows whose figures were recorded, and where they were."""
    lines = ["| what happens | what was counted | broken on purpose by |", "|---|---|---|"]
    commits = set()
    for promise in PROMISES:
        found = [json.loads(path.read_text("utf-8")) for path in sorted(RESULTS.glob(f"{promise.results}.json"))]
        if found:
            name = promise.test.rpartition("/")[2]
            lines.append(f"| {promise.what} | {promise.counted(found)} | [{name}](../../{promise.test}) |")
            commits |= {figures["environment"]["git_commit"] or "a copy without its history" for figures in found}
    return "\n".join(
        [*lines, "", f"Counted at {', '.join(f'`{commit}`' for commit in sorted(commits))}.", "", *_costs()]
    )


def _costs() -> list[str]:
    if not SAVE.exists():
        return []
    save = json.loads(SAVE.read_text("utf-8"))
    minute, ten = save["throughput_loss_one_save_per_minute"], save["throughput_loss_one_save_per_10_s"]
    return [
        f"What it costs, for a state of {save['state_bytes'] / 1e6:.0f} MB on {save['environment']['cores']} cores "
        f"(`bench/results/save.json`, medians): the loop waits {save['wait_ms_per_save']['median']:.0f} ms per save; "
        f"one save every ten seconds takes {ten['median']:.1%} of the throughput ({ten['low']:.1%} to "
        f"{ten['high']:.1%} over {ten['n']} pairs of stretches), one a minute {minute:.1%}; hashing is "
        f"{save['hashing_share_of_a_save']['median']:.0%} of a save's time and reading back "
        f"{save['reading_back_share_of_a_save']['median']:.0%}, both beside the training. A resume takes "
        f"{save['resume_seconds']['median']:.1f} s to its first new step, a cold start "
        f"{save['cold_start_seconds']['median']:.1f} s.",
        "",
    ]


def with_table(page: str) -> str:
    """The page with its table replaced."""
    head, rest = page.split(BEGIN)
    return f"{head}{BEGIN}\n{table()}{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
