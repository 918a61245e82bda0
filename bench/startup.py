"""How long until something happens: `holdfast --help`, and the first training step of a run whose data is made.

python bench/startup.py RECIPE [SETTING=VALUE ...]    writes bench/results/startup.json

The run is made up to its tokens in a temporary folder, then started several times and stopped after its first step.
Then once more with a gigabyte of tokens in the place of its own: what a start costs must not grow with the text.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from figures import spread

from holdfast.feed.shards import Shards
from holdfast.feed.write import ShardWriter
from holdfast.journal.journal import read
from holdfast.stages.run import environment

RESULTS = Path(__file__).parent / "results" / "startup.json"
HOLDFAST = [sys.executable, "-m", "holdfast"]
ROUNDS = 5
PATIENCE = 120.0
LARGE_BYTES = 10**9  # of tokens on the disk
DOCUMENT_TOKENS = 600  # on average; web pages are about so long


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


def grow(run_dir: Path) -> int:
    """Put a gigabyte of random tokens in the place of those to train on; returns how many they are."""
    folder = run_dir / "tokens" / "train"
    small = Shards.open(folder)
    kept = {name: small.manifest[name] for name in ("made_from", "tokenizer_fingerprint")}
    ids = np.dtype(small.manifest["dtype"])
    rng, wanted = np.random.default_rng(1), LARGE_BYTES // ids.itemsize
    most = int(small.read(0, min(small.tokens, 100_000)).max())
    shutil.rmtree(folder)
    with ShardWriter(folder, ids) as writer:
        for size in _sizes(rng, wanted):
            writer.add(rng.integers(0, most, size, dtype=np.int64), text_bytes=4 * size)
        return int(writer.close(kept)["tokens"])


def _sizes(rng: np.random.Generator, wanted: int) -> Iterator[int]:
    """Lengths of documents, spread as widely as those of real ones, until there are `wanted` tokens."""
    while wanted > 0:
        size = min(wanted, 2 + int(rng.exponential(DOCUMENT_TOKENS)))
        wanted -= size
        yield size


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
        large = grow(run_dir)
        measured["first_step_seconds_1gb"] = [first_step_seconds(words, run_dir) for _ in range(ROUNDS)]
    recipe = [word if "path=" not in word else word.split("=")[0] for word in words]
    result = {
        "recipe": recipe,
        "tokens_1gb": large,
        "environment": environment(),
        **{name: spread(values) for name, values in measured.items()},
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
