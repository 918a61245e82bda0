"""What saving costs: the wait per save, the throughput beside one, the hashing, and how long a resume takes.

python bench/save.py    writes bench/results/save.json; 6 minutes, best on an otherwise idle machine

Stretches with one save and stretches without take turns in one process, so that a machine that slows down meanwhile
slows both. The state is that of a real model with AdamW; the steps are real ones, on random tokens.
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
from typing import Any

import numpy as np
import torch
import xxhash

from holdfast.base.records import Batch
from holdfast.bench.figures import spread
from holdfast.disk.files import CHUNK_BYTES
from holdfast.journal.journal import Journal, read
from holdfast.model.config import config_to_dict
from holdfast.model.sizes import size_config
from holdfast.stages import assemble
from holdfast.stages.run import environment
from holdfast.train.saving import Cadence, Saves
from holdfast.train.settings import OptimizerSettings
from holdfast.train.state import RunState
from holdfast.train.step import apply, gradients
from holdfast.vault.store import Policy, Vault
from holdfast.vault.verify import verify

RESULTS = Path(__file__).parent / "results" / "save.json"
HOLDFAST = [sys.executable, "-m", "holdfast"]
STRETCH_SECONDS = 10.0
PAIRS = 9
RESUMES = 5
VOCAB, CONTEXT, ROWS = 512, 64, 4
EVERY_MINUTE = 60.0
PATIENCE = 120.0
RESUME_RECIPE = (
    "smoke",
    "model.size=14m",
    "model.context_length=64",
    "pretrain.batch_tokens=256",
    "pretrain.steps=10000",
)


def state() -> RunState:
    """A model of 14 million parameters in its second step, so that the optimizer's memory exists."""
    config = size_config("14m", VOCAB, CONTEXT)
    model = assemble.fresh_model(config, 1, torch.device("cpu"))
    optimizer = assemble.optimizer(model, OptimizerSettings())
    found = RunState(model, optimizer, "pretrain", 1, ROWS, "fp32")
    step(found)
    return found


def step(found: RunState) -> None:
    """One real update on random tokens."""
    ids = np.random.default_rng(found.step).integers(0, VOCAB, (ROWS, CONTEXT + 1))
    report = gradients(found, Batch(ids[:, :-1], ids[:, 1:]))
    apply(found, report, 1.0, 1.0)
    found.step += 1


def stretch(found: RunState, saves: Saves, seconds: float) -> float:
    """Steps per second over a stretch of time, with whatever goes on beside them."""
    began, first = time.perf_counter(), found.step
    while time.perf_counter() - began < seconds:
        saves.look(found)
        step(found)
    return (found.step - first) / (time.perf_counter() - began)


def beside_training(folder: Path) -> dict[str, Any]:
    """What the loop waits per save, and what is left of the throughput where there is one save per stretch."""
    records: list[dict[str, Any]] = []
    found, journal = state(), Journal.open(folder / "journal")
    cadence = Cadence(save_steps=None, save_seconds=None, evaluate_steps=None, sample_steps=None)

    def record(kind: str, **fields: Any) -> None:
        records.append(journal.append(kind, **fields))

    saves = Saves(Vault(folder / "pretrain", 1), Policy(), cadence, record, journal.commit, found)
    fields = {"stage": "pretrain", "model": config_to_dict(size_config("14m", VOCAB, CONTEXT))}
    saves.finish(found, fields | found.fields(), ["warmup"])  # the buffers of the snapshot are made by the first save
    saves = Saves(Vault(folder / "pretrain", 1), Policy(), cadence, record, journal.commit, found)
    stretch(found, saves, STRETCH_SECONDS)
    saves.start(found, fields | found.fields(), ["warmup"])
    rates: dict[bool, list[float]] = {True: [], False: []}
    for pair in range(PAIRS):
        for saving in (True, False) if pair % 2 else (False, True):
            saves.drain()
            began = time.perf_counter()
            if saving:
                saves.start(found, fields | found.fields(), ["interval"])
            waited = time.perf_counter() - began
            rate = stretch(found, saves, STRETCH_SECONDS - waited)
            rates[saving].append(rate * (STRETCH_SECONDS - waited) / STRETCH_SECONDS)
    saves.drain()
    saves.close()
    done = [entry for entry in records if entry["kind"] == "checkpoint"][2:]
    losses = [1 - one / other for one, other in zip(rates[True], rates[False], strict=True)]
    return {
        "state_bytes": Vault(folder / "pretrain").checkpoints()[-1].manifest.bytes,
        "wait_ms_per_save": spread([entry["blocked_ms"] for entry in done]),
        "commit_seconds": spread([entry["seconds"] for entry in done]),
        "steps_per_second": {"with": spread(rates[True]), "without": spread(rates[False])},
        "throughput_loss_one_save_per_10_s": spread(losses),
        "throughput_loss_one_save_per_minute": statistics.median(losses) * STRETCH_SECONDS / EVERY_MINUTE,
    }


