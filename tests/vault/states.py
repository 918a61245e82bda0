"""States of all kinds of tensors, and what the tests of the vault ask about what became of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from holdfast.vault.store import Policy, Vault

FIELDS: dict[str, Any] = {"stage": "pretrain", "tokens": 640, "optimizer": {"step": 3}}
TWO = Policy(newest=2)


def state(seed: int = 0) -> dict[str, dict[str, Tensor]]:
    random_numbers = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random_numbers)

    model = {
        "embed": normal(40, 8),
        "half": normal(3, 5).half(),
        "brain": normal(7).bfloat16(),
        "ids": torch.arange(seed, seed + 5),
        "bytes": torch.arange(3, dtype=torch.uint8),
        "turned": normal(4, 6).T,
        "scalar": normal(1)[0],
        "nothing": torch.empty(0, 4),
    }
    return {"model": model, "optimizer": {"embed.mean": normal(40, 8), "count": torch.tensor(seed)}}


def same(one: dict[str, dict[str, Tensor]], other: dict[str, dict[str, Tensor]]) -> bool:
    return all(
        one[part].keys() == other[part].keys()
        and all(
            one[part][name].dtype == other[part][name].dtype and torch.equal(one[part][name], other[part][name])
            for name in one[part]
        )
        for part in ("model", "optimizer")
    )


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def flip(path: Path, byte: int) -> None:
    content = bytearray(path.read_bytes())
    content[byte] ^= 16
    path.write_bytes(content)


def pointer(vault: Vault, name: str) -> dict[str, Any]:
    return dict(json.loads((vault.root / f"{name}.json").read_text()))


def tagged(vault: Vault, tag: str) -> int | None:
    found = vault.newest(tag)
    return None if found is None else found.step


def four_steps(root: Path) -> None:
    """A run of which step 2 is the best and proved healthy."""
    vault = Vault(root, 1)
    for step in range(1, 5):
        saved = vault.save(step, state(step), FIELDS | {"position": step}, ["interval"])
        if step == 2:
            vault.mark(saved, "best", 1.5)
            vault.mark(saved, "healthy")
