"""Each peer trains a few steps and is scored, where it is installed or its folder is named by HOLDFAST_PEER_NAME.

HOLDFAST_PEER_PYTHON names the Python that packages are installed for, where it is another one.
"""

import os
import sys
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from holdfast.bench import heldout
from holdfast.bench.bench import Bench
from holdfast.bench.figures import Shape
from holdfast.bench.peers import PEERS, checkout_of
from holdfast.bench.peers.loop import cosine

PACKAGES = {"hf_trainer": ("transformers", "accelerate"), "litgpt_gpt": ("litgpt",)}
SHAPE = Shape(layers=2, width=64, vocab=512, context=64, rows=4, head_size=32)


def checkouts() -> dict[str, str]:
    """NAME=DIR as HOLDFAST_PEER_NANOGPT and HOLDFAST_PEER_NANOCHAT give it."""
    names = {checkout_of(name) for name, peer in PEERS.items() if peer.checkout}
    return {name: folder for name in names if (folder := os.environ.get(f"HOLDFAST_PEER_{name.upper()}"))}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, peer in PEERS.items() if not peer.compile])
def test_a_peer_trains_and_is_scored(name: str, tmp_path: Path) -> None:
    peer = PEERS[name]
    if peer.checkout and name not in checkouts():
        pytest.skip(f"HOLDFAST_PEER_{name.upper()} names no folder")
    python = os.environ.get("HOLDFAST_PEER_PYTHON", sys.executable)
    if python == sys.executable and (
        missing := [package for package in PACKAGES.get(peer.module, ()) if find_spec(package) is None]
    ):
        pytest.skip(f"{missing[0]} is not installed")
    rng = np.random.default_rng(1)
    rng.integers(0, 16, 50_000).astype("<u2").tofile(tmp_path / "ids.bin")
    rows = heldout.windows([rng.integers(0, 16, 60).tolist() for _ in range(8)], 0, SHAPE.context)
    heldout.write(tmp_path / "held.npz", rows, text_bytes=480)
    bench = Bench(tmp_path / "work", tmp_path / "out", (name,), checkouts(), python)
    config = {"tokens": [str(tmp_path / "ids.bin")], "dtype": "<u2", "vocab": 512, "steps": 30, "learning_rate": 1e-2,
              "heldout": str(tmp_path / "held.npz")}  # fmt: skip
    if name == "nanochat":
        config["learning_rate"] = 1.0
    watched, lines = bench.train_peer(name, SHAPE, config)
    steps = [line for line in lines if line["kind"] == "step"]
    assert [line["tokens"] for line in steps] == [256 * number for number in range(1, 31)]
    assert all(earlier["time"] <= later["time"] for earlier, later in pairwise(steps))
    (score,) = (line for line in lines if line["kind"] == "score")
    assert 3.9 < score["bits_per_byte"] < 8.0  # it can not know more than that there are 16 ids, and learns that
    assert lines[-1]["kind"] == "end"
    assert watched.memory > 50_000_000


def test_the_rate_rises_and_falls() -> None:
    rates = [cosine(place / 100) for place in range(101)]
    assert max(rates) == pytest.approx(1.0, abs=0.01)
    assert rates.index(max(rates)) == 5
    assert rates[-1] == pytest.approx(0.1)
    assert 0 < rates[0] < 0.05
