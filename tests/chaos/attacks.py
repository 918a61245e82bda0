"""Hand-made attacks: each turns a sound run into one that was made to hurt whoever opens it.

Wherever that is possible the check-sums are right: an attacker can compute them as well as we can.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from holdfast.vault.manifest import FILE, MOST_VALUES

from .attacks_on_tensors import MODEL, TENSORS, Attack, filled
from .foreign import CHECKPOINTS, NEWEST, STAGE, Json, change, content, parts_of, rewrite, sign, vouch


class Bomb:
    """Runs code in whoever unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch /tmp/holdfast-was-here",)


def torch_saved() -> bytes:
    buffer = io.BytesIO()
    torch.save({"model": Bomb()}, buffer)
    return buffer.getvalue()


PICKLES: dict[str, Attack] = {
    "the manifest is a pickle": lambda run: raw_manifest(run, pickle.dumps(Bomb())),
    "the manifest is an old text pickle": lambda run: raw_manifest(run, b"cos\nsystem\n(S'true'\ntR."),
    "the weights are a pickle": lambda run: vouch(run, MODEL, pickle.dumps(Bomb())),
    "the weights are a file of torch.save": lambda run: vouch(run, MODEL, torch_saved()),
    "the optimizer is a file of torch.save": lambda run: vouch(run, "optimizer.safetensors", torch_saved()),
    "the header is a pickle": lambda run: rewrite(run, "model", pickle.dumps(Bomb()), b""),
    "the data is a pickle": lambda run: rewrite(run, "model", parts_of(run, "model")[0], pickle.dumps(Bomb())),
    "pickles lie beside the weights": lambda run: [
        (run / NEWEST / name).write_bytes(torch_saved())
        for name in ("pytorch_model.bin", "optimizer.pt", ".metadata", "__0_0.distcp", "model.pkl")
    ],
    "the manifest vouches for a pickle as well": lambda run: vouch(run, "state.pkl", pickle.dumps(Bomb())),
    "the marks and pointers are pickles": lambda run: [
        (run / STAGE / name).write_bytes(pickle.dumps(Bomb())) for name in ("marks.json", "latest.json", "best.json")
    ],
    "python files lie everywhere": lambda run: [
        (place / name).write_text("import os; os.system('true')")
        for place in (run, run / STAGE, run / NEWEST, run / "tokenizer")
        for name in ("sitecustomize.py", "conftest.py", "modeling.py", "__init__.py")
    ],
}


def raw_manifest(run: Path, data: bytes) -> None:
    (run / NEWEST / FILE).write_bytes(data)


def retext(run: Path, old: bytes, new: bytes) -> None:
    """Change the text of the manifest where JSON would not let us, the check-sum left as it was."""
    text = (run / NEWEST / FILE).read_bytes()
    assert old in text
    raw_manifest(run, text.replace(old, new))


def giant(path: Path, size: int) -> None:
    path.touch()
    os.truncate(path, size)


TEXTS: dict[str, Attack] = {
    "a manifest of a gigabyte": lambda run: giant(run / NEWEST / FILE, 2**30),
    "a manifest of empty lists": lambda run: raw_manifest(run, filled(b"[", b"[],", b"0]")),
    "a manifest of small objects": lambda run: raw_manifest(run, filled(b"[", b'{"":[]},', b"0]")),
    "a manifest of numbers": lambda run: raw_manifest(run, filled(b"[", b"1.5,", b"0]")),
    "a manifest of one wide text": lambda run: raw_manifest(run, filled('["\U0001f600'.encode(), b"a", b'"]')),
    "a manifest of one long number": lambda run: raw_manifest(run, filled(b'{"step":', b"9", b"}")),
    "a manifest of one long fraction": lambda run: raw_manifest(run, filled(b"[1.", b"3", b"]")),
    "lists in lists": lambda run: raw_manifest(run, filled(b"", b"[", b"")),
    "objects in objects": lambda run: raw_manifest(run, filled(b"", b'{"a":', b"")),
    "deep data under a right check-sum": lambda run: change(run, model=json.loads("[" * 400 + "]" * 400)),
    "a duplicate key": lambda run: retext(run, b'"step": 2', b'"step": 9, "step": 2'),
    "a duplicate key further in": lambda run: retext(run, b'"bytes"', b'"bytes": 1, "bytes"'),
    "NaN": lambda run: retext(run, b'"lr_scale": 1.0', b'"lr_scale": NaN'),
    "infinity": lambda run: retext(run, b'"lr_scale": 1.0', b'"lr_scale": -Infinity'),
    "infinity by another name": lambda run: retext(run, b'"lr_scale": 1.0', b'"lr_scale": 1e999'),
    "a number of 5,000 digits": lambda run: retext(run, b'"step": 2', b'"step": ' + b"7" * 5000),
    "half a character": lambda run: retext(run, b'"pretrain"', b'"\\ud83d"'),
    "another encoding": lambda run: raw_manifest(run, json.dumps(content(run)).encode("utf-16")),
    "a byte order mark": lambda run: raw_manifest(run, b"\xef\xbb\xbf" + (run / NEWEST / FILE).read_bytes()),
    "a second document behind the first": lambda run: retext(run, b"\n}\n", b"\n}\n{}\n"),
    "half a manifest": lambda run: os.truncate(run / NEWEST / FILE, 300),
    "no manifest": lambda run: (run / NEWEST / FILE).unlink(),
    "an empty manifest": lambda run: os.truncate(run / NEWEST / FILE, 0),
}

