"""What a checkpoint says of itself: one JSON file, written last, that vouches for every other byte of the set.

Readers are strict, because a checkpoint may come from anywhere: caps on size, depth and every number, known fields of
known types, plain file names, text that a terminal can show, no duplicate key, no NaN, and a check-sum over the whole.
What does not fit is damage, never a guess.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from holdfast.base.faults import Fault
from holdfast.disk.files import CHUNK_BYTES, fingerprint, open_plain, parse_json

FILE = "MANIFEST.json"
SCHEMA = 2
LARGEST_BYTES = 4 * 1024 * 1024  # 41 bytes per 4 MiB of state: room for 400 GB
MOST_VALUES = 200_000
MOST_CONTAINERS = 40_000
DEEPEST = 16
LARGEST_NUMBER = 2**63 - 1
LONGEST_TEXT = 1000  # characters

_CHECK = "check"
_SINCE = {"evaluated": 2}  # the format that brought a field; the others are as old as the first
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
_HASH = re.compile(r"[0-9a-f]{32}")


class Damaged(Fault):
    """A checkpoint, or a part of it, is not what was written."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"checkpoint {path.name} is damaged: {why}", "use an older checkpoint of the same stage")
        self.why = why


class FromTheFuture(Fault):
    """A sound checkpoint in a format that this version does not know."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file of the set: its length, and the xxh3-128 of each 4 MiB of it, in hex."""

    bytes: int
    chunks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The facts of one checkpoint.

    step, tokens, position: updates applied, input tokens of these, index of the next batch.
    fingerprint:            of the stage's settings and inputs; tokenizer_fingerprint: of the tokenizer.
    model:                  configuration that rebuilds the model. optimizer: its numbers that are not tensors.
    guard:                  what the guard remembers. lr_scale: standing adjustment of the learning rate.
    horizon:                total steps of the stage, which the schedule is a function of.
    best:                   lowest validation score up to here, if any was measured.
    evaluated:              step of the last validation that the state has behind it, if any.
    exactness:              what must be equal elsewhere for the same bits: precision, device, threads, versions.
    tags:                   why it was saved: interval, best, stage_end, signal, ...
    """

    stage: str
    step: int
    incarnation: int
    tokens: int = 0
    position: int = 0
    fingerprint: str = ""
    tokenizer_fingerprint: str = ""
    seed: int = 0
    world_size: int = 1
    micro_batch_rows: int = 0
    horizon: int = 0
    lr_scale: float = 1.0
    best: float | None = None
    evaluated: int | None = None
    model: Mapping[str, Any] = field(default_factory=dict)
    optimizer: Mapping[str, Any] = field(default_factory=dict)
    guard: Mapping[str, Any] = field(default_factory=dict)
    exactness: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    files: Mapping[str, FileRecord] = field(default_factory=dict)
    created: str = ""
    schema: int = SCHEMA

    @property
    def bytes(self) -> int:
        """Bytes of all files of the set, the manifest itself left out."""
        return sum(record.bytes for record in self.files.values())


def encode(manifest: Manifest) -> bytes:
    """The file's content. Raises Fault when it could not be read back, as with a field that is no plain JSON."""
    try:
        plain = json.loads(json.dumps(asdict(manifest), allow_nan=False))  # as a reader will see it
        text = json.dumps(plain | {_CHECK: fingerprint(plain)}, indent=1, ensure_ascii=False)
        content = text.encode("utf-8") + b"\n"
        decode(content)
    except (TypeError, ValueError, RecursionError) as error:
        raise Fault(
            f"the checkpoint of {manifest.stage} step {manifest.step} can not be described: {error}",
            "its settings, score and guard memory must be plain, finite data",
        ) from error
    return content


def decode(content: bytes) -> Manifest:
    """The inverse of `encode`; what an older format did not have gets its default, and the number of this format.

    Raises ValueError saying what is wrong, FromTheFuture for a newer format.
    """
    try:
        plain = strict_json(content)
    except ValueError as error:
        raise ValueError(f"its manifest {error}") from error
    if not isinstance(plain, dict):
        raise ValueError("its manifest is not an object")
    check = plain.pop(_CHECK, None)
    if check != fingerprint(plain):
        raise ValueError("its manifest does not match its own check-sum")
    schema = plain.get("schema")
    if type(schema) is not int or schema < 1:
        raise ValueError("its manifest has a wrong schema")
    if schema > SCHEMA:
        raise FromTheFuture(f"format {schema} is newer than this version knows", "install a newer holdfast")
    return _build(plain, schema)


