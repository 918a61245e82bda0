"""From a run directory to a model that can speak, with the tokenizer it learned with. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from holdfast.base.faults import Fault
from holdfast.model.build import build, config_from_dict
from holdfast.model.config import Config
from holdfast.model.count import keys, parameters
from holdfast.tokenizer import store
from holdfast.tokenizer.codec import Tokenizer
from holdfast.vault.manifest import Manifest
from holdfast.vault.store import Checkpoint, Vault

STAGES = ("pretrain", "midtrain", "sft")  # in the order in which a run makes them


@dataclass(frozen=True, slots=True)
class Loaded:
    """A trained model in evaluation mode, on the CPU in float32, and what its checkpoint says of itself."""

    model: nn.Module
    tokenizer: Tokenizer
    manifest: Manifest
    stage: str
    path: Path


def load_model(run_dir: Path, stage: str | None = None, step: int | None = None) -> Loaded:
    """The model of a run: of `stage` (None: the last stage that has a checkpoint), at `step` (None: the newest valid).

    Nothing in the run directory is created, moved or deleted. Raises Fault naming what there is when the run, the
    stage or the step does not exist, when the tokenizer is not the one the model learned with, or when the checkpoint
    is of another model; NoValidCheckpoint or Damaged when what exists does not verify.
    """
    stage = _stage(run_dir, stage)
    vault = Vault(run_dir / stage)
    checkpoint = _checkpoint(vault, stage, step)
    manifest = checkpoint.manifest
    tokenizer = store.load(run_dir / "tokenizer")
    if tokenizer.fingerprint != manifest.tokenizer_fingerprint:
        raise Fault(
            f"the tokenizer of this run is {tokenizer.fingerprint} and {checkpoint.path.name} of stage {stage} learned "
            f"with {manifest.tokenizer_fingerprint}",
            "bring back the tokenizer folder the model was trained with, or run the pipeline again",
        )
    model = _model(manifest, vault, checkpoint)
    return Loaded(model, tokenizer, manifest, stage, checkpoint.path)


def _stage(run_dir: Path, stage: str | None) -> str:
    if not run_dir.is_dir():
        raise Fault(f"there is no run directory {run_dir}", "give the folder that `holdfast run` printed")
    there = [name for name in STAGES if Vault(run_dir / name).checkpoints()]
    if not there:
        raise Fault(
            f"{run_dir} holds no checkpoint of a model", "let `holdfast run` train it, or give another run directory"
        )
    if stage is None:
        return there[-1]
    if stage not in there:
        raise Fault(f"{run_dir} has no checkpoint of stage {stage!r}", f"stages with checkpoints: {', '.join(there)}")
    return stage


def _checkpoint(vault: Vault, stage: str, step: int | None) -> Checkpoint:
    """The newest valid checkpoint, or the newest one of `step`. The stage is known to have some."""
    if step is None:
        newest = vault.newest_valid()
        if newest is None:
            raise Fault(f"stage {stage} lost its checkpoints while they were read", "try again")
        return newest
    checkpoints = vault.checkpoints()
    at_step = [checkpoint for checkpoint in checkpoints if checkpoint.step == step]
    if not at_step:
        steps = sorted({checkpoint.step for checkpoint in checkpoints})
        raise Fault(f"stage {stage} has no checkpoint at step {step}", f"steps: {', '.join(map(str, steps))}")
    return at_step[-1]


def _model(manifest: Manifest, vault: Vault, checkpoint: Checkpoint) -> nn.Module:
    try:
        config = config_from_dict(dict(manifest.model))
        weights = vault.load(checkpoint, ("model",))["model"]
        _same_size(config, weights)
        model = build(config)
        model.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise Fault(
            f"{checkpoint.path.name} does not fit the model it describes: {reason}",
            "use the version of holdfast that made it, or another checkpoint",
        ) from error
    return model.eval()


def _same_size(config: Config, weights: dict[str, Tensor]) -> None:
    """Raise ValueError unless the weights are as many as the config asks for: else it may ask for any memory."""
    sizes = {True: 0, False: 0}
    for tensor in weights.values():
        sizes[tensor.is_floating_point()] += tensor.numel()
    if (wanted := parameters(config)) != sizes[True] or keys(config) != sizes[False]:
        raise ValueError(f"it asks for {wanted:,} weights and there are {sizes[True]:,}, and {sizes[False]:,} others")
