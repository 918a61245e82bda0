"""A stage that starts from counts knows from its first batch what one that starts from nothing has to find out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from holdfast.stages.pipeline import run
from holdfast.stages.recipe import resolve
from holdfast.vault.store import Vault
from holdfast.vault.verify import digests

WORDS = (
    "device=cpu",
    "precision=fp32",
    "threads=1",
    "corpus.generator=harbour",
    "corpus.documents=400",
    "tokenizer.vocab_size=384",
    "model.hidden_size=32",
    "model.num_layers=1",
    "model.num_heads=1",
    "model.num_kv_heads=1",
    "model.intermediate_size=64",
    "model.context_length=64",
    "model.tied=false",
    "pretrain.batch_tokens=512",
    "pretrain.steps=4",
    "evaluate.prompts=[]",
)

COUNTS = "pretrain.first_weights=counts"


def trained(folder: Path, *words: str) -> tuple[list[float], str]:
    """The losses of the first steps, and a hash of the weights behind them."""
    resolved = resolve("smoke", [*WORDS, *words])
    assert run(resolved, folder, until="pretrain", quiet=True)
    journal = sorted((folder / "journal").iterdir())
    lines = [json.loads(line) for path in journal for line in path.read_text("utf-8").splitlines()]
    losses = [line["loss"] for line in lines if line["kind"] == "step"]
    newest = Vault(folder / "pretrain").checkpoints()[-1]
    return losses, digests(newest)["model"]


@pytest.mark.slow
def test_it_begins_where_others_arrive_later(tmp_path: Path) -> None:
    losses, weights = trained(tmp_path / "counts", COUNTS)
    assert trained(tmp_path / "again", COUNTS) == (losses, weights)
    others, _ = trained(tmp_path / "random")
    assert losses[0] < others[0] - 1


@pytest.mark.slow
def test_pairs_are_read_back_with_the_weights(tmp_path: Path) -> None:
    fast = (COUNTS, "model.profile=fast", "export.to=[]")
    losses, _ = trained(tmp_path / "fast", *fast)
    portable, _ = trained(tmp_path / "portable", COUNTS)
    assert losses[0] < portable[0]
    source = f"pretrain.init_from={tmp_path / 'fast'}"
    longer, _ = trained(tmp_path / "longer", *fast[1:], source)
    assert longer[0] < losses[0]