FIELDS: dict[str, Json] = {
    "a negative step": {"step": -1},
    "a truth value for a step": {"step": True},
    "a fraction for a step": {"step": 2.0},
    "the step of another checkpoint": {"step": 1},
    "a number beyond 64 bits": {"tokens": 2**64},
    "a number of 4,000 digits": {"position": 10**4000},
    "an unknown field": {"__reduce__": "os.system"},
    "a newer format": {"schema": 99},
    "a format of 4,000 digits": {"schema": 10**4000},
    "format zero": {"schema": 0},
    "a format in words": {"schema": "2"},
    "control codes for the terminal": {"stage": "\x1b]0;owned\x07\x1b[2J"},
    "text that runs backwards": {"created": "2026\u202e6202"},
    "a text of a megabyte": {"fingerprint": "f" * 2**20},
    "too many tags": {"tags": ["best"] * MOST_VALUES},
    "tags in one text": {"tags": "best"},
    "no files": {"files": {}},
    "files in a list": {"files": [MODEL]},
}


def refile(name: str | None = None, **record: Any) -> Attack:
    """Change what the manifest says of the weights: their name, or facts about them."""

    def attack(run: Path) -> None:
        fields = content(run)
        fields["files"][MODEL if name is None else name] = fields["files"].pop(MODEL) | record
        if name is not None:  # the vault insists on the weights; whatever else is named comes on top
            fields["files"][MODEL] = dict(fields["files"][name])
        sign(run, fields)

    return attack


NAMES: dict[str, Attack] = {
    "a path upwards": refile("../../../../secret"),
    "a path from the root": refile("/etc/passwd"),
    "a path with backslashes": refile("..\\..\\secret"),
    "a name with a zero byte": refile("model\x00.safetensors"),
    "a name that looks like a path": refile("..∕secret"),
    "a name in other letters": refile("ｍodel.safetensors"),
    "a hidden name": refile(".bashrc"),
    "a name of 4,000 letters": refile("m" * 4000),
    "an empty name": refile(""),
    "more bytes than there are": refile(bytes=10**18),
    "more bytes than numbers go": refile(bytes=2**63),
    "negative bytes": refile(bytes=-1),
    "no chunks": refile(chunks=[]),
    "too many chunks": refile(chunks=["0" * 32] * 5000),
    "a chunk that is no hash": refile(chunks=["../../../etc/passwd/../../../../0"]),
    "a hash in capitals": refile(chunks=["A" * 32]),
    "a record with a link": refile(link="/etc/passwd"),
}


def moved(run: Path, name: str) -> tuple[Path, Path]:
    """A file of the checkpoint, put outside of it: (where it was, where it is)."""
    path, outside = run / NEWEST / name, run / "outside"
    path.rename(outside)
    return path, outside


def linked(run: Path, name: str) -> None:
    path, outside = moved(run, name)
    path.symlink_to(outside)


def hard_linked(run: Path) -> None:
    path, outside = moved(run, MODEL)
    path.hardlink_to(outside)


def replaced(run: Path, name: str, make: Callable[[Path], object]) -> None:
    path = run / name
    path.unlink(missing_ok=True)
    make(path)


