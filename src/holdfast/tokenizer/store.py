"""A tokenizer on disk: one file that other software reads, and a manifest that lets us trust it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from holdfast.base.faults import DataFault
from holdfast.disk import fileops, parts
from holdfast.disk.files import read_json, write_json, write_text
from holdfast.tokenizer.codec import Tokenizer
from holdfast.tokenizer.lossless import check_lossless
from holdfast.tokenizer.vocabulary import PATTERNS, Vocabulary, full_encoder

TOKENIZER_FILE = "tokenizer.json"
MANIFEST_FILE = "tokenizer_manifest.json"
SCHEMA = 1


def export_json(tokenizer: Tokenizer) -> str:
    """The text of a `tokenizer.json` for the `tokenizers` and `transformers` libraries, special tokens included.
    There, encoding a plain text with special tokens on puts `<|bos|>` before it; the ids of the text are ours."""
    return full_encoder(tokenizer.vocabulary).to_str()


def save(tokenizer: Tokenizer, directory: Path, made_from: str | None = None) -> None:
    """Write `tokenizer.json`, then the manifest that vouches for it. Raises OSError.

    made_from: a fingerprint of the text and the settings it was learned from, by which `saved` knows it again.
    """
    parts.sweep(directory)
    if (directory / MANIFEST_FILE).exists():
        fileops.unlink(directory / MANIFEST_FILE)
    write_text(directory / TOKENIZER_FILE, export_json(tokenizer))
    write_json(
        directory / MANIFEST_FILE,
        {
            "schema": SCHEMA,
            "kind": tokenizer.kind,
            "pattern": tokenizer.pattern,
            "vocab_size": tokenizer.vocab_size,
            "domain": list(tokenizer.vocabulary.domain),
            "special": tokenizer.special,
            "fingerprint": tokenizer.fingerprint,
            "made_from": made_from,
        },
    )


def saved(directory: Path, made_from: str) -> Tokenizer | None:
    """The tokenizer in `directory` if it is whole and was made from the same, else None."""
    try:
        manifest = _read(directory / MANIFEST_FILE)
        return load(directory) if manifest.get("made_from") == made_from else None
    except DataFault:
        return None


def load(directory: Path) -> Tokenizer:
    """The tokenizer saved in `directory`. Raises DataFault if it is missing, damaged, or loses text."""
    manifest = _read(directory / MANIFEST_FILE)
    path = directory / TOKENIZER_FILE
    vocabulary = _vocabulary(manifest, _read(path), path)
    expected = manifest.get("fingerprint"), manifest.get("vocab_size"), manifest.get("special")
    if (vocabulary.fingerprint, vocabulary.size, vocabulary.special) != expected:
        raise _damaged(path, "its content does not match its manifest")
    tokenizer = Tokenizer(vocabulary)
    check_lossless(tokenizer)
    return tokenizer


def saved_size(directory: Path) -> int | None:
    """How many ids the tokenizer in `directory` has, by its manifest; None where there is none. Raises DataFault."""
    path = directory / MANIFEST_FILE
    if not path.exists():
        return None
    size = _read(path).get("vocab_size")
    if not isinstance(size, int) or size < 1:
        raise _damaged(path, "it does not say how many tokens there are")
    return size


def _read(path: Path) -> dict[str, Any]:
    try:
        value = read_json(path)
    except FileNotFoundError as error:
        raise DataFault(f"there is no tokenizer: {path} is missing", "run the tokenizer stage first") from error
    except OSError as error:
        raise _damaged(path, f"it can not be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "it is not valid JSON") from error
    if not isinstance(value, dict):
        raise _damaged(path, "it is not a JSON object")
    return value


def _vocabulary(manifest: dict[str, Any], saved: dict[str, Any], path: Path) -> Vocabulary:
    kind, pattern = manifest.get("kind"), manifest.get("pattern")
    if kind not in ("bpe", "char", "byte") or (pattern is not None and pattern not in PATTERNS):
        raise _damaged(path, f"its manifest names an unknown kind or pattern ({kind!r}, {pattern!r})")
    try:
        ids: dict[str, int] = saved["model"]["vocab"]
        tokens = tuple(sorted(ids, key=ids.__getitem__))
        merges = tuple((str(left), str(right)) for left, right in saved["model"]["merges"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, "it has no vocabulary of the expected form") from error
    if [ids[token] for token in tokens] != list(range(len(tokens))):
        raise _damaged(path, "its ids have gaps")
    domain = manifest.get("domain", [])  # an older manifest has none
    if not isinstance(domain, list) or not all(isinstance(name, str) for name in domain):
        raise _damaged(path, "its manifest names domain tokens that are no list of names")
    return Vocabulary(kind, pattern, tokens, merges, tuple(domain))


def _damaged(path: Path, why: str) -> DataFault:
    return DataFault(
        f"the tokenizer in {path} is damaged: {why}", "remove its folder and run the tokenizer stage again"
    )
