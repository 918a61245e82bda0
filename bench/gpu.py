"""Training speed of one device: tokens a second, share of its peak and memory, eager and compiled.

python bench/gpu.py [--sizes gpt2-124m,medium-334m,d12,d16,d20] [--modes eager,default,reduce-overhead]
                    [--precision bf16] [--rows N] [--steps N] [--peak TFLOPS]      writes bench/results/gpu.json

Steps are whole: gradients of one micro-batch, clipping and the optimizer (Muon and AdamW), on made-up tokens. The
arithmetic of a token is counted as everywhere in this repository, see model/count.py; the peak is the maker's number
for dense bf16 (H100 and H200: 989 TFLOP/s), so that shares can be compared with those that others publish.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch

from holdfast.bench.figures import spread
from holdfast.model.count import flops_per_token, parameters
from holdfast.model.sizes import size_config
from holdfast.stages import assemble
from holdfast.stages.planning.probe import made_up_batch
from holdfast.stages.planning.table import largest
from holdfast.stages.run import environment
from holdfast.train.compiled import compile_layers, give_up, shortfall
from holdfast.train.memory import ROOM, OutOfMemory, free_memory, release
from holdfast.train.settings import OptimizerSettings
from holdfast.train.state import RunState
from holdfast.train.step import apply, gradients

RESULTS = Path(__file__).parent / "results" / "gpu.json"
VOCABULARY = 50_304
WARM = 3
MOST_ROWS = 64  # at once: more are not faster
PEAK = 989.0  # TFLOP/s


def measure(size: str, mode: str, asked: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """One size, one way. `failed` says why there is nothing else."""
    config = size_config(size, asked.vocabulary)
    row: dict[str, Any] = {"size": size, "mode": mode, "parameters": parameters(config)}
    fits = largest(config, int(ROOM * free_memory(device)), asked.precision, heap=device.type == "cpu")["rows"]
    rows = asked.rows or max(1, min(MOST_ROWS, fits))
    model = assemble.fresh_model(config, 1, device)
    optimizer = assemble.optimizer(model, OptimizerSettings(kind="muon"))
    state = RunState(model, optimizer, "bench", 1, rows, asked.precision)
    batch = made_up_batch(rows, config, 1, packed=False)
    started = time.perf_counter()
    try:
        if mode != "eager":
            compile_layers(state, mode)
            if (why := shortfall(state, batch)) is not None:
                give_up(state)
                return row | {"failed": why}
        first = time.perf_counter() - started
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        seconds = [_step(state, batch, device) for _ in range(WARM + asked.steps)][WARM:]
    except OutOfMemory:
        return row | {"failed": f"{rows} rows do not fit"}
    tokens = rows * config.context_length
    pace = [tokens / each for each in seconds]
    share = statistics.median(pace) * flops_per_token(config) / (asked.peak * 1e12)
    memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    return row | {"rows": rows, "context_length": config.context_length, "tokens_per_second": spread(pace),
                  "mfu": share, "memory_bytes": memory, "compile_seconds": first}  # fmt: skip


def _step(state: RunState, batch: Any, device: torch.device) -> float:
    started = time.perf_counter()
    apply(state, gradients(state, batch), 1.0, 1.0)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def main(words: list[str]) -> None:
    """Measure what is asked for, one after the other, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="gpt2-124m,medium-334m,d12,d16,d20")
    parser.add_argument("--modes", default="eager,default,reduce-overhead")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--vocabulary", type=int, default=VOCABULARY)
    parser.add_argument("--peak", type=float, default=PEAK)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args(words)
    device = torch.device(asked.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    found: dict[str, Any] = environment() | {"device": name, "precision": asked.precision, "peak_tflops": asked.peak}
    found["rows"] = []
    for size in asked.sizes.split(","):
        for mode in asked.modes.split(","):
            found["rows"].append(measure(size, mode, asked, device))
            torch.compiler.reset()
            release()
            print(json.dumps(found["rows"][-1]), flush=True)
            asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
