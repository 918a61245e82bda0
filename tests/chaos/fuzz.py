"""Manifests and headers changed at random, by the hundred thousand, in one process that is watched and kept small.

python -m tests.chaos.fuzz CASES SEED      one line of JSON: what was refused, what was not, at which cost
"""

from __future__ import annotations

import json
import random
import resource
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch

from holdfast.disk.files import fingerprint
from holdfast.vault.layout import plan, unpack
from holdfast.vault.manifest import FileRecord, FromTheFuture, Manifest, decode, encode

from .reader import keep_small, watch

MANIFEST = encode(
    Manifest(
        stage="pretrain", step=200, incarnation=3, tokens=10**9, position=200, best=1.25, evaluated=180, tags=("best",),
        model={"family": "transformer", "vocab_size": 300, "hidden_size": 16, "tied": True, "rope_theta": 1e4},
        optimizer={"steps": 200}, guard={"skipped": 1, "skipped_in_a_row": 0}, exactness={"device": "cpu"},
        files={f"{part}.safetensors": FileRecord(5_000_000, ("0" * 32, "a1" * 16)) for part in ("model", "optimizer")},
    )
)  # fmt: skip
TENSORS = {"embed": torch.ones(3, 4), "flags": torch.ones(5).bool(), "ids": torch.arange(3), "none": torch.ones(0, 2)}
FILE = b"".join(map(bytes, plan(TENSORS).pieces()))

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 7, 8, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64, 10**30, -(2**63), 0.0, -0.5,
    1e308, 5e-324, "", "F32", "F64", "BOOL", "O", "../x", "/etc/passwd", "model.safetensors", "\x00", "\x1b[2J",
    "\u202e", "\ud800", "x" * 5000, [], {}, [0], [0, 0], [[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]], {"a": {"a": {}}},
    ["0" * 32], [1] * 300,
)  # fmt: skip
PIECES = (
    b"NaN", b"-Infinity", b"1e999", b'"', b"\\", b"\\ud800", b"\\u0000", b"[", b"]", b"{", b"}", b",", b":", b"null",
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"9" * 400, b"[" * 3000, b'{"a":' * 500, b'"step": 1,', b'"step": 200,', b"0x10",
)  # fmt: skip


def garbled(chance: random.Random, data: bytes) -> bytes:
    """A few bytes changed, lost, repeated or added."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        place = chance.randrange(len(found) + 1)
        length = chance.choice((1, 1, 2, 8, 40))
        match chance.randrange(5):
            case 0 if place < len(found):
                found[place] ^= 1 << chance.randrange(8)
            case 1:
                found[place : place + length] = chance.randbytes(length)
            case 2:
                del found[place : place + length]
            case 3:
                found[place:place] = found[place : place + length]
            case _:
                found[place:place] = chance.choice(PIECES)
    return bytes(found) if chance.random() > 0.05 else bytes(found[: chance.randrange(len(found) + 1)])


def restructured(chance: random.Random, tree: Any) -> Any:
    """The same data with a few of its values exchanged, taken away, doubled or put under another name."""
    tree = deepcopy(tree)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        holder, key = chance.choice(list(_places(tree)) or [(None, None)])
        if holder is None:
            return chance.choice(VALUES)
        match chance.randrange(5):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[chance.choice([value for value in VALUES if isinstance(value, str)])] = holder.pop(key)
            case 2 if isinstance(holder, list):
                holder.append(deepcopy(holder[key]))
            case 3 if isinstance(holder[key], int):
                holder[key] += chance.choice((-1, 1, 4, -4, 2**20))
            case _:
                holder[key] = deepcopy(chance.choice(VALUES))
    return tree


def _places(tree: Any) -> Any:
    for key in tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield tree, key
        yield from _places(tree[key])


def some_manifest(chance: random.Random) -> bytes:
    """Half of them under the right check-sum."""
    if chance.random() < 0.5:
        return garbled(chance, MANIFEST)
    plain = json.loads(MANIFEST)
    del plain["check"]
    changed = restructured(chance, plain)
    if isinstance(changed, dict):
        try:
            changed["check"] = fingerprint(changed)
        except ValueError:  # half a character has no bytes to be hashed
            changed["check"] = "0" * 32
    return json.dumps(changed).encode()


def some_file(chance: random.Random) -> bytes:
    """Headers of any kind before data that would fit the right one."""
    (length,) = struct.unpack("<Q", FILE[:8])
    text, data = FILE[8 : 8 + length], FILE[8 + length :]
    match chance.randrange(4):
        case 0:
            return garbled(chance, FILE)
        case 1:
            text = garbled(chance, text)
        case _:
            text = json.dumps(restructured(chance, json.loads(text))).encode()
    text += b" " * (-len(text) % 8)
    claimed = len(text) if chance.random() < 0.9 else chance.choice((0, 7, 8, 2**20, 2**40, 2**63, 2**64 - 1))
    return struct.pack("<Q", claimed) + text + data


def told(outcome: str, error: Exception) -> str:
    """The outcome, if what is said of it can be shown on a terminal."""
    return outcome if str(error).isprintable() and len(str(error)) < 1000 else f"{outcome} in the wrong words"


def read_manifest(data: bytes) -> str:
    """What became of it. Raises AssertionError when something was accepted that can not be what it says."""
    try:
        found = decode(data)
    except FromTheFuture as fault:
        return told("newer", fault)
    except ValueError as error:
        return told("refused", error)
    assert decode(encode(found)) == found
    assert min(found.step, found.incarnation, found.tokens, found.position, found.bytes) >= 0
    assert not any("/" in name or name.startswith(".") for name in found.files)
    return "read"


def read_file(data: bytes) -> str:
    """Likewise, of tensors."""
    try:
        found = unpack(torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(0).byte())
    except ValueError as error:
        return told("refused", error)
    (length,) = struct.unpack("<Q", data[:8])
    assert sum(tensor.nbytes for tensor in found.values()) == len(data) - 8 - length
    assert all(tensor.is_contiguous() for tensor in found.values())
    return "read"


def run(cases: int, seed: int) -> dict[str, Any]:
    """Read so many, half of each kind."""
    chance = random.Random(seed)
    kinds: dict[str, tuple[Callable[[random.Random], bytes], Callable[[bytes], str]]] = {
        "manifest": (some_manifest, read_manifest),
        "file": (some_file, read_file),
    }
    outcomes: Counter[str] = Counter()
    events: list[str] = []
    for name, (make, read) in kinds.items():  # once before the watch begins, for what is imported when it is first used
        assert read(MANIFEST if name == "manifest" else FILE) == "read"
        make(chance)
    keep_small()
    watch(Path("/nowhere"), events)
    before, slowest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0.0
    for case in range(cases):
        name = ("manifest", "file")[case % 2]
        make, read = kinds[name]
        data = make(chance)
        started = time.perf_counter()
        try:
            outcome = read(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what we are here to find
            outcome = f"{type(error).__name__}: {error}"[:200]
        slowest = max(slowest, time.perf_counter() - started)
        outcomes[f"{name} {outcome}"] += 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    return {"cases": cases, "outcomes": outcomes, "events": events, "slowest_seconds": slowest, "grown_bytes": grown}


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]), int(sys.argv[2]))))
