"""How fast text becomes ids, and a vocabulary is learned, beside the libraries others use for it.

python bench/tokenizer.py FOLDER    writes bench/results/tokenizer.json; 8 minutes, best on an otherwise idle machine

FOLDER holds tar.xz archives of .txt books. Everybody encodes the same documents of about 2 KB with the same vocabulary,
taking turns in one process, so that a machine that slows down meanwhile slows all; each starts every round afresh, as
a run does. The ids are compared. `tiktoken` comes with `pip install 'holdfast[bench]'`.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import sys
import tarfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tiktoken
from figures import spread
from tokenizers import Tokenizer as Library
from tokenizers import trainers

from holdfast.stages.run import environment
from holdfast.tokenizer.codec import Tokenizer
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.special import SPECIAL_TOKENS
from holdfast.tokenizer.store import export_json
from holdfast.tokenizer.train import LONGEST_TOKEN_BYTES, train
from holdfast.tokenizer.vocabulary import PATTERNS, bare_encoder, byte_alphabet

RESULTS = Path(__file__).parent / "results" / "tokenizer.json"
DOCUMENT_CHARACTERS = 2000
BATCH = 1000  # documents; thousands more at a time and the libraries need gigabytes
ROUNDS = 5
TRAINING_ROUNDS = 3
EVERY = 3  # one in so many documents is encoded; all are learned from
SETTINGS = TokenizerSettings(vocab_size=8192, train_bytes=1 << 40)

Encode = Callable[[Sequence[str]], Sequence[Sequence[int]]]


def books(folder: Path) -> list[str]:
    """The text of every .txt in every archive of the folder."""
    found = []
    for path in sorted(folder.glob("novels*.tar.xz")):
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.endswith(".txt") and (file := archive.extractfile(member)):
                    found.append(file.read().decode("utf-8-sig"))
    return found


def documents(texts: Sequence[str]) -> list[str]:
    """Pieces of about 2 KB, ending with a line."""
    found = []
    for text in texts:
        lines, held = [], 0
        for line in text.splitlines(keepends=True):
            lines.append(line)
            held += len(line)
            if held >= DOCUMENT_CHARACTERS:
                found.append("".join(lines))
                lines, held = [], 0
        found.append("".join(lines))
    return [text for text in found if text]


def plain_library(tokenizer: Tokenizer, threads: int) -> Encode:
    """`encode_batch` of the `tokenizers` library, with our tokenizer as it reads it from a file."""
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
    library = Library.from_str(export_json(tokenizer))
    return lambda texts: [each.ids for each in library.encode_batch(texts, add_special_tokens=False)]


def tiktokens(tokenizer: Tokenizer, threads: int) -> Encode:
    """tiktoken with our vocabulary: a token's rank is its id."""
    spelled = tokenizer.vocabulary.token_bytes[: len(tokenizer.vocabulary.tokens)]
    ranks = {token: place for place, token in enumerate(spelled)}
    pattern = PATTERNS[tokenizer.vocabulary.pattern or "qwen2"]
    encoding = tiktoken.Encoding("ours", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return lambda texts: encoding.encode_ordinary_batch(list(texts), num_threads=threads)


def ours(tokenizer: Tokenizer, threads: int) -> Encode:
    """What a run does, as lists. One thread, whatever the others have."""
    return Tokenizer(tokenizer.vocabulary).encode_batch


def arrays(tokenizer: Tokenizer, threads: int) -> Encode:
    """The same as the token stage calls it, without lists."""
    return Tokenizer(tokenizer.vocabulary).encode_arrays


SYSTEMS = {"holdfast": ours, "holdfast arrays": arrays, "tokenizers": plain_library, "tiktoken": tiktokens}


def encoded(encode: Encode, texts: Sequence[str]) -> tuple[float, str]:
    """Seconds, and a hash of all ids."""
    seen, seconds = hashlib.sha256(), 0.0
    for start in range(0, len(texts), BATCH):
        began = time.perf_counter()
        found = encode(texts[start : start + BATCH])
        seconds += time.perf_counter() - began
        for ids in found:
            seen.update(json.dumps(list(map(int, ids))).encode())
    return seconds, seen.hexdigest()


def encoding(tokenizer: Tokenizer, texts: Sequence[str]) -> dict[str, Any]:
    """Megabytes a second of each system in each round, for libraries with one thread and with two."""
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    found: dict[str, Any] = {"megabytes": megabytes, "documents": len(texts)}
    for threads in (1, 2):
        speeds: dict[str, list[float]] = {name: [] for name in SYSTEMS}
        hashes = set()
        for turn in range(ROUNDS):
            for name in list(SYSTEMS)[:: 1 if turn % 2 else -1]:
                seconds, ids = encoded(SYSTEMS[name](tokenizer, threads), texts)
                speeds[name].append(megabytes / seconds)
                hashes.add(ids)
                print(f"{threads} threads, {name}: {megabytes / seconds:.2f} MB/s", flush=True)
        if len(hashes) > 1:
            sys.exit("the systems do not agree on the ids")
        found[f"{threads} threads"] = {
            "megabytes_per_second": {name: spread(values) for name, values in speeds.items()},
            "holdfast_to": {name: ratios(speeds["holdfast"], speeds[name]) for name in ("tokenizers", "tiktoken")},
        }
    return found


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """How many times as fast, round by round."""
    return spread([one / other for one, other in zip(ours, theirs, strict=True)])


def library_training(texts: Sequence[str]) -> float:
    """Seconds of the library's own training on the same texts for the same vocabulary."""
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    encoder = bare_encoder("bpe", SETTINGS.pattern)
    trainer = trainers.BpeTrainer(
        vocab_size=SETTINGS.vocab_size - len(SPECIAL_TOKENS),
        min_frequency=2,
        initial_alphabet=byte_alphabet(),
        max_token_length=LONGEST_TOKEN_BYTES,
        show_progress=False,
    )
    began = time.perf_counter()
    encoder.train_from_iterator(texts, trainer, length=len(texts))
    return time.perf_counter() - began


def training(whole: Sequence[str], short: Sequence[str]) -> dict[str, Any]:
    """Seconds to learn 8192 tokens: ours, and the library's call on documents and on books."""
    seconds: dict[str, list[float]] = {"holdfast": [], "library, documents": [], "library, books": []}
    prints = set()
    for _ in range(TRAINING_ROUNDS):
        began = time.perf_counter()
        prints.add(train(short, SETTINGS).fingerprint)
        seconds["holdfast"].append(time.perf_counter() - began)
        seconds["library, documents"].append(library_training(short))
        seconds["library, books"].append(library_training(whole))
        print({name: round(values[-1], 1) for name, values in seconds.items()}, flush=True)
    best = min(("library, documents", "library, books"), key=lambda name: statistics.median(seconds[name]))
    return {
        "megabytes": sum(len(text.encode()) for text in short) / 1e6,
        "seconds": {name: spread(values) for name, values in seconds.items()},
        "times_as_fast_as_the_librarys_best": ratios(seconds[best], seconds["holdfast"]),
        "fingerprints": sorted(prints),
    }


def main() -> None:
    """Measure, print and write."""
    whole = books(Path(sys.argv[1]))
    short = documents(whole)
    tokenizer = train(short, SETTINGS)
    result = {
        "environment": environment() | {name: version(name) for name in ("tokenizers", "tiktoken", "numpy")},
        "encode": encoding(tokenizer, short[::EVERY]),
        "train": training(whole, short),
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
