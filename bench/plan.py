"""How right the plan is: memory, time and disk as planned, against what a run took.

python bench/plan.py    writes bench/results/plan.json; about 10 minutes, best on an otherwise idle machine

Every figure is of whole commands, each in a process of its own: `holdfast plan --json` first, then `holdfast run` with
the same words. Memory is the high-water mark that the kernel keeps of the run's process.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import torch
from watching import watched

from holdfast.stages import assemble
from holdfast.stages.planning import forecast
from holdfast.stages.recipe import resolve
from holdfast.stages.run import environment
from holdfast.text import harbour

RESULTS = Path(__file__).parent / "results" / "plan.json"
HOLDFAST = [sys.executable, "-m", "holdfast"]
SIZES = ("tiny", "1m", "5m", "14m", "25m")
CONTEXTS = (128, 256)
ROWS = 8
MICRO_BATCHES = (2, 8)  # with and without gradients that wait for more
COMMON = ("precision=fp32", "threads=1", "sft.enabled=false", "export.to=[]", "evaluate.bits_per_byte_tokens=4000")
SHAPE = ("hidden_size", "num_layers", "num_heads", "num_kv_heads", "intermediate_size")  # those that smoke gives
MEMORY = ("pretrain.steps=8", "pretrain.save_steps=3", "pretrain.eval_steps=4", "pretrain.eval_tokens=4000")
SHORT = ("corpus.documents=3000", "pretrain.save_minutes=off", "pretrain.keep=5", "sft.save_minutes=off", "sft.keep=5")
RUNS = {
    "bytes": ("smoke", "pretrain.steps=150", "pretrain.save_steps=50", "sft.steps=150", "sft.save_steps=50"),
    "bpe": (
        "demo",
        "pretrain.steps=90",
        "pretrain.save_steps=30",
        "pretrain.eval_steps=30",
        "sft.steps=60",
        "sft.save_steps=30",
        "sft.eval_steps=30",
        "sft.conversations=3000",
        "evaluate.questions=100",
    ),
    "base": ("demo", "model.size=1m", "pretrain.steps=100", "pretrain.save_steps=25", "sft.enabled=false"),
}
REPEATS = 1


def planned(words: Sequence[str], run_dir: Path) -> dict[str, Any]:
    """What `holdfast plan` says."""
    done = subprocess.run(
        [*HOLDFAST, "plan", *words, "--run-dir", str(run_dir), "--json"], capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    if not found["ready"]:
        sys.exit(f"not ready: {found['problems']}")
    return found


def ran(words: Sequence[str], run_dir: Path) -> tuple[float, int]:
    """Seconds and peak bytes of a `holdfast run`."""
    return watched([*HOLDFAST, "run", *words, "--run-dir", str(run_dir), "--quiet"], high_water)


def high_water(pid: int) -> int:
    """The most memory that a process ever had; what it has now, where the system does not tell. 0: it is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
        return int(psutil.Process(pid).memory_info().rss)
    except (OSError, psutil.Error):
        return 0


def memory(folder: Path) -> list[dict[str, Any]]:
    """One row for every size, context and micro-batch."""
    texts = folder / "texts"
    texts.mkdir()
    for number, document in enumerate(harbour.documents(300, 1)):
        (texts / f"{number}.txt").write_text(document.text, "utf-8")
    run_dir, rows = folder / "memory", []
    source = ("smoke", f"corpus.path={texts}", *COMMON, *(f"model.{name}=off" for name in SHAPE))
    ran([*source, "--until", "tokens"], run_dir)
    for size in SIZES:
        for context in CONTEXTS:
            for micro in MICRO_BATCHES:
                words = [*source, *MEMORY, f"model.size={size}", f"model.context_length={context}",
                         f"pretrain.batch_tokens={ROWS * context}", f"pretrain.micro_batch_rows={micro}"]  # fmt: skip
                for stage in ("pretrain", "journal"):
                    shutil.rmtree(run_dir / stage, ignore_errors=True)
                plan = planned(words, run_dir)
                _, peak = ran([*words, "--until", "pretrain"], run_dir)
                rows.append(_row(words, plan, peak) | {"size": size, "context": context, "micro_batch_rows": micro})
                print(json.dumps(rows[-1]), flush=True)
    return rows


def _row(words: Sequence[str], plan: dict[str, Any], peak: int) -> dict[str, Any]:
    """worked_out: by the formula alone, on top of what the libraries take, before anything was tried."""
    recipe = resolve(words[0], words[1:]).recipe
    config = assemble.model_config(recipe.model, forecast.vocabulary(recipe.tokenizer))
    formula = forecast.most_memory(recipe, config, torch.device("cpu"), plan["precision"]).total
    worked_out = formula + plan["memory_bytes"]["libraries"]
    total = plan["memory_bytes"]["total"]
    return {
        "peak_bytes": peak,
        "planned_bytes": total,
        "worked_out_bytes": worked_out,
        "planned_off": total / peak - 1,
        "worked_out_off": worked_out / peak - 1,
    }


def runs(folder: Path) -> list[dict[str, Any]]:
    """Time and disk of short runs, from text to the end."""
    rows = []
    for turn in range(REPEATS):
        for name, words in RUNS.items():
            run_dir = folder / f"{name}-{turn}"
            given = [*words, "corpus.generator=harbour", *SHORT, "threads=1", "export.to=[]"]
            plan = planned(given, run_dir)
            seconds, _ = ran(given, run_dir)
            written = {kind: sum(_size(run_dir / place) for place in places) for kind, places in PLACES.items()}
            disk = sum(plan["disk_bytes"][kind] for kind in PLACES)
            expected = plan["seconds"]["expected"]
            rows.append({
                "run": name,
                "seconds": seconds,
                "planned_seconds": expected,
                "seconds_off": expected / seconds - 1,
                "in_interval": plan["seconds"]["low"] <= seconds <= plan["seconds"]["high"],
                "written_bytes": written,
                "planned_bytes": {kind: plan["disk_bytes"][kind] for kind in PLACES},
                "disk_off": disk / sum(written.values()) - 1,
            })  # fmt: skip
            print(json.dumps(rows[-1]), flush=True)
    return rows


PLACES = {
    "checkpoints": ("pretrain/checkpoints", "sft/checkpoints"),
    "tokens": ("tokens", "sft/tokens/train", "sft/tokens/val"),
}


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _worst(rows: Sequence[dict[str, Any]], key: str) -> dict[str, float]:
    sizes = [abs(row[key]) for row in rows]
    return {"median": statistics.median(sizes), "worst": max(sizes), "n": len(sizes)}


def main() -> None:
    """Measure, print and write."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        taken, short = memory(Path(name)), runs(Path(name))
    result = {
        "environment": environment(),
        "memory_off": {key: _worst(taken, f"{key}_off") for key in ("planned", "worked_out")},
        "seconds_off": _worst(short, "seconds_off"),
        "disk_off": _worst(short, "disk_off"),
        "memory": taken,
        "runs": short,
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps({key: result[key] for key in ("memory_off", "seconds_off", "disk_off")}, indent=2))


if __name__ == "__main__":
    main()
