"""Tokens a second of text that is made: our engine, and `generate` of transformers with the same weights exported.

Our part runs as `python -m holdfast.bench.generate CONFIG`, theirs is `holdfast.bench.peers.hf_generate`.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from holdfast.base.machine import cores
from holdfast.bench.bench import Bench
from holdfast.bench.child import HOLDFAST, in_fresh_process, watch
from holdfast.bench.figures import OURS
from holdfast.bench.material import Material, made_up_text, words_of
from holdfast.bench.peers.pace import PROMPT, pace
from holdfast.bench.train import SIZES, recipe_words
from holdfast.infer.engine import Engine
from holdfast.infer.load import load_model
from holdfast.infer.sample import SamplingParams

PEER = "transformers"


def infer(bench: Bench, size: str) -> dict[str, Any]:
    """Measure and write infer-SIZE.json."""
    bench.require_peers((PEER,))
    shape = SIZES[size].shape
    text = made_up_text(bench.work / f"words-{shape.vocab}", shape.vocab)
    words = words_of("smoke", text, (*recipe_words(SIZES[size]), "pretrain.steps=1"))
    run_dir, exported = bench.work / "run", (bench.work / "exported").resolve()
    for folder in (run_dir, exported):
        shutil.rmtree(folder, ignore_errors=True)
    log, env = bench.work / "run.log", Material(bench.work, words).environment
    watch([*HOLDFAST, "run", *words, "--run-dir", str(run_dir), "--until", "pretrain", "--quiet"], log, env)
    if bench.against:
        watch([*HOLDFAST, "export", str(run_dir), str(exported), "--to", "hf"], log, env)
    trial, environment = bench.trial()

    def once(name: str, _: int) -> Mapping[str, float]:
        config = {"model": str(run_dir if name == OURS else exported), "vocab": shape.vocab, "threads": cores()}
        module = "holdfast.bench.generate" if name == OURS else "holdfast.bench.peers.hf_generate"
        python = sys.executable if name == OURS else bench.python
        lines = in_fresh_process(module, config, bench.work, python)[1]
        return {key: float(value) for key, value in lines[0].items()}

    runs = trial.interleave([OURS, *bench.against], once)
    return bench.keep(f"infer-{size.lower()}", "infer", environment, {"size": size, "shape": asdict(shape)}, runs)


def main() -> None:
    """Ours, in this process."""
    config = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    torch.set_num_threads(config["threads"])
    engine = Engine(load_model(Path(config["model"])).model)

    def made(prompts: list[list[int]], new: int) -> int:
        done = engine.complete_batch(prompts, SamplingParams(max_tokens=new, temperature=0.0))
        return sum(len(each.ids) for each in done)

    found = pace(made, min(config["vocab"], engine.config.vocab_size), engine.context_length - PROMPT)
    Path(config["out"]).write_text(json.dumps(found) + "\n", "utf-8")


if __name__ == "__main__":
    main()
