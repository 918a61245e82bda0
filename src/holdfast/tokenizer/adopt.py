"""A tokenizer made elsewhere, taken over if its rules for text are ones we know: GPT-2's files and their like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from holdfast.base.faults import DataFault
from holdfast.disk.files import read_json
from holdfast.tokenizer.settings import Pattern
from holdfast.tokenizer.special import special_tokens
from holdfast.tokenizer.vocabulary import PATTERNS, Vocabulary, byte_alphabet

TOKENIZER, VOCAB, MERGES = "tokenizer.json", "vocab.json", "merges.txt"

# What a byte pair model may be told to do, and the values at which it does none of it.
_QUIET: dict[str, tuple[Any, ...]] = {
    "dropout": (None, 0, 0.0),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "byte_fallback": (None, False),
    "ignore_merges": (None, False),
}


def adopt(path: Path, domain: tuple[str, ...] = ()) -> Vocabulary:
    """The vocabulary in `path`: a tokenizer.json, or a folder with one, or with vocab.json and merges.txt.

    Text gets the ids it has there; our special tokens follow. Raises DataFault, with the reason, for anything that
    would make the ids differ: a normalizer, an unknown pattern, a model other than byte-level BPE, added words.
    """
    if path.is_dir() and not (path / TOKENIZER).exists():
        pattern: Pattern = "gpt2"
        ids, merges = _json(path / VOCAB), _merge_lines(path / MERGES)
    else:
        path = path / TOKENIZER if path.is_dir() else path
        saved = _json(path)
        pattern = _pattern(saved, path)
        ids, merges = _model(saved, path)
    return _checked(ids, merges, pattern, domain, path)


def _json(path: Path) -> dict[str, Any]:
    try:
        value = read_json(path)
    except (OSError, ValueError, RecursionError) as error:
        raise DataFault(
            f"there is no tokenizer that can be read at {path} ({getattr(error, 'strerror', None) or 'it is no JSON'})",
            f"give {TOKENIZER}, or {VOCAB} with {MERGES}",
        ) from error
    if not isinstance(value, dict):
        raise _refused(path, "it is not a JSON object")
    return value


def _merge_lines(path: Path) -> list[Any]:
    """merges.txt: a pair per line, in the order of learning, after a line that says the version."""
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataFault(f"{path} can not be read: {error}", f"put it beside {VOCAB}") from error
    return [line for line in lines if line and not line.startswith("#version")]


def _pattern(saved: dict[str, Any], path: Path) -> Pattern:
    """Which word pattern a tokenizer.json has, if it does nothing else to text."""
    if saved.get("normalizer") is not None:
        raise _refused(path, f"it changes text before it is cut (normalizer {_type(saved['normalizer'])})")
    for added in saved.get("added_tokens") or []:
        if not added.get("special"):
            raise _refused(path, f"it takes the word {added.get('content')!r} out of plain text (an added token)")
    cutter = saved.get("pre_tokenizer") or {}
    steps = cutter.get("pretokenizers", []) if _type(cutter) == "Sequence" else [cutter]
    last = steps[-1] if steps else {}
    if _type(last) != "ByteLevel" or last.get("add_prefix_space", True):
        raise _refused(path, "it is not byte-level, or puts a space before a text")
    if len(steps) == 1 and last.get("use_regex", True):
        return "gpt2"
    if len(steps) == 2 and _type(steps[0]) == "Split" and not last.get("use_regex", True):
        split = steps[0]
        for name, rule in PATTERNS.items():
            if split.get("pattern") == {"Regex": rule} and (split["behavior"], split["invert"]) == ("Isolated", False):
                return name
    raise _refused(path, f"its rule for cutting words is none of {', '.join(PATTERNS)}")


def _model(saved: dict[str, Any], path: Path) -> tuple[dict[str, Any], list[Any]]:
    model = saved.get("model") or {}
    if model.get("type", "BPE") != "BPE" or "merges" not in model or not isinstance(model.get("vocab"), dict):
        raise _refused(path, f"its model is {model.get('type')}, not byte-level BPE")
    for name, quiet in _QUIET.items():
        if model.get(name) not in quiet:
            raise _refused(path, f"its model has {name} {model[name]!r}")
    return model["vocab"], model["merges"]


def _checked(
    ids: dict[str, Any], merges: list[Any], pattern: Pattern, domain: tuple[str, ...], path: Path
) -> Vocabulary:
    try:
        tokens = tuple(sorted(ids, key=ids.__getitem__))
        split = [each.split(" ") if isinstance(each, str) else each for each in merges]
        pairs = tuple((str(left), str(right)) for left, right in split)
    except (TypeError, ValueError) as error:
        raise _refused(path, "its vocabulary or merges are not in the expected form") from error
    if [ids[token] for token in tokens] != list(range(len(tokens))):
        raise _refused(path, "its ids have gaps")
    if missing := [character for character in byte_alphabet() if character not in ids]:
        raise _refused(path, f"{len(missing)} of the 256 bytes have no token, so it would lose text")
    if unknown := [pair for pair in pairs if not {*pair, "".join(pair)} <= ids.keys()]:
        raise _refused(path, f"the merge {unknown[0]} makes a token that is not in the vocabulary")
    if odd := [token for token in tokens if not set(token) <= set(byte_alphabet())]:
        raise _refused(path, f"the token {odd[0]!r} is not spelled in the byte-level alphabet")
    if taken := {*special_tokens(len(tokens) + len(domain)), *domain} & ids.keys():
        raise _refused(path, f"the name {min(taken)} is taken there")
    return Vocabulary("bpe", pattern, tokens, pairs, domain)


def _type(part: Any) -> Any:
    return part.get("type") if isinstance(part, dict) else None


def _refused(path: Path, why: str) -> DataFault:
    return DataFault(
        f"the tokenizer at {path} can not be taken over: {why}",
        "give one with GPT-2's rules, or set tokenizer.load=off to learn a vocabulary",
    )