def integrity(folder: Path) -> dict[str, Any]:
    """What part of a save in the foreground goes into hashing, and what reading it back costs on top."""
    found, vault = state(), Vault(folder / "integrity", 1)
    shares, backs, totals = [], [], []
    for number in range(7):
        began = time.perf_counter()
        checkpoint = vault.commit(number, found.tensors(), {"stage": "pretrain"}, [])
        commit = time.perf_counter() - began
        began = time.perf_counter()
        for named in found.tensors().values():
            for tensor in named.values():
                raw = memoryview(tensor.detach().reshape(-1).view(torch.uint8).numpy().data)
                for start in range(0, len(raw), CHUNK_BYTES):
                    xxhash.xxh3_128_hexdigest(raw[start : start + CHUNK_BYTES])
        hashing = time.perf_counter() - began
        began = time.perf_counter()
        if (why := verify(checkpoint)) is not None:
            sys.exit(why)
        back = time.perf_counter() - began
        totals.append(commit + back)
        shares.append(hashing / (commit + back))
        backs.append(back / (commit + back))
        vault.retire(Policy(newest=2))
    return {
        "save_seconds": spread(totals),
        "hashing_share_of_a_save": spread(shares),
        "reading_back_share_of_a_save": spread(backs),
    }


def first_step_seconds(run_dir: Path, after: int) -> float:
    """Seconds from the start of the process to the journal line of its first new step."""
    started = time.time()
    process = subprocess.Popen([*HOLDFAST, "run", str(run_dir), "--quiet"])
    try:
        while time.time() - started < PATIENCE:
            news = [entry for entry in read(run_dir / "journal", since=after + 1) if entry["kind"] == "step"]
            if news:
                return float(news[0]["time"]) - started
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
    sys.exit(f"no step within {PATIENCE:.0f} s")


def resume(folder: Path, corpus: Path) -> dict[str, Any]:
    """A cold start (everything but the checkpoint is there) and a resume, in turns."""
    run_dir = folder / "run"
    words = [*RESUME_RECIPE, f"corpus.path={corpus}", "--run-dir", str(run_dir), "--quiet"]
    subprocess.run([*HOLDFAST, "run", *words, "--until", "tokens"], check=True)
    cold, resumed = [], []
    for _ in range(RESUMES):
        shutil.rmtree(run_dir / "pretrain", ignore_errors=True)
        cold.append(first_step_seconds(run_dir, _starts(run_dir)))
        resumed.append(first_step_seconds(run_dir, _starts(run_dir)))
    size = Vault(run_dir / "pretrain").checkpoints()[-1].manifest.bytes
    allowed = 1.25 * statistics.median(cold) + size / 300e6
    return {
        "checkpoint_bytes": size,
        "cold_start_seconds": spread(cold),
        "resume_seconds": spread(resumed),
        "allowed_seconds": allowed,
    }


def _starts(run_dir: Path) -> int:
    return len(list((run_dir / "journal").glob("*.jsonl")))


def main() -> None:
    """Measure, print and write."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        corpus = folder / "texts"
        corpus.mkdir()
        for number in range(40):
            text = "\n".join(f"Line {line} of letter {number}: the tide came in and went out." for line in range(200))
            (corpus / f"{number}.txt").write_text(text, "utf-8")
        result = {
            "environment": environment(),
            **beside_training(folder),
            **integrity(folder),
            **resume(folder, corpus),
        }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
