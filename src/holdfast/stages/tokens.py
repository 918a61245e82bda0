"""Stage `tokens`: every document becomes ids between <|bos|> and <|eot|>, in shards that training reads by position."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.base.records import Document
from holdfast.disk.files import fingerprint
from holdfast.feed.write import MANIFEST_FILE, ShardWriter, ids_dtype
from holdfast.journal.sinks.bars import progress_bar
from holdfast.stages.recipe import Recipe, identity
from holdfast.stages.run import Run
from holdfast.stages.stage import Stage
from holdfast.text.corpus import read_split
from holdfast.text.crew import Crew, enough
from holdfast.text.manifest import read_manifest
from holdfast.tokenizer import store
from holdfast.tokenizer.codec import Tokenizer

SPLITS = ("train", "val")
FACTS = ("tokens", "documents", "text_bytes")
BATCH_CHARACTERS = 4_000_000  # encoded at once, so that memory stays flat


def settings(recipe: Recipe) -> Mapping[str, Any]:
    """The tokens section."""
    return identity(recipe.tokens)


def work(run: Run) -> Mapping[str, Any]:
    """Encode both splits, going on behind the shards that are finished."""
    tokenizer = store.load(run.dir / "tokenizer")
    corpus = read_manifest(run.dir / "corpus")
    total = sum(corpus["splits"][split]["bytes"] for split in SPLITS)
    manifests: dict[str, dict[str, Any]] = {}
    with progress_bar("tokens", unit="B", quiet=run.quiet) as progress:

        def told(before: int, done: int) -> None:
            run.stop.check("tokens")
            progress(before + done, total)

        for split in SPLITS:
            before = sum(manifest["text_bytes"] for manifest in manifests.values())
            manifests[split] = encode(
                partial(read_split, run.dir / "corpus", split),
                corpus["fingerprint"],
                tokenizer,
                run.dir / "tokens" / split,
                run.recipe.tokens.shard_tokens,
                partial(told, before),
                run.recipe.corpus.workers or enough(),
            )
    facts = {split: {key: manifest[key] for key in FACTS} for split, manifest in manifests.items()}
    run.say(f"tokens: {facts['train']['tokens']:,} for training, {facts['val']['tokens']:,} held out")
    return {"fingerprint": fingerprint({split: manifests[split]["fingerprint"] for split in SPLITS})} | facts


def encode(
    documents: Callable[[int], Iterable[Document]],
    made_from: str,
    tokenizer: Tokenizer,
    out: Path,
    shard_tokens: int,
    progress: Callable[[int], None],
    workers: int = 1,
) -> dict[str, Any]:
    """Write the shards of one split to `out`; returns their manifest. Shards that are finished are not made again.

    documents(n): all but the first n. made_from: their fingerprint. progress(bytes of text that are in shards).
    workers: processes that encode, once there is enough to do; the shards are the same for any number of them.
    """
    origin = fingerprint({"documents": made_from, "tokenizer": tokenizer.fingerprint})
    with ShardWriter(out, ids_dtype(tokenizer.vocab_size), shard_tokens, origin) as writer:
        batches = _in_batches(documents(writer.documents))
        with Crew(workers) as crew:
            for texts, found in crew.spread(tokenizer.encode_arrays, batches, _characters):
                for text, ids in zip(texts, found, strict=True):
                    framed = np.concatenate(([tokenizer.bos], ids, [tokenizer.eot]))
                    writer.add(framed, text_bytes=len(text.encode("utf-8")))
                progress(writer.text_bytes)
        return writer.close({"tokenizer_fingerprint": tokenizer.fingerprint})


def _characters(texts: Sequence[str]) -> int:
    return sum(map(len, texts))


def _in_batches(documents: Iterable[Document]) -> Iterator[list[str]]:
    batch: list[str] = []
    characters = 0
    for document in documents:
        batch.append(document.text)
        characters += len(document.text)
        if characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


STAGE = Stage(
    "tokens",
    ("corpus", "tokenizer"),
    settings,
    work,
    outputs=tuple(f"{split}/{MANIFEST_FILE}" for split in SPLITS),
    resumes=True,
    shared=True,
)
