"""The measurement that waits for a GPU runs where there is none, on a model that is small enough."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "bench" / "gpu.py"


@pytest.mark.slow
def test_it_measures_a_small_model_on_a_cpu(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    words = [
        "--device",
        "cpu",
        "--sizes",
        "tiny,1m",
        "--modes",
        "eager",
        "--steps",
        "2",
        "--rows",
        "1",
        "--peak",
        "0.1",
    ]
    words += ["--peak", "0.1", "--precision", "fp32", "--vocabulary", "256", "--out", str(out)]
    ended = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    tiny, other = json.loads(out.read_text())["rows"]
    assert (tiny["size"], other["size"], tiny["rows"], tiny["context_length"]) == ("tiny", "1m", 1, 256)
    assert tiny["tokens_per_second"]["n"] == 2
    assert 0 < tiny["mfu"] < 10
    assert other["parameters"] > 0
