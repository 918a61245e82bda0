"""What every peer's program does around its own model and optimizer. It runs in any Python with torch and numpy.

The config is a JSON file: `tokens` (raw ids, files in order) and their `dtype`, the shape (`layers`, `width`,
`head_size`, `vocab`, `context`, `rows`), `steps` or `seconds` of training, `learning_rate`, `threads`, `compile`,
`seed`, `heldout` (see `holdfast.bench.heldout`, or none), `checkout` (or none) and `out`. What comes of it goes to
`out` as JSON lines: a `step` for each step with `time` (since 1970), all `tokens` so far and the `loss`, a `score` with
`bits_per_byte`, and `end` with the versions.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from holdfast.bench.heldout import bits_per_byte

Config = dict[str, Any]


class Course:
    """A peer's training from its first batch to its last, by steps or by the clock.

    Everything counts by the clock from here on: the model's making, compilation, every step.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.began = time.perf_counter()
        self.steps = 0
        self._out = open(config["out"], "a", encoding="utf-8")  # noqa: SIM115 - open as long as the program
        self._ids = [np.memmap(path, dtype=config["dtype"], mode="r") for path in config["tokens"]]
        self._rng = np.random.default_rng(config["seed"])
        self._slowest = 0.0
        self._last = self.began

    @property
    def progress(self) -> float:
        """What part of the training is done, 0 to 1."""
        if self.config.get("steps") is not None:
            return min(1.0, self.steps / float(self.config["steps"]))
        return min(1.0, (time.perf_counter() - self.began) / float(self.config["seconds"]))

    @property
    def over(self) -> bool:
        """Whether another step would be too many, or end too late."""
        if self.config.get("steps") is not None:
            return self.steps >= int(self.config["steps"])
        return time.perf_counter() - self.began + self._slowest > float(self.config["seconds"])

    def batch(self) -> tuple[Tensor, Tensor]:
        """(B, T) inputs and targets: windows from random places."""
        rows, context = int(self.config["rows"]), int(self.config["context"])
        pieces = []
        for _ in range(rows):
            ids = self._ids[int(self._rng.integers(len(self._ids)))]
            start = int(self._rng.integers(len(ids) - context))
            pieces.append(ids[start : start + context + 1].astype(np.int64))
        whole = torch.from_numpy(np.stack(pieces))
        return whole[:, :-1].contiguous(), whole[:, 1:].contiguous()

    def stepped(self, loss: float | None = None) -> None:
        """Tell that a step was made, and with which loss where that is known."""
        now = time.perf_counter()
        if self.steps:  # the first one compiles
            self._slowest = max(self._slowest, now - self._last)
        self._last = now
        self.steps += 1
        tokens = self.steps * int(self.config["rows"]) * int(self.config["context"])
        self.tell("step", time=time.time(), tokens=tokens, loss=loss)

    def tell(self, kind: str, **fields: Any) -> None:
        """A line for whoever reads `out`."""
        self._out.write(json.dumps({"kind": kind, **fields}) + "\n")
        self._out.flush()

    def end(self, logits: Callable[[Tensor], Tensor], parameters: int, **versions: str) -> None:
        """Measure the model, where there is something to measure it on, and finish."""
        if (heldout := self.config.get("heldout")) is not None:
            seconds = time.perf_counter() - self.began
            self.tell("score", bits_per_byte=bits_per_byte(logits, Path(heldout)), seconds=seconds)
        self.tell("end", parameters=parameters, versions={"torch": torch.__version__, **versions})


def start(module: str | None = None) -> tuple[Course, Any]:
    """The training that the command line names, its threads and seed set, and `module` of its checkout. No import is
    on the clock of anybody's training."""
    config: Config = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    torch.set_num_threads(config["threads"])
    torch.manual_seed(config["seed"])
    if module is not None:
        sys.path.insert(0, config["checkout"])
    theirs = None if module is None else importlib.import_module(module)
    return Course(config), theirs


def cosine(progress: float, warmup: float = 0.05, least: float = 0.1) -> float:
    """Factor on the highest rate: up in a line, down as half a cosine (Loshchilov and Hutter 2017)."""
    if progress < warmup:
        return max(progress, 1e-3) / warmup
    return least + (1 - least) * 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def train(
    course: Course,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
    parameters: list[torch.nn.Parameter],
    clip: float = 1.0,
) -> None:
    """The plain loop: loss, gradient, clip, step, with the rate of `cosine`."""
    highest = [group["lr"] for group in optimizer.param_groups]
    while not course.over:
        factor = cosine(course.progress)
        for group, rate in zip(optimizer.param_groups, highest, strict=True):
            group["lr"] = rate * factor
        loss = loss_of(*course.batch())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        course.stepped(float(loss.detach()))
