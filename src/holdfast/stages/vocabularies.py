"""Tokenizers by themselves, without a run around them: learn one from files, look at one, compare some."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from holdfast.base.faults import DataFault
from holdfast.base.records import Document
from holdfast.journal.sinks.bars import progress_bar
from holdfast.stages.recipe import Recipe
from holdfast.text.corpus import read_split
from holdfast.text.manifest import read_manifest
from holdfast.text.meter import Meter
from holdfast.text.settings import CorpusSettings
from holdfast.text.sources import documents
from holdfast.tokenizer import store
from holdfast.tokenizer.adopt import adopt
from holdfast.tokenizer.codec import Tokenizer
from holdfast.tokenizer.measure import measure, of_ours, subject
from holdfast.tokenizer.train import train

BATCH_CHARACTERS = 4_000_000
MOST_BYTES = 20_000_000  # of held-out text that a tokenizer is measured on unless other text is named


def learn(recipe: Recipe, out: Path, quiet: bool) -> str:
    """Learn the recipe's tokenizer from its texts as they are and store it in `out`; returns one line about it."""
    with progress_bar("tokenizer", unit="B", quiet=quiet) as progress:
        texts = (document.text for document in _read(recipe.corpus))
        made = train(texts, recipe.tokenizer, progress)
    store.save(made, out)
    return f"tokenizer: {made.kind}, {made.vocab_size:,} tokens, fingerprint {made.fingerprint[:12]}, in {out}"


def find(path: Path) -> Tokenizer:
    """The tokenizer of a run, in a folder of ours, or in GPT-2-compatible files. Raises DataFault."""
    for folder in (path / "tokenizer", path):
        if (folder / store.MANIFEST_FILE).is_file():
            return store.load(folder)
    return Tokenizer(adopt(path))


def facts(path: Path) -> dict[str, Any]:
    """What a tokenizer is."""
    found = find(path)
    vocabulary = found.vocabulary
    return {
        "kind": found.kind,
        "pattern": found.pattern,
        "vocab_size": found.vocab_size,
        "merges": len(vocabulary.merges),
        "domain": vocabulary.domain_ids,
        "special": {name: place for name, place in found.special.items() if not name.startswith("<|reserved_")},
        "longest": max(vocabulary.token_bytes, key=len).decode("utf-8", "backslashreplace"),
        "fingerprint": found.fingerprint,
    }


def cut(path: Path, text: str) -> list[tuple[int, str]]:
    """The tokens of a text: id, and what it stands for; bytes that are no whole character come as \\xNN."""
    found = find(path)
    return [(i, found.decode_bytes([i]).decode("utf-8", "backslashreplace")) for i in found.encode(text)]


def compare(path: Path, against: Sequence[Path], text: Sequence[Path], quiet: bool) -> list[dict[str, Any]]:
    """How well the tokenizer at `path`, and each of `against`, suit a text: by default the run's held-out one."""
    ours = of_ours(str(path), find(path))
    subjects = [ours, *(subject(each) for each in against)]
    if text:
        total, texts = None, _read(CorpusSettings(path=[str(each) for each in text]))
    elif (corpus := path / "corpus").is_dir():
        total = min(MOST_BYTES, read_manifest(corpus)["splits"]["val"]["bytes"])
        texts = read_split(corpus, "val")
    else:
        raise DataFault(f"{path} is no run with held-out text", "name the text to measure on: --text FILES")
    with progress_bar("measuring", unit="B", quiet=quiet) as progress:
        batches = _in_batches(texts, total)
        return measure(subjects, batches, lambda done: progress(done, total))


def _read(settings: CorpusSettings) -> Iterator[Document]:
    """The documents of a source as they are; those that can not be read are passed over."""
    for _, found in documents(settings, 0, Meter(lambda done, total: None)):
        if isinstance(found, Document):
            yield found


def _in_batches(found: Iterator[Document], most: int | None) -> Iterator[list[str]]:
    batch: list[str] = []
    held = seen = 0
    for document in found:
        batch.append(document.text)
        held += len(document.text)
        seen += len(document.text)
        if held >= BATCH_CHARACTERS:
            yield batch
            batch, held = [], 0
        if most is not None and seen >= most:
            break
    if batch:
        yield batch
