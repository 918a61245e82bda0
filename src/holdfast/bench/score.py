"""Bits per byte of a run of ours, measured in a process of its own: `python -m holdfast.bench.score CONFIG`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from holdfast.base.machine import cores
from holdfast.bench.heldout import bits_per_byte
from holdfast.bench.material import held_out
from holdfast.infer.load import load_model


def main() -> None:
    """Score the model that anybody would sample from."""
    config = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    torch.set_num_threads(cores())
    run_dir, windows = Path(config["run"]), Path(config["out"]).with_suffix(".npz")
    loaded = load_model(run_dir)
    held_out(run_dir, loaded.manifest.model["context_length"], windows)
    line = {"bits_per_byte": bits_per_byte(loaded.model, windows), "tokens": loaded.manifest.tokens}
    Path(config["out"]).write_text(json.dumps(line) + "\n", "utf-8")


if __name__ == "__main__":
    main()
