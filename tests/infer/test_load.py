"""From a run directory to a model: the right one, whole, with its own tokenizer, and without touching anything."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from holdfast.base.faults import Fault, NoValidCheckpoint
from holdfast.infer.load import load_model
from holdfast.model.build import build, config_to_dict, initialise
from holdfast.model.config import TransformerConfig
from holdfast.tokenizer import store
from holdfast.tokenizer.codec import Tokenizer
from holdfast.vault.store import Vault


def save(run_dir: Path, stage: str, step: int, tokenizer: Tokenizer, **fields: object) -> Path:
    """A checkpoint of a tiny model whose weights are drawn from its step."""
    model = build(TransformerConfig(tokenizer.vocab_size, 16, 16, 1, 2, 1, 16))
    initialise(model, step)
    manifest = {"stage": stage, "model": config_to_dict(model.config), "tokenizer_fingerprint": tokenizer.fingerprint}
    tensors = {"model": dict(model.state_dict()), "optimizer": {}}
    return Vault(run_dir / stage, 1).save(step, tensors, {**manifest, **fields}, tags=["interval"]).path


@pytest.fixture
def run_dir(tmp_path: Path, tokenizer: Tokenizer) -> Path:
    store.save(tokenizer, tmp_path / "tokenizer")
    save(tmp_path, "pretrain", 10, tokenizer)
    save(tmp_path, "pretrain", 20, tokenizer)
    save(tmp_path, "sft", 5, tokenizer)
    return tmp_path


def tree(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("stage", "step", "found"),
    [(None, None, ("sft", 5)), ("pretrain", None, ("pretrain", 20)), ("pretrain", 10, ("pretrain", 10))],
)
def test_the_asked_model_is_loaded_and_nothing_is_touched(
    run_dir: Path, stage: str | None, step: int | None, found: tuple[str, int]
) -> None:
    before = tree(run_dir)
    loaded = load_model(run_dir, stage, step)
    assert (loaded.stage, loaded.manifest.step) == found
    twin = build(loaded.model.config)
    initialise(twin, found[1])
    assert all(torch.equal(a, b) for a, b in zip(loaded.model.parameters(), twin.parameters(), strict=True))
    assert not loaded.model.training
    assert tree(run_dir) == before


@pytest.mark.parametrize(
    ("stage", "step", "remedy"),
    [("midtrain", None, "pretrain, sft"), ("pretrain", 15, "10, 20")],
)
def test_what_is_missing_is_answered_with_what_there_is(
    run_dir: Path, stage: str, step: int | None, remedy: str
) -> None:
    with pytest.raises(Fault) as fault:
        load_model(run_dir, stage, step)
    assert remedy in fault.value.remedy


def test_no_run_and_an_empty_run_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="there is no run directory"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(Fault, match="no checkpoint"):
        load_model(tmp_path)


def test_another_tokenizer_is_refused_with_both_fingerprints(run_dir: Path, tokenizer: Tokenizer) -> None:
    save(run_dir, "sft", 6, tokenizer, tokenizer_fingerprint="0" * 32)
    with pytest.raises(Fault) as fault:
        load_model(run_dir)
    assert tokenizer.fingerprint in fault.value.cause
    assert "0" * 32 in fault.value.cause


def test_a_damaged_newest_checkpoint_falls_back_and_stays_where_it_is(run_dir: Path, tokenizer: Tokenizer) -> None:
    weights = save(run_dir, "sft", 7, tokenizer) / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert load_model(run_dir).manifest.step == 5
    assert weights.exists()
    with pytest.raises(Fault, match="damaged"):
        load_model(run_dir, "sft", 7)
    (run_dir / "sft" / "checkpoints" / "step-00000005.i01" / "MANIFEST.json").unlink()
    with pytest.raises(NoValidCheckpoint):
        load_model(run_dir)


def test_weights_of_another_shape_are_a_fault_not_a_traceback(run_dir: Path, tokenizer: Tokenizer) -> None:
    other = config_to_dict(TransformerConfig(tokenizer.vocab_size, 16, 32, 1, 2, 1, 16))
    save(run_dir, "sft", 8, tokenizer, model=other)
    with pytest.raises(Fault, match="does not fit"):
        load_model(run_dir)
