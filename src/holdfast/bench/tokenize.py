"""Text to ids, and learning a vocabulary, beside the libraries others use for it: `python -m holdfast.bench.tokenize
CONFIG` is one of them. Everybody encodes the same documents with the same vocabulary, and the ids are compared."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Library
from tokenizers import trainers

from holdfast.base.faults import Fault
from holdfast.base.machine import cores
from holdfast.bench.bench import Bench
from holdfast.bench.child import in_fresh_process
from holdfast.bench.figures import OURS
from holdfast.bench.material import Material, passages, words_of
from holdfast.text.corpus import read_split
from holdfast.tokenizer import store
from holdfast.tokenizer.codec import Tokenizer
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.special import SPECIAL_TOKENS
from holdfast.tokenizer.store import export_json
from holdfast.tokenizer.train import LONGEST_TOKEN_BYTES, train
from holdfast.tokenizer.vocabulary import PATTERNS, bare_encoder, byte_alphabet

VOCAB = 8192
BATCH = 1000  # documents; thousands more at a time and the libraries need gigabytes
EVERY = 3  # one in so many documents is encoded; all are learned from
PEERS = ("tokenizers", "tiktoken", "rustbpe")

Encode = Callable[[Sequence[str]], Sequence[Any]]


def tokenize(bench: Bench, text: Path) -> dict[str, Any]:
    """Measure and write tokenize.json: megabytes a second encoded with one thread and with all, and learned from."""
    bench.require_peers(PEERS)
    words = words_of("smoke", text, ("tokenizer.kind=bpe", f"tokenizer.vocab_size={VOCAB}"))
    run_dir = Material(bench.work, words).run_dir
    trial, environment = bench.trial()
    hashes: set[str] = set()

    def once(name: str, _: int) -> Mapping[str, float]:
        config = {"system": name, "run": str(run_dir), "threads": cores()}
        lines = in_fresh_process("holdfast.bench.tokenize", config, bench.work)[1]
        if (seen := lines[0].pop("ids")) is not None:
            hashes.add(seen)
        if len(hashes) > 1:
            raise Fault(f"{name} gives other ids than the systems before it", "compare the versions of the libraries")
        return {key: float(value) for key, value in lines[0].items()}

    runs = trial.interleave([OURS, *bench.against], once)
    return bench.keep("tokenize", "tokenize", environment, {"vocab": VOCAB, "text": text.name}, runs)


def main() -> None:
    """One system, in this process."""
    config = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    run_dir = Path(config["run"])
    texts = list(passages(document.text for document in read_split(run_dir / "corpus", "train")))
    tokenizer, some = store.load(run_dir / "tokenizer"), texts[::EVERY]
    figures: dict[str, Any] = {"ids": None}
    for threads in sorted({1, config["threads"]}):
        if (encode := encoder(config["system"], tokenizer, threads)) is not None:
            seconds, figures["ids"] = encoded(encode, some)
            figures[f"encode_mb_per_second_{threads}_threads"] = _megabytes(some) / seconds
    if (learned := learning(config["system"], texts)) is not None:
        figures["learn_mb_per_second"] = _megabytes(texts) / learned
    Path(config["out"]).write_text(json.dumps(figures) + "\n", "utf-8")


def encoder(system: str, tokenizer: Tokenizer, threads: int) -> Encode | None:
    """Texts to ids by one of the systems; None for one that only learns. Ours has one thread, whatever it is given."""
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
    if system == OURS:
        return Tokenizer(tokenizer.vocabulary).encode_arrays
    if system == "tokenizers":
        library = Library.from_str(export_json(tokenizer))
        return lambda texts: [each.ids for each in library.encode_batch(texts, add_special_tokens=False)]
    if system == "tiktoken":
        import tiktoken

        spelled = tokenizer.vocabulary.token_bytes[: len(tokenizer.vocabulary.tokens)]
        ranks = {token: place for place, token in enumerate(spelled)}  # a token's rank is its id
        pattern = PATTERNS[tokenizer.vocabulary.pattern or "qwen2"]
        encoding = tiktoken.Encoding("ours", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
        return lambda texts: encoding.encode_ordinary_batch(list(texts), num_threads=threads)
    return None


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


def learning(system: str, texts: Sequence[str]) -> float | None:
    """Seconds to learn VOCAB ids from texts; None for a system that only encodes."""
    settings = TokenizerSettings.model_validate({"vocab_size": VOCAB, "train_bytes": 1 << 40})
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    began = time.perf_counter()
    if system == OURS:
        train(texts, settings)
    elif system == "tokenizers":
        trainer = trainers.BpeTrainer(
            vocab_size=VOCAB - len(SPECIAL_TOKENS),
            min_frequency=2,
            initial_alphabet=byte_alphabet(),
            max_token_length=LONGEST_TOKEN_BYTES,
            show_progress=False,
        )
        bare_encoder("bpe", settings.pattern).train_from_iterator(texts, trainer, length=len(texts))
    elif system == "rustbpe":
        import rustbpe

        rustbpe.Tokenizer().train_from_iterator(
            iter(texts), VOCAB - len(SPECIAL_TOKENS), pattern=PATTERNS[settings.pattern]
        )
    else:
        return None
    return time.perf_counter() - began


def _megabytes(texts: Sequence[str]) -> float:
    return sum(len(text.encode("utf-8")) for text in texts) / 1e6


if __name__ == "__main__":
    main()
