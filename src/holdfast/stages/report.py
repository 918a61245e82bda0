"""Stage-like last step `report`: `report.json` and `report.html`, made again at any time from what lies on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from holdfast.disk.files import fingerprint, read_json, write_json, write_text
from holdfast.evals.report.facts import RunFacts
from holdfast.evals.report.render import render_html, render_json
from holdfast.journal.journal import lineage, read
from holdfast.model.config import config_from_dict
from holdfast.model.count import parameters
from holdfast.stages import evaluate
from holdfast.stages import run as runs
from holdfast.stages.recipe import Recipe, identity, resolve
from holdfast.stages.stage import read_record
from holdfast.vault.store import Vault

JSON, HTML = "report.json", "report.html"
TRAINED = evaluate.TRAINED
ORDER = ("corpus", "tokenizer", "tokens", "pretrain", "sft", "evaluate", "export")
EVENTS = ("event", "decision", "checkpoint")

Record = Mapping[str, Any]


def write(run_dir: Path) -> Path:
    """Write both files from the artefacts of a run, finished or not; returns the page's path."""
    facts = gather(run_dir)
    write_json(run_dir / JSON, render_json(facts))
    write_text(run_dir / HTML, render_html(facts))
    return run_dir / HTML


def gather(run_dir: Path) -> RunFacts:
    """All that the report shows, read from stage records, manifests and the journal's surviving lines."""
    about = runs.identity(run_dir)
    recipe = resolve(run_dir / runs.RECIPE, []).recipe
    journal = list(lineage(read(run_dir / runs.JOURNAL)))
    steps = [record for record in journal if record["kind"] == "step"]
    validations = [record for record in journal if record["kind"] == "eval" and record.get("metric") == "bits_per_byte"]
    return RunFacts(
        run=about["run"],
        recipe_fingerprint=fingerprint(identity(recipe)),
        created=about["created"],
        environment=about["environment"],
        model=_model(run_dir),
        corpus=_json(run_dir / "corpus" / "manifest.json", {}),
        tokenizer=_facts(run_dir, "tokenizer"),
        stages=_stages(run_dir, recipe),
        curves={stage: _of(steps, stage) for stage in TRAINED},
        validation={stage: _of(validations, stage) for stage in TRAINED},
        evals=_evals(run_dir, validations),
        samples=_samples(run_dir, journal),
        transcripts=_json(run_dir / "evaluate" / evaluate.TRANSCRIPTS, []),
        events=[_finite(record) for record in journal if record["kind"] in EVENTS],
    )


def _of(records: Sequence[Record], stage: str) -> list[Record]:
    return [record for record in records if record.get("stage") == stage]


def _finite(record: Record) -> Record:
    """The record with None for what is no number, such as the loss for which a batch was skipped."""
    return {key: None if isinstance(value, float) and not isfinite(value) else value for key, value in record.items()}


def _model(run_dir: Path) -> dict[str, Any]:
    checkpoints = [checkpoint for stage in TRAINED for checkpoint in Vault(run_dir / stage).checkpoints()]
    if not checkpoints:
        return {}
    config = dict(checkpoints[-1].manifest.model)
    return {"parameters": parameters(config_from_dict(config)), **config}


def _stages(run_dir: Path, recipe: Recipe) -> list[Record]:
    """One row per stage; the report itself is the last and is being done."""
    rows = []
    for name in ORDER:
        record = read_record(run_dir / name)
        skipped = (name == "sft" and not recipe.sft.enabled) or (name == "export" and not recipe.export.to)
        status = "skipped" if skipped else record["status"] if record else "waiting"
        rows.append({"name": name, "status": status, "wall_seconds": record["wall_seconds"] if record else 0.0})
    return [*rows, {"name": "report", "status": "done", "wall_seconds": 0.0}]


def _evals(run_dir: Path, validations: Sequence[Record]) -> list[Record]:
    """The finished scores, or while there are none the latest validation of each stage, so that one is always there."""
    scores: list[Record] = _json(run_dir / "evaluate" / evaluate.SCORES, [])
    if scores:
        return scores
    latest = {record["stage"]: record for record in validations}
    return list(latest.values())


def _samples(run_dir: Path, journal: Sequence[Record]) -> list[Record]:
    finished: list[Record] = _json(run_dir / "evaluate" / evaluate.SAMPLES, [])
    return [*(record for record in journal if record["kind"] == "sample"), *finished]


def _facts(run_dir: Path, stage: str) -> dict[str, Any]:
    record = read_record(run_dir / stage)
    return dict(record.get("facts", {})) if record else {}


def _json(path: Path, default: Any) -> Any:
    try:
        return read_json(path)
    except (OSError, ValueError):
        return default
