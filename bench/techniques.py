"""What each thing that makes a step fast is worth: the step with all of them, and with one left out, in turns.

python bench/techniques.py    writes bench/results/techniques.json; about 6 minutes

A step is that of one of two processes with one thread: 4 layers of 256, a vocabulary of 8,192, 4 rows of 512, Muon.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from holdfast.bench.child import plain_environment
from holdfast.bench.machine import busy, described, probe
from holdfast.bench.rounds import Trial, result, write
from holdfast.disk.places import cache_folder
from holdfast.model import attention, loss, parts
from holdfast.model.build import build, initialise
from holdfast.model.sizes import size_config
from holdfast.native import ops
from holdfast.optim import muon
from holdfast.optim.build import OptimizerConfig, build_optimizer
from holdfast.stages import assemble
from holdfast.train.heap import VARIABLE

RESULTS = Path(__file__).parent / "results"
ROUNDS, STEPS, WARMUP = 5, 6, 2
ROWS, CONTEXT, VOCAB = 4, 512, 8192
NEVER = 1 << 60


def iterate_whole_matrices() -> None:
    """Newton-Schulz as it is written down, on matrices of any shape."""
    muon.LONG = NEVER


def attend_by_torch() -> None:
    """No attention by blocks."""
    attention.LONGEST = 0


def project_apart() -> None:
    """A product for each of q, k and v."""
    parts.WORTH_JOINING = NEVER


def logits_at_once() -> None:
    """All logits of the batch in one piece."""
    loss.chunk_rows = lambda tokens, *_: tokens


LEFT_OUT: dict[str, Callable[[], None]] = {
    "kernels": ops.unload,
    "attention by blocks": attend_by_torch,
    "joined projections": project_apart,
    "Gram matrices": iterate_whole_matrices,
    "logits in chunks": logits_at_once,
    "kept memory": lambda: None,  # left out by the environment
}


def main() -> None:
    """All of them in turns."""
    percent = busy()
    trial = Trial(ROUNDS, probe, print)
    runs = trial.interleave(["all", *LEFT_OUT], lambda name, _: _in_a_process(name), "all")
    shape = {"layers": 4, "width": 256, "vocab": VOCAB, "context": CONTEXT, "rows": ROWS, "mlp": "relu2", "threads": 1}
    print(write(RESULTS, "techniques", result("techniques", described(percent), shape, runs, "all")))


def _in_a_process(left_out: str) -> Mapping[str, float]:
    more = {VARIABLE: "system"} if left_out == "kept memory" else {}
    told = subprocess.run(
        [sys.executable, __file__, left_out], env=plain_environment(**more), capture_output=True, text=True, check=True
    )
    figures: Mapping[str, float] = json.loads(told.stdout)
    return figures


def step_figures(left_out: str) -> Mapping[str, float]:
    """Median milliseconds of a step without one of them, its page faults, and the most memory of the process."""
    assemble.settle_process(1)
    assert ops.in_use() != "torch", ops.load(cache_folder() / assemble.KERNELS)
    LEFT_OUT.get(left_out, lambda: None)()
    config = size_config("tiny", VOCAB, CONTEXT, hidden_size=256, num_layers=4, num_heads=4, mlp="relu2", tied=False)
    model = build(config)
    initialise(model, 1)
    optimizer = build_optimizer(model, OptimizerConfig(kind="muon"))
    ids = torch.randint(0, VOCAB, (ROWS, CONTEXT + 1), generator=torch.Generator().manual_seed(1))
    seconds = []
    for _ in range(WARMUP + STEPS):
        faults, started = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.perf_counter()
        optimizer.zero_grad()
        (model.loss_sum(ids[:, :-1], ids[:, 1:]) / (ROWS * CONTEXT)).backward()
        optimizer.step(1.0)
        seconds.append(time.perf_counter() - started)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "step_ms": 1000 * statistics.median(seconds[WARMUP:]),
        "page_faults": float(usage.ru_minflt - faults),
        "memory_mb": usage.ru_maxrss / 1000,
    }


if __name__ == "__main__":
    if len(sys.argv) > 1:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        print(json.dumps(step_figures(sys.argv[1])))
    else:
        main()
