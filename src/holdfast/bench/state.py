"""Saving and loading a state of training, by us and by others. Run as `python -m holdfast.bench.state CONFIG`.

Everybody writes the same tensors, weights and the memory of AdamW, and must have them on the disk (fsync) at the end.
`wait` is what training waits for a save; `seconds` go by until it would survive a power loss. Loading ends with the
tensors in a model and its optimizer; ours verifies every byte on the way, as it does in a run.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver

from holdfast.base.machine import cores
from holdfast.bench.bench import Bench
from holdfast.bench.child import in_fresh_process
from holdfast.bench.figures import OURS
from holdfast.disk import fileops
from holdfast.model.sizes import size_config
from holdfast.stages import assemble
from holdfast.train.saving import Snapshot
from holdfast.train.settings import OptimizerSettings
from holdfast.train.state import RunState
from holdfast.vault.store import Policy, Vault

VOCAB = 8192
REPEATS = 5
Tensors = Mapping[str, Mapping[str, Tensor]]


@dataclass(frozen=True, slots=True)
class System:
    """save(tensors, new folder) -> seconds that training waits. load(folder, wanted) -> the tensors; `wanted` has them
    as they are in the model, for those who load in place."""

    save: Callable[[Tensors, Path], float]
    load: Callable[[Path, Tensors], Tensors]


class Ours:
    """The vault: a snapshot that training waits for, then the transaction that in a run goes on beside it."""

    def __init__(self) -> None:
        self.snapshot = Snapshot()

    def save(self, tensors: Tensors, folder: Path) -> float:
        began = time.perf_counter()
        taken = self.snapshot.take(tensors)
        waited = time.perf_counter() - began
        Vault(folder, 1).save(1, taken, {"stage": "pretrain"}, ["interval"], Policy())
        return waited

    def load(self, folder: Path, wanted: Tensors) -> Tensors:
        vault = Vault(folder)
        newest = vault.newest_valid()
        assert newest is not None, "it was saved before"
        return vault.load(newest)


def _torch_save(tensors: Tensors, folder: Path) -> float:
    began = time.perf_counter()
    torch.save({part: dict(named) for part, named in tensors.items()}, folder / "state.pt")
    _sync(folder)
    return time.perf_counter() - began


def _torch_load(folder: Path, wanted: Tensors) -> Tensors:
    found: Tensors = torch.load(folder / "state.pt", weights_only=True)
    return found


def _safetensors_save(tensors: Tensors, folder: Path) -> float:
    began = time.perf_counter()
    for part, named in tensors.items():
        safetensors.torch.save_file({name: each.contiguous() for name, each in named.items()}, folder / part)
    _sync(folder)
    return time.perf_counter() - began


def _safetensors_load(folder: Path, wanted: Tensors) -> Tensors:
    return {part: safetensors.torch.load_file(folder / part) for part in wanted}


def _dcp_save(tensors: Tensors, folder: Path) -> float:
    began = time.perf_counter()
    state_dict_saver.save(
        {part: dict(named) for part, named in tensors.items()}, checkpoint_id=str(folder), no_dist=True
    )
    _sync(folder)
    return time.perf_counter() - began


def _dcp_load(folder: Path, wanted: Tensors) -> Tensors:
    found = {part: {name: torch.empty_like(each) for name, each in named.items()} for part, named in wanted.items()}
    state_dict_loader.load(found, checkpoint_id=str(folder), no_dist=True)
    return found


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    fileops.sync_directory(folder)


def systems() -> dict[str, System]:
    """Everybody who can save, by name."""
    ours = Ours()
    return {
        OURS: System(ours.save, ours.load),
        "torch.save": System(_torch_save, _torch_load),
        "safetensors": System(_safetensors_save, _safetensors_load),
        "dcp": System(_dcp_save, _dcp_load),
    }


def measure(verb: str, bench: Bench, size: str) -> dict[str, Any]:
    """Measure `save` or `load` for a named size, and write checkpoint-VERB.json."""
    bench.require_peers(tuple(systems()))
    trial, environment = bench.trial()

    def once(name: str, _: int) -> Mapping[str, float]:
        config = {"verb": verb, "system": name, "size": size, "folder": str((bench.work / "states").resolve())}
        lines = in_fresh_process("holdfast.bench.state", config, bench.work)[1]
        return {key: float(value) for key, value in lines[0].items()}

    runs = trial.interleave([OURS, *bench.against], once)
    shutil.rmtree(bench.work / "states")
    return bench.keep(f"checkpoint-{verb}", verb, environment, {"size": size, "repeats": REPEATS}, runs)


def main() -> None:
    """One system, in this process."""
    config = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    torch.set_num_threads(cores())
    state, system = _state(config["size"]), systems()[config["system"]]
    folder = Path(config["folder"]) / config["system"]
    figures = _saves(system, state, folder) if config["verb"] == "save" else _loads(system, state, folder)
    Path(config["out"]).write_text(json.dumps(figures) + "\n", "utf-8")


def _state(size: str) -> RunState:
    model = assemble.fresh_model(size_config(size, VOCAB), 1, torch.device("cpu"))
    return RunState(model, assemble.optimizer(model, OptimizerSettings()), "pretrain", 1, 1, "fp32")


def _saves(system: System, state: RunState, folder: Path) -> dict[str, float]:
    waits, seconds = [], []
    for number in range(REPEATS + 1):  # the first one makes buffers
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        began = time.perf_counter()
        wait = system.save(state.tensors(), folder)
        if number:
            waits.append(wait)
            seconds.append(time.perf_counter() - began)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"wait_ms": 1000 * statistics.median(waits), "seconds": statistics.median(seconds), "megabytes": size / 1e6}


def _loads(system: System, state: RunState, folder: Path) -> dict[str, float]:
    if not folder.exists():
        folder.mkdir(parents=True)
        system.save(state.tensors(), folder)
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        found = system.load(folder, state.tensors())
        state.model.load_state_dict(dict(found["model"]))
        state.optimizer.load_state_tensors(dict(found["optimizer"]))
        seconds.append(time.perf_counter() - began)
    return {"seconds": statistics.median(seconds)}


if __name__ == "__main__":
    main()
