"""Stage `corpus`: raw text in, clean documents out, split into training and validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.journal.sinks.bars import progress_bar
from holdfast.stages.recipe import Recipe, identity
from holdfast.stages.run import Run
from holdfast.stages.stage import Stage
from holdfast.text.build import build_corpus
from holdfast.text.manifest import MANIFEST, SCHEMA
from holdfast.text.sources import source_fingerprint


def settings(recipe: Recipe) -> Mapping[str, Any]:
    """The corpus section, the seed of the split, how a corpus is written, and what the named files hold right now."""
    section = identity(recipe.corpus)
    return section | {"schema": SCHEMA, "seed": recipe.seed, "sources": source_fingerprint(recipe.corpus)}


def work(run: Run) -> Mapping[str, Any]:
    """Read, clean, gate, deduplicate, split, write; a stop in the middle costs the part that is being written."""
    with progress_bar("corpus", unit="B", quiet=run.quiet) as progress:

        def told(done: int, total: int | None) -> None:
            run.stop.check("corpus")
            progress(done, total)

        summary = build_corpus(run.recipe.corpus, run.recipe.seed, run.dir / "corpus", told)
    run.say(summary.line())
    return {"fingerprint": summary.fingerprint} | summary.facts()


STAGE = Stage("corpus", (), settings, work, outputs=(MANIFEST,), resumes=True, shared=True)
