"""Stage `tokens`: every document becomes ids between <|bos|> and <|eot|>, in shards that training reads by position."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from holdfast.base.files import fingerprint
from holdfast.base.records import Document
from holdfast.feed.write import ShardWriter, ids_dtype
from holdfast.journal.sinks.bars import progress_bar
from holdfast.stages.recipe import Recipe, identity
from holdfast.stages.run import Run
from holdfast.stages.stage import Stage
from holdfast.text.corpus import read_manifest, read_split
from holdfast.tokenizer import store
from holdfast.tokenizer.codec import Tokenizer

SPLITS = ("train", "val")
FACTS = ("tokens", "documents", "text_bytes")
BATCH_CHARACTERS = 4_000_000  # encoded at once, so that the encoder's threads have work and memory stays flat


def settings(recipe: Recipe) -> Mapping[str, Any]:
    """The tokens section."""
    return identity(recipe.tokens)


def work(run: Run) -> Mapping[str, Any]:
    """Encode both splits."""
    tokenizer = store.load(run.dir / "tokenizer")
    corpus = read_manifest(run.dir / "corpus")
    made_from = corpus["fingerprint"]
    total = sum(corpus["splits"][split]["bytes"] for split in SPLITS)
    manifests: dict[str, dict[str, Any]] = {}
    with progress_bar("tokens", unit="B", quiet=run.quiet) as progress:
        done = 0
        for split in SPLITS:
            text_bytes = 0
            dtype = ids_dtype(tokenizer.vocab_size)
            with ShardWriter(run.dir / "tokens" / split, dtype, run.recipe.tokens.shard_tokens) as writer:
                for documents in _in_batches(read_split(run.dir / "corpus", split)):
                    text_bytes += _encode(documents, tokenizer, writer)
                    progress(done + text_bytes, total)
                meta = {
                    "tokenizer_fingerprint": tokenizer.fingerprint,
                    "made_from": made_from,
                    "text_bytes": text_bytes,
                }
                manifests[split] = writer.close(meta)
            done += text_bytes
    facts = {split: {key: manifest[key] for key in FACTS} for split, manifest in manifests.items()}
    run.say(f"tokens: {facts['train']['tokens']:,} for training, {facts['val']['tokens']:,} held out")
    return {"fingerprint": fingerprint({split: manifests[split]["fingerprint"] for split in SPLITS})} | facts


def _encode(documents: list[Document], tokenizer: Tokenizer, writer: ShardWriter) -> int:
    """Append documents to the shards; returns their bytes of text."""
    ids = tokenizer.encode_batch([document.text for document in documents])
    size = 0
    for document, body in zip(documents, ids, strict=True):
        writer.add([tokenizer.bos, *body, tokenizer.eot])
        size += len(document.text.encode("utf-8"))
    return size


def _in_batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    characters = 0
    for document in documents:
        batch.append(document)
        characters += len(document.text)
        if characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


STAGE = Stage("tokens", ("corpus", "tokenizer"), settings, work, outputs=("train/manifest.json", "val/manifest.json"))
