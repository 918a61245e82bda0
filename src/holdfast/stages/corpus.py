"""Stage `corpus`: raw text in, clean documents out, split into training and validation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from holdfast.disk.files import read_json, write_text
from holdfast.evals.report.corpus import render_corpus
from holdfast.journal.sinks.bars import progress_bar
from holdfast.stages.recipe import Recipe, identity
from holdfast.stages.run import Run
from holdfast.stages.stage import Stage
from holdfast.text.build import build_corpus
from holdfast.text.manifest import MANIFEST, SCHEMA, read_manifest
from holdfast.text.sources import source_fingerprint

PAGE = "stats.html"
TOKENS = "manifest.json"  # of the shards of one side


def settings(recipe: Recipe) -> Mapping[str, Any]:
    """The corpus section, the seed of the split, how a corpus is written, and what the named files hold right now."""
    section = identity(recipe.corpus)
    return section | {"schema": SCHEMA, "seed": recipe.seed, "content": source_fingerprint(recipe.corpus)}


def work(run: Run) -> Mapping[str, Any]:
    """Read, clean, gate, deduplicate, split, write; a stop in the middle costs the part that is being written."""
    with progress_bar("corpus", unit="B", quiet=run.quiet) as progress:

        def told(done: int, total: int | None) -> None:
            run.stop.check("corpus")
            progress(done, total)

        summary = build_corpus(run.recipe.corpus, run.recipe.seed, run.dir / "corpus", told)
    write_page(run.dir / "corpus")
    run.say(summary.line())
    return {"fingerprint": summary.fingerprint} | summary.facts()


def write_page(corpus: Path) -> None:
    """Write the page that shows what is in a corpus."""
    write_text(corpus / PAGE, render_corpus(read_manifest(corpus)))


def statistics(path: Path) -> dict[str, Any]:
    """What is in the corpus of a run, or in a folder that is one, as its manifest says, without the lists of files; and
    of a run that has them, how many tokens each side is. Raises DataFault when there is none."""
    of_run = (path / "corpus").is_dir()
    manifest = read_manifest(path / "corpus" if of_run else path)
    found = {key: value for key, value in manifest.items() if not isinstance(value, list)}
    tokens = {split: path / "tokens" / split / TOKENS for split in manifest["splits"]} if of_run else {}
    counts = {split: read_json(each)["tokens"] for split, each in tokens.items() if each.exists()}
    return found | ({"tokens": counts} if counts else {})


STAGE = Stage("corpus", (), settings, work, outputs=(MANIFEST,), resumes=True, shared=True)
