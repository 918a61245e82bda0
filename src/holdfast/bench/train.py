"""Training speed: tokens a second of the same shape on the same tokens, every system as its users run it."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from holdfast.bench.bench import Bench
from holdfast.bench.child import HOLDFAST, Watched, watch
from holdfast.bench.figures import OURS, Measured, Shape
from holdfast.bench.material import Material, made_up_text, peer_tokens, words_of
from holdfast.bench.peers import PEERS
from holdfast.journal.journal import read

PLANNED_STEPS = 500  # what a run of ours is told; it is stopped when enough steps are measured


@dataclass(frozen=True, slots=True)
class Size:
    """A shape, how many steps are measured behind `warm` ones that are not, and how a recipe of ours says it."""

    shape: Shape
    warm: int
    steps: int
    words: tuple[str, ...]


def _ours(layers: int, width: int) -> tuple[str, ...]:
    heads = width // 64
    return (
        f"model.num_layers={layers}", f"model.hidden_size={width}", f"model.num_heads={heads}",
        f"model.num_kv_heads={heads}", f"model.intermediate_size={4 * width}", "model.mlp=relu2",
    )  # fmt: skip


# Muon's products cost as much as the rest where a step has so few tokens for so many weights
ADAMW = "pretrain.optimizer.kind=adamw"
SIZES = {
    "tiny": Size(Shape(2, 64, 512, 64, 4, head_size=32), 2, 6, ("model.num_layers=2", "model.hidden_size=64")),
    "A": Size(Shape(4, 256, 8192, 512, 8), 5, 40, _ours(4, 256)),
    "B": Size(Shape(6, 384, 8192, 512, 8), 3, 20, _ours(6, 384)),
    "C": Size(Shape(12, 768, 50_304, 512, 4), 2, 8, (*_ours(12, 768), "model.tied=true", ADAMW)),
}


def train(bench: Bench, size: str, words: Sequence[str] = (), text: Path | None = None) -> dict[str, Any]:
    """Measure and write train-SIZE.json. words: settings of ours that are to be otherwise. text: None for a made-up
    one."""
    bench.require_peers()
    chosen = SIZES[size]
    shape = chosen.shape
    text = text or made_up_text(bench.work / f"words-{shape.vocab}", shape.vocab)
    settings = (*recipe_words(chosen), f"pretrain.steps={PLANNED_STEPS}", *words)
    material = Material(bench.work, words_of("smoke", text, settings))
    tokens = material.tokens
    trial, environment = bench.trial()

    def once(name: str, _: int) -> Mapping[str, float]:
        if name == OURS:
            return ours(material, chosen)
        config = {**peer_tokens(tokens), "steps": chosen.warm + chosen.steps, "learning_rate": 1e-3}
        watched, lines = bench.train_peer(name, shape, config)
        events = [(line["time"], line["tokens"]) for line in lines if line["kind"] == "step"]
        return figures(watched, events, chosen, shape)

    runs = trial.interleave([OURS, *bench.against], once)
    config = {
        "size": size,
        "shape": asdict(shape),
        "flops_per_token": shape.flops_per_token,
        "warm": chosen.warm,
        "steps": chosen.steps,
        "words": list(words),
        "compiled": [name for name in bench.against if PEERS[name].compile],
    }
    return bench.keep(f"train-{size.lower()}", "train", environment, config, with_share(runs, shape))


def recipe_words(size: Size) -> tuple[str, ...]:
    """What a recipe of ours says for a size."""
    shape = size.shape
    return (
        "tokenizer.kind=bpe",
        f"tokenizer.vocab_size={shape.vocab}",
        *size.words,
        f"model.context_length={shape.context}",
        f"pretrain.batch_tokens={shape.batch_tokens}",
    )


def ours(material: Material, size: Size) -> dict[str, float]:
    """One `holdfast run` of ours, in a new folder, stopped after enough steps."""
    run_dir, wanted = material.work / "run", size.warm + size.steps
    shutil.rmtree(run_dir, ignore_errors=True)
    command = [*HOLDFAST, "run", *material.words, "--run-dir", str(run_dir), "--until", "pretrain", "--quiet"]
    watched = watch(command, material.work / "run.log", material.environment, lambda: len(steps(run_dir)) >= wanted)
    found = figures(watched, steps(run_dir)[:wanted], size, size.shape)
    shutil.rmtree(run_dir)
    return found


def steps(run_dir: Path, since: int = 1) -> list[tuple[float, int]]:
    """(time, all tokens so far) of the steps that a run has made, from its start number `since` on."""
    records = read(run_dir / "journal", since=since)
    return [(record["time"], record["tokens"]) for record in records if record["kind"] == "step"]


def figures(watched: Watched, events: Sequence[tuple[float, int]], size: Size, shape: Shape) -> dict[str, float]:
    """What counts, from the times at which steps ended: whatever happens between steps is in it."""
    (began, before), *_ = measured = events[size.warm - 1 :]
    speed = (measured[-1][1] - before) / (measured[-1][0] - began)
    return {
        "tokens_per_second": speed,
        "gflops": speed * shape.flops_per_token / 1e9,
        "step_ms": 1000 * statistics.median(later[0] - earlier[0] for earlier, later in pairwise(measured)),
        "first_step_seconds": events[0][0] - watched.started,
        "memory_mb": watched.memory / 1e6,
    }


def with_share(runs: Sequence[Measured], shape: Shape) -> list[Measured]:
    """With what part of the best matrix probe each run made of the machine."""
    peak = max(max(run.before, run.after) for run in runs)
    return [replace(run, figures={**run.figures, "peak_share": run.figures["gflops"] / peak}) for run in runs]
