"""What is trained on: a text made into tokens by a run of ours, once, and read by everybody; and what is held out.

Runs of ours find corpus, tokenizer and tokens in the cache, as any run does whose text was used before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.bench import heldout
from holdfast.bench.child import HOLDFAST, plain_environment, watch
from holdfast.disk.files import fingerprint, read_json
from holdfast.disk.places import VARIABLE
from holdfast.text.corpus import read_split
from holdfast.tokenizer import store

# What makes a run of ours one of pretraining only.
BASE_ONLY = ("sft.enabled=false", "export.to=[]", "pretrain.eval_steps=off", "pretrain.sample_steps=off")
PASSAGE_CHARACTERS = 2000  # about 500 tokens: most fit one window
HELD_OUT_BYTES = 1_000_000
WORDS_FOR_EACH_ID = 3  # made-up words: enough of them that the vocabulary can be learned
MEAN_WORDS = 500  # of a made-up document
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "in", "ol", "ut")]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Raw ids on the disk for whoever reads them: files in order, their type, ids in the vocabulary."""

    files: tuple[str, ...]
    dtype: str
    vocab: int


@dataclass(frozen=True)
class Material:
    """A text under the hands of one recipe. work: the folder of all that benchmarks make. words: recipe and settings
    that decide corpus, tokenizer and tokens."""

    work: Path
    words: tuple[str, ...]

    @property
    def environment(self) -> dict[str, str]:
        """Of every run of ours: nothing set for speed, and a cache that holds what was made once."""
        return plain_environment(**{VARIABLE: str((self.work / "cache").resolve())})

    @cached_property
    def run_dir(self) -> Path:
        """A run that has its tokens, made when first asked for."""
        folder = self.work / f"material-{fingerprint(list(self.words))[:8]}"
        self.work.mkdir(parents=True, exist_ok=True)
        words = ["run", *self.words, "--run-dir", str(folder), "--until", "tokens", "--quiet"]
        watch([*HOLDFAST, *words], self.work / "material.log", self.environment)
        return folder

    @cached_property
    def tokens(self) -> Tokens:
        """The ids to train on."""
        folder = self.run_dir / "tokens" / "train"
        manifest: dict[str, Any] = read_json(folder / "manifest.json")
        files = tuple(str((folder / f"{number:05}.bin").resolve()) for number in range(len(manifest["shards"])))
        vocab = store.load(self.run_dir / "tokenizer").vocab_size
        return Tokens(files, np.dtype(manifest["dtype"]).newbyteorder("<").str, vocab)


def held_out(run_dir: Path, context: int, out: Path) -> None:
    """Write the windows of a run's held-out text, with its own tokenizer. The text is the same for every tokenizer:
    passages at even distances through all documents of the split, about HELD_OUT_BYTES of them."""
    tokenizer = store.load(run_dir / "tokenizer")
    every = list(passages(document.text for document in read_split(run_dir / "corpus", "val")))
    size = sum(len(text.encode()) for text in every)
    chosen = every[:: max(1, size // HELD_OUT_BYTES)]
    rows = heldout.windows(tokenizer.encode_batch(chosen), tokenizer.bos, context)
    heldout.write(out, rows, sum(len(text.encode()) for text in chosen))


def passages(texts: Iterator[str]) -> Iterator[str]:
    """Pieces of whole lines, of PASSAGE_CHARACTERS or somewhat more; a document's last one may be shorter."""
    for text in texts:
        held: list[str] = []
        for line in text.splitlines(keepends=True):
            held.append(line)
            if sum(map(len, held)) >= PASSAGE_CHARACTERS:
                yield "".join(held)
                held = []
        if held:
            yield "".join(held)


def made_up_text(folder: Path, vocab: int, seed: int = 1) -> Path:
    """A folder with a text of made-up words, so many that `vocab` ids can be learned from it. How fast a model trains
    does not depend on what it reads."""
    if folder.is_dir():
        return folder
    rng = np.random.default_rng(seed)
    count = WORDS_FOR_EACH_ID * vocab
    words = np.array(list(dict.fromkeys(_words(rng, count))))
    whole = np.concatenate([rng.permutation(words) for _ in range(4)] + [rng.choice(words[:2000], 20 * MEAN_WORDS)])
    partial = folder.with_name(folder.name + ".part")
    partial.mkdir(parents=True, exist_ok=True)
    for number, piece in enumerate(np.array_split(whole, max(40, len(whole) // MEAN_WORDS))):
        lines = [" ".join(line) for line in np.array_split(piece, max(1, len(piece) // 12))]
        (partial / f"{number:05}.txt").write_text(".\n".join(lines) + ".\n", "utf-8")
    return partial.rename(folder)


def _words(rng: np.random.Generator, count: int) -> Iterator[str]:
    lengths = rng.integers(2, 5, count)
    for length in lengths.tolist():
        yield "".join(SYLLABLES[index] for index in rng.integers(0, len(SYLLABLES), length).tolist())


def peer_tokens(tokens: Tokens) -> dict[str, Any]:
    """The part of a peer's config that says what to read."""
    return {"tokens": list(tokens.files), "dtype": tokens.dtype, "vocab": tokens.vocab}


def words_of(recipe: str, text: Path, more: Sequence[str]) -> tuple[str, ...]:
    """Recipe and settings of a run of ours on a text."""
    return (recipe, f"corpus.path={text.resolve()}", *BASE_ONLY, *more)
