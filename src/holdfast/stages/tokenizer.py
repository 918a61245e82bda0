"""Stage `tokenizer`: learn how to cut this corpus into tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.journal.sinks.bars import progress_bar
from holdfast.stages.recipe import Recipe, identity
from holdfast.stages.run import Run
from holdfast.stages.stage import Stage
from holdfast.text.corpus import read_manifest, read_split
from holdfast.tokenizer import store
from holdfast.tokenizer.train import train


def settings(recipe: Recipe) -> Mapping[str, Any]:
    """The tokenizer section."""
    return identity(recipe.tokenizer)


def work(run: Run) -> Mapping[str, Any]:
    """Train on the training documents only, prove the round trip, store."""
    documents = read_split(run.dir / "corpus", "train")
    total = read_manifest(run.dir / "corpus")["splits"]["train"]["bytes"]
    with progress_bar("tokenizer", unit="B", quiet=run.quiet) as progress:
        trained = train((document.text for document in documents), run.recipe.tokenizer, progress, total)
    store.save(trained, run.dir / "tokenizer")
    run.say(f"tokenizer: {trained.kind}, {trained.vocab_size:,} tokens")
    return {"fingerprint": trained.fingerprint, "kind": trained.kind, "vocab_size": trained.vocab_size}


STAGE = Stage("tokenizer", ("corpus",), settings, work, outputs=("tokenizer.json", "tokenizer_manifest.json"))
