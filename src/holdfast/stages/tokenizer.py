"""Stage `tokenizer`: learn how to cut this corpus into tokens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from holdfast.disk.files import fingerprint
from holdfast.journal.sinks.bars import progress_bar
from holdfast.stages.recipe import Recipe, identity
from holdfast.stages.run import Run
from holdfast.stages.stage import Stage
from holdfast.text.corpus import read_split
from holdfast.text.manifest import read_manifest
from holdfast.tokenizer import store
from holdfast.tokenizer.adopt import adopt
from holdfast.tokenizer.codec import Tokenizer
from holdfast.tokenizer.train import train


def settings(recipe: Recipe) -> Mapping[str, Any]:
    """The tokenizer section, and what the tokenizer to load is right now."""
    section = recipe.tokenizer
    if section.load is None:
        return identity(section)
    return identity(section) | {"loaded": adopt(Path(section.load), tuple(section.domain_tokens)).fingerprint}


def work(run: Run) -> Mapping[str, Any]:
    """Train on the training documents only, prove the round trip, store. Begun anew unless it was stored whole."""
    folder, corpus = run.dir / "tokenizer", read_manifest(run.dir / "corpus")
    made_from = fingerprint({"settings": dict(settings(run.recipe)), "corpus": corpus["fingerprint"]})
    trained = store.saved(folder, made_from)
    if trained is None:
        trained = _trained(run, corpus["splits"]["train"]["bytes"])
        store.save(trained, folder, made_from)
    run.say(f"tokenizer: {trained.kind}, {trained.vocab_size:,} tokens")
    return {"fingerprint": trained.fingerprint, "kind": trained.kind, "vocab_size": trained.vocab_size}


def _trained(run: Run, total: int) -> Tokenizer:
    documents = read_split(run.dir / "corpus", "train")
    with progress_bar("tokenizer", unit="B", quiet=run.quiet) as progress:

        def told(done: int, total: int | None) -> None:
            run.stop.check("tokenizer")
            progress(done, total)

        return train((document.text for document in documents), run.recipe.tokenizer, told, total)


STAGE = Stage(
    "tokenizer",
    ("corpus",),
    settings,
    work,
    outputs=(store.TOKENIZER_FILE, store.MANIFEST_FILE),
    resumes=True,
    shared=True,
)
