"""How long until something happens: `holdfast --help`, and the first training step of a run whose data is made.

python bench/startup.py RECIPE [SETTING=VALUE ...]    writes bench/results/startup.json

The run is made up to its tokens in a temporary folder, then started several times and stopped after its first step.
"""

from __future__ import annotations

import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from holdfast.journal.journal import read
from holdfast.stages.run import environment

RESULTS = Path(__file__).parent / "results" / "startup.json"
HOLDFAST = [sys.executable, "-m", "holdfast"]
ROUNDS = 5
PATIENCE = 120.0


def help_seconds() -> float:
    """Seconds of one `holdfast --help`, process start included."""
    started = time.perf_counter()
    subprocess.run([*HOLDFAST, "--help"], check=True, capture_output=True)
    return time.perf_counter() - started


def first_step_seconds(words: list[str], run_dir: Path) -> float:
    """Seconds from the start of the process to the journal line of its first training step, with the tokens at hand."""
    for stage in ("pretrain", "journal"):
        shutil.rmtree(run_dir / stage, ignore_errors=True)
    started = time.time()
    process = subprocess.Popen([*HOLDFAST, "run", *words, "--run-dir", str(run_dir), "--quiet"])
    try:
        while time.time() - started < PATIENCE:
            for record in read(run_dir / "journal"):
                if record["kind"] == "step":
                    return float(record["time"]) - started
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
    sys.exit(f"no step within {PATIENCE:.0f} s")


def main(words: list[str]) -> None:
    """Measure, print and write."""
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        subprocess.run(
            [*HOLDFAST, "run", *words, "--run-dir", str(run_dir), "--until", "tokens", "--quiet"], check=True
        )
        measured = {
            "help_seconds": [help_seconds() for _ in range(ROUNDS)],
            "first_step_seconds": [first_step_seconds(words, run_dir) for _ in range(ROUNDS)],
        }
    recipe = [word if "path=" not in word else word.split("=")[0] for word in words]
    result = {
        "recipe": recipe,
        "environment": environment(),
        **{
            name: {"median": statistics.median(values), "low": min(values), "high": max(values), "n": len(values)}
            for name, values in measured.items()
        },
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