def plug(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as plugged:
        there = os.getcwd()
        os.chdir(path.parent)  # the path of a socket has room for 107 bytes
        plugged.bind(path.name)
        os.chdir(there)


def linked_directory(run: Path) -> None:
    (run / NEWEST).rename(run / "outside")
    (run / NEWEST).symlink_to(run / "outside")


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


PLACES: dict[str, Attack] = {
    "the weights are a link": partial(linked, name=MODEL),
    "the weights are a hard link": hard_linked,
    "the weights are a pipe": partial(replaced, name=f"{NEWEST}/{MODEL}", make=os.mkfifo),
    "the weights are a socket": partial(replaced, name=f"{NEWEST}/{MODEL}", make=plug),
    "the weights are a directory": partial(replaced, name=f"{NEWEST}/{MODEL}", make=os.mkdir),
    "the weights are without end": partial(replaced, name=f"{NEWEST}/{MODEL}", make=endless),
    "the weights are a terabyte of nothing": lambda run: os.truncate(run / NEWEST / MODEL, 2**40),
    "the manifest is a link": partial(linked, name=FILE),
    "the manifest is a pipe": partial(replaced, name=f"{NEWEST}/{FILE}", make=os.mkfifo),
    "the manifest is a directory": partial(replaced, name=f"{NEWEST}/{FILE}", make=os.mkdir),
    "the manifest is without end": partial(replaced, name=f"{NEWEST}/{FILE}", make=endless),
    "the manifest links to itself": partial(replaced, name=f"{NEWEST}/{FILE}", make=lambda path: path.symlink_to(path)),
    "the checkpoint is a link": linked_directory,
    "the checkpoint is a pipe": lambda run: ((run / NEWEST).rename(run / "outside"), os.mkfifo(run / NEWEST)),
    "strange neighbours": lambda run: [
        (run / CHECKPOINTS / name).mkdir()
        for name in ("step-٠٠٠٠٠٠٠٩.i٠١", "step-9.i01", "step-00000009.i01\n", "..step-00000009.i01", "\x1b[2J")
    ],
    "the marks are a pipe": partial(replaced, name=f"{STAGE}/marks.json", make=os.mkfifo),
    "the marks are without end": partial(replaced, name=f"{STAGE}/marks.json", make=endless),
    "the marks are nested": partial(
        replaced, name=f"{STAGE}/marks.json", make=lambda path: path.write_bytes(b'{"a":' * 200_000)
    ),
    "the tokenizer is a pipe": partial(replaced, name="tokenizer/tokenizer.json", make=os.mkfifo),
    "the tokenizer is without end": partial(replaced, name="tokenizer/tokenizer.json", make=endless),
    "the tokenizer is a directory": partial(replaced, name="tokenizer/tokenizer.json", make=os.mkdir),
    "the tokenizer is nested": partial(
        replaced, name="tokenizer/tokenizer.json", make=lambda path: path.write_bytes(b"[" * 200_000)
    ),
    "the tokenizer is a gigabyte": lambda run: giant(run / "tokenizer" / "tokenizer.json", 2**30),
    "the tokenizer is a pickle": lambda run: (run / "tokenizer" / "tokenizer.json").write_bytes(pickle.dumps(Bomb())),
}


MODELS: dict[str, Json] = {
    "a trillion parameters": {"vocab_size": 10**9, "hidden_size": 1000},
    "a billion layers": {"num_layers": 10**9},
    "a context without end": {"context_length": 10**12},
    "a feed-forward part without end": {"intermediate_size": 10**15},
    "heads without end": {"head_dim": 2**60},
    "a width in words": {"hidden_size": "16"},
    "a width in fractions": {"hidden_size": 16.0},
    "a width of nothing": {"hidden_size": 0},
    "a width below nothing": {"hidden_size": -16},
    "no heads": {"num_heads": 0},
    "a list of layers": {"num_layers": [1]},
    "a truth value of layers": {"num_layers": True},
    "a norm in words": {"norm_eps": "1e-6"},
    "rotations at the end of numbers": {"rope_theta": 1e308},
    "an unknown family": {"family": "__import__('os')"},
    "a list for a family": {"family": ["transformer"]},
    "an unknown setting": {"__init__": "os.system"},
    "a dropout in words": {"dropout": "0.5"},
}

STATES: dict[str, Json] = {
    "a guard that remembers nothing": {"guard": {}},
    "a guard in words": {"guard": {"skipped": "many", "skipped_in_a_row": "none"}},
    "a guard below zero": {"guard": {"skipped": -1, "skipped_in_a_row": -5}},
    "a guard of lists": {"guard": {"skipped": [1], "skipped_in_a_row": {}}},
    "an optimizer without its count": {"optimizer": {}},
    "an optimizer that counts in words": {"optimizer": {"steps": "two"}},
    "an optimizer that counts below zero": {"optimizer": {"steps": -2}},
    "an optimizer that counts in lists": {"optimizer": {"steps": [2]}},
    "an optimizer that counts in fractions": {"optimizer": {"steps": 1e300}},
    "an optimizer with a stranger": {"optimizer": {"steps": 2, "__class__": "os.system"}},
    "the tokenizer of another run": {"tokenizer_fingerprint": "0" * 32},
}

ATTACKS: dict[str, Attack] = {
    **PICKLES,
    **TEXTS,
    **{name: partial(change, **fields) for name, fields in FIELDS.items()},
    **{f"files: {name}": attack for name, attack in NAMES.items()},
    **PLACES,
    **TENSORS,
    **{
        f"model: {name}": lambda run, values=values: change(run, model=content(run)["model"] | values)
        for name, values in MODELS.items()
    },
    "model: no settings": partial(change, model={}),
    "model: half the settings": partial(change, model={"family": "transformer", "vocab_size": 300}),
    **{name: partial(change, **fields) for name, fields in STATES.items()},
}

# What does not change the model or the state that is loaded, and may therefore pass.
HARMLESS = {
    "pickles lie beside the weights",
    "the manifest vouches for a pickle as well",
    "the marks and pointers are pickles",
    "python files lie everywhere",
    "the weights are a hard link",
    "strange neighbours",
    "the marks are nested",
    "the marks are a pipe",
    "the marks are without end",
    "model: rotations at the end of numbers",
    "model: a truth value of layers",
}