def strict_json(content: bytes) -> Any:
    """Parse JSON that anybody may have written. Raises ValueError, to be read after the name of what was parsed.

    Besides what is no JSON, it refuses what none of our files holds: duplicate keys, NaN and infinity, numbers beyond
    64 bits, text that is long or not printable (it may end up on a terminal), and what is too deep or too large.
    """
    if len(content) > LARGEST_BYTES:
        raise ValueError("is too large to be one")
    if content.count(b",") > MOST_VALUES or content.count(b"[") + content.count(b"{") > MOST_CONTAINERS:
        raise ValueError("holds too much")  # before it is parsed: four megabytes of empty lists become 130
    try:
        value = parse_json(content)
    except ValueError as error:
        raise ValueError(f"is not valid JSON ({error})") from error
    level = [value]
    for _ in range(DEEPEST):
        if not all(map(_is_modest, level)):
            raise ValueError("holds a number or a text that we would not write")
        level = [part for item in level for part in _parts(item)]
        if not level:
            return value
    raise ValueError("is nested too deeply")


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else ()


def _is_modest(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_TEXT and value.isprintable()
    if isinstance(value, int):
        return abs(value) <= LARGEST_NUMBER
    return not isinstance(value, float) or math.isfinite(value)  # 1e999 is infinity under another name


def read(directory: Path) -> Manifest:
    """The manifest in a checkpoint's directory. Raises Damaged, or FromTheFuture naming the directory."""
    try:
        return decode(_read_capped(directory / FILE))
    except FromTheFuture as error:
        raise FromTheFuture(f"checkpoint {directory.name}: {error.cause}", error.remedy) from None
    except FileNotFoundError:
        raise Damaged(directory, "it has no manifest") from None
    except OSError as error:
        raise Damaged(directory, f"its manifest can not be read ({error.strerror or error})") from error
    except ValueError as error:
        raise Damaged(directory, str(error)) from error


def _read_capped(path: Path) -> bytes:
    with open(open_plain(path), "rb") as file:
        return file.read(LARGEST_BYTES + 1)  # one more than may be, so that `decode` sees it


def _build(plain: dict[str, Any], schema: int) -> Manifest:
    names = {entry.name for entry in fields(Manifest) if _SINCE.get(entry.name, 1) <= schema}
    if odd := plain.keys() ^ names:
        raise ValueError(f"its manifest has the wrong fields: {', '.join(sorted(odd)[:3])}")
    values = {}
    for name, value in plain.items():
        fits, convert = _KINDS[name]
        if not fits(value):
            raise ValueError(f"its manifest has a wrong {name}")
        values[name] = convert(value)
    return Manifest(**{**values, "schema": SCHEMA})


def _same(value: Any) -> Any:
    return value


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _is_object(value: Any) -> bool:
    return type(value) is dict


def _is_files(value: Any) -> bool:
    return _is_object(value) and all(_PLAIN_NAME.fullmatch(name) and _is_file(entry) for name, entry in value.items())


def _is_file(value: Any) -> bool:
    if not (_is_object(value) and value.keys() == {"bytes", "chunks"} and _is_count(value["bytes"])):
        return False
    chunks = value["chunks"]
    if type(chunks) is not list or len(chunks) != -(-value["bytes"] // CHUNK_BYTES):
        return False
    return all(_is_text(chunk) and _HASH.fullmatch(chunk) is not None for chunk in chunks)


def _to_files(value: dict[str, Any]) -> dict[str, FileRecord]:
    return {name: FileRecord(entry["bytes"], tuple(entry["chunks"])) for name, entry in value.items()}


Kind = tuple[Callable[[Any], bool], Callable[[Any], Any]]
_COUNT: Kind = (_is_count, _same)
_TEXT: Kind = (_is_text, _same)
_OBJECT: Kind = (_is_object, _same)
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("step", "incarnation", "tokens", "position", "world_size"), _COUNT),
    **dict.fromkeys(("micro_batch_rows", "horizon", "schema"), _COUNT),
    **dict.fromkeys(("stage", "fingerprint", "tokenizer_fingerprint", "created"), _TEXT),
    **dict.fromkeys(("model", "optimizer", "guard", "exactness"), _OBJECT),
    "seed": (lambda value: type(value) is int, _same),
    "lr_scale": (_is_number, float),
    "best": (lambda value: value is None or _is_number(value), _same),
    "evaluated": (lambda value: value is None or _is_count(value), _same),
    "tags": (lambda value: type(value) is list and all(map(_is_text, value)), tuple),
    "files": (_is_files, _to_files),
}
