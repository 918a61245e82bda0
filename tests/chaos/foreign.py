"""A small run as a stranger might hand it over, and the tools of one who changes it and puts every check-sum right."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from holdfast.disk.files import chunk_hashes, fingerprint
from holdfast.model.build import build, config_to_dict, initialise
from holdfast.model.config import TransformerConfig
from holdfast.optim.build import OptimizerConfig, build_optimizer
from holdfast.tokenizer import store
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.train import train
from holdfast.train.state import RunState
from holdfast.vault.manifest import FILE
from holdfast.vault.store import Vault

STAGE = "pretrain"
CHECKPOINTS = f"{STAGE}/checkpoints"
NEWEST = f"{CHECKPOINTS}/step-00000002.i01"

Json = dict[str, Any]


def live_state(vocab_size: int, seed: int) -> RunState:
    """A training state of the kind that `sound_run` saves."""
    config = TransformerConfig(vocab_size, 16, 16, 1, 2, 1, 16)
    model = build(config)
    initialise(model, seed)
    optimizer = build_optimizer(model, OptimizerConfig(kind="muon"))
    for number, tensor in enumerate(optimizer.state_tensors().values()):
        tensor.fill_(seed + number / 8)
    return RunState(model, optimizer, STAGE, seed, micro_batch_rows=1, precision="fp32")


def sound_run(run: Path) -> None:
    """A run directory with a tokenizer and one checkpoint."""
    tokenizer = train(iter(()), TokenizerSettings(kind="byte"))
    store.save(tokenizer, run / "tokenizer")
    state = live_state(tokenizer.vocab_size, seed=2)
    state.step = 2
    fields = {"model": config_to_dict(state.model.config), "tokenizer_fingerprint": tokenizer.fingerprint, "horizon": 9}
    Vault(run / STAGE, 1).save(2, state.tensors(), state.fields() | fields, ["interval"])


def content(run: Path) -> Json:
    """The manifest's fields, without its check-sum."""
    found: Json = json.loads((run / NEWEST / FILE).read_bytes())
    del found["check"]
    return found


def sign(run: Path, fields: Mapping[str, Any]) -> None:
    """Write a manifest of any fields, under the right check-sum."""
    (run / NEWEST / FILE).write_text(json.dumps({**fields, "check": fingerprint(dict(fields))}))


def change(run: Path, **fields: Any) -> None:
    """Give fields of the manifest other values."""
    sign(run, content(run) | fields)


def vouch(run: Path, name: str, data: bytes | None = None) -> None:
    """Let the manifest vouch for a file as it is, or with new content."""
    path = run / NEWEST / name
    if data is not None:
        path.write_bytes(data)
    fields = content(run)
    fields["files"][name] = {"bytes": path.stat().st_size, "chunks": chunk_hashes(path)}
    sign(run, fields)


def parts_of(run: Path, part: str) -> tuple[Json, bytes]:
    """The header and the data of a tensor file."""
    raw = (run / NEWEST / f"{part}.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def rewrite(run: Path, part: str, header: object, data: bytes, pad: int = 8) -> None:
    """Write a tensor file of any header (JSON data, or bytes as they are) and let the manifest vouch for it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % pad)
    vouch(run, f"{part}.safetensors", struct.pack("<Q", len(text)) + text + data)


def edit(run: Path, part: str, how: Callable[[Json], object]) -> None:
    """Change the header of a tensor file, in place or for what `how` returns, and vouch for it."""
    header, data = parts_of(run, part)
    changed = how(header)
    rewrite(run, part, header if changed is None else changed, data)


def retensor(run: Path, part: str, how: Callable[[dict[str, torch.Tensor]], None]) -> None:
    """Change the tensors of a file and write it again as our own writer would."""
    from holdfast.vault.layout import plan, unpack

    raw = bytearray((run / NEWEST / f"{part}.safetensors").read_bytes())
    tensors = unpack(torch.frombuffer(raw, dtype=torch.uint8))
    how(tensors)
    vouch(run, f"{part}.safetensors", b"".join(map(bytes, plan(tensors).pieces())))
