"""Stage `export`: the last trained model in formats that other software reads, each proved before it counts."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from holdfast.disk.files import read_json
from holdfast.infer.load import load_model
from holdfast.publish.card import Facts
from holdfast.publish.export import export
from holdfast.stages.evaluate import SCORES
from holdfast.stages.recipe import Recipe, identity
from holdfast.stages.run import Run
from holdfast.stages.stage import Stage


def settings(recipe: Recipe) -> Mapping[str, Any]:
    """The export section."""
    return identity(recipe.export)


def work(run: Run) -> Mapping[str, Any]:
    """Write every wanted format and its parity check."""
    name = "sft" if run.recipe.sft.enabled else "pretrain"
    loaded = load_model(run.dir, name)
    parity: dict[str, Any] = {}
    for kind in run.recipe.export.to:
        out = run.dir / STAGE.name / kind
        shutil.rmtree(out, ignore_errors=True)
        run.record("event", event="exporting", stage=STAGE.name, what=kind)
        parity[kind] = export(loaded, kind, out, run.recipe.export.dtype, _facts(run, name))
        run.say(f"export: {kind} agrees with the trained model in a fresh process")
    return {"fingerprint": loaded.manifest.fingerprint, "parity": parity}


def _facts(run: Run, stage: str) -> Facts:
    scores = read_json(run.dir / "evaluate" / SCORES)
    measured = [score["value"] for score in scores if score["metric"] == "bits_per_byte" and score["stage"] == stage]
    sources = read_json(run.dir / "corpus" / "manifest.json").get("sources", {})
    return Facts(
        name=run.recipe.name,
        bits_per_byte=measured[0] if measured else None,
        data=[f"{name}: {counts['documents']:,} documents" for name, counts in sources.items()],
    )


STAGE = Stage(
    "export",
    ("tokenizer", "pretrain", "sft", "evaluate"),
    settings,
    work,
    outputs=("hf/parity.json",),
    wanted=lambda recipe: bool(recipe.export.to),
)
