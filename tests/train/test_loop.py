"""The loop on a model small enough to follow: decisions, saves, resumes, stops."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from holdfast.base.faults import Diverged, Stopped
from holdfast.base.records import Batch, Score
from holdfast.train.guard import MOST_SKIPS_IN_A_ROW
from holdfast.train.loop import Cadence, Training, train
from holdfast.train.signals import StopFlag
from holdfast.train.state import RunState
from holdfast.train.step import gradients
from holdfast.vault.store import Vault

VOCAB, ROWS, LENGTH = 7, 4, 3


class Toy(nn.Module):
    """Predicts the next id from the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(VOCAB, VOCAB))

    def loss_sum(self, inputs: Tensor, targets: Tensor, segments: Tensor | None) -> Tensor:
        return nn.functional.cross_entropy(
            self.table[inputs].flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="sum"
        )


class Momentum:
    """Plain gradient descent with something to remember."""

    def __init__(self, model: Toy) -> None:
        self.table = model.table
        self.velocity = torch.zeros_like(model.table)
        self.steps = 0

    def zero_grad(self) -> None:
        self.table.grad = None

    def step(self, lr_scale: float) -> None:
        assert self.table.grad is not None
        self.velocity.mul_(0.9).add_(self.table.grad)
        self.table.data.sub_(self.velocity, alpha=0.5 * lr_scale)
        self.steps += 1

    def state_tensors(self) -> dict[str, Tensor]:
        return {"table.velocity": self.velocity}

    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None:
        self.velocity.copy_(tensors["table.velocity"])

    def state_scalars(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def load_state_scalars(self, scalars: dict[str, Any]) -> None:
        self.steps = scalars["steps"]


class Ramp:
    """A feed of counting rows; batches named in `empty` have nothing to learn."""

    def __init__(self, empty: Sequence[int] = ()) -> None:
        self.empty = set(empty)
        self.asked: list[int] = []

    def batch_at(self, index: int) -> Batch:
        self.asked.append(index)
        start = np.arange(ROWS)[:, None] + np.arange(LENGTH + 1)[None] * (1 + index % 3)
        ids = (start % VOCAB).astype(np.int64)
        targets = np.full_like(ids[:, 1:], -1) if index in self.empty else ids[:, 1:]
        return Batch(ids[:, :-1], targets)


def fresh(micro: int = ROWS) -> RunState:
    model = Toy()
    return RunState(model, Momentum(model), "toy", seed=3, micro_batch_rows=micro, precision="fp32")


def training(folder: Path, feed: Ramp, records: list[dict[str, Any]], **changes: Any) -> Training:
    values: dict[str, Any] = {
        "feed": feed,
        "vault": Vault(folder, 1),
        "total_steps": 10,
        "learning_rate": 0.5,
        "multiplier": lambda step: 1 - step / 20,
        "clip": 1.0,
        "cadence": Cadence(save_steps=4, save_seconds=None, evaluate_steps=None, sample_steps=None, keep=3),
        "evaluate": lambda: [Score("validation", "bits_per_byte", 2.0, 1, None, None)],
        "sample": lambda: [{"text": "hello"}],
        "record": lambda kind, **fields: records.append({"kind": kind, **fields}),
        "manifest": {"fingerprint": "f", "tokenizer_fingerprint": "t", "model": {}, "horizon": 10},
        "stop": StopFlag(),
    }
    return Training(**values | changes)


def weights(state: RunState) -> Tensor:
    return state.model.state_dict()["table"]


def test_it_learns_saves_evaluates_and_samples(tmp_path: Path) -> None:
    records: list[dict[str, Any]] = []
    state = fresh()
    train(state, training(tmp_path, Ramp(), records))
    steps = [record for record in records if record["kind"] == "step"]
    assert [record["step"] for record in steps] == list(range(1, 11))
    assert steps[-1]["loss"] < steps[0]["loss"]
    assert steps[0]["loss"] == pytest.approx(math.log(VOCAB), rel=1e-5)
    assert [record["tags"] for record in records if record["kind"] == "checkpoint"] == [
        ["interval"],
        ["interval"],
        ["stage_end"],
    ]
    assert {record["kind"] for record in records} == {"step", "checkpoint", "eval", "sample"}
    assert state.tokens == 10 * ROWS * LENGTH


def test_micro_batches_give_the_same_gradient(tmp_path: Path) -> None:
    whole, parts = fresh(), fresh(micro=1)
    batch = Ramp().batch_at(1)
    reports = [gradients(state, batch) for state in (whole, parts)]
    assert reports[0].loss == pytest.approx(reports[1].loss, rel=1e-6)
    assert reports[0].grad_norm == pytest.approx(reports[1].grad_norm, rel=1e-5)


def test_a_batch_with_nothing_to_learn_is_skipped_and_no_step_is_lost(tmp_path: Path) -> None:
    records: list[dict[str, Any]] = []
    feed = Ramp(empty=[2, 5])
    state = fresh()
    train(state, training(tmp_path, feed, records))
    assert feed.asked == list(range(12))
    assert (state.step, state.position, state.guard.skipped) == (10, 12, 2)
    decisions = [record for record in records if record["kind"] == "decision"]
    assert [(record["verdict"], record["position"]) for record in decisions] == [("skip", 2), ("skip", 5)]


def test_weights_do_not_move_in_a_skipped_step_even_when_the_loss_is_not_a_number(tmp_path: Path) -> None:
    state = fresh()
    state.model.state_dict()["table"].fill_(math.nan)
    with pytest.raises(Diverged):
        train(state, training(tmp_path, Ramp(), []))
    optimizer = state.optimizer
    assert isinstance(optimizer, Momentum)
    assert optimizer.steps == 0
    assert state.guard.skipped == MOST_SKIPS_IN_A_ROW
    assert Vault(tmp_path).checkpoints() == [], "a state that is not finite is never saved"


@pytest.mark.parametrize("stop_at", [1, 4, 7])
def test_stopped_anywhere_and_resumed_it_ends_with_the_same_bits(tmp_path: Path, stop_at: int) -> None:
    unbroken = fresh()
    train(unbroken, training(tmp_path / "unbroken", Ramp(empty=[3]), []))

    stop, records = StopFlag(), []

    def record(kind: str, **fields: Any) -> None:
        records.append({"kind": kind, **fields})
        if kind == "step" and fields["step"] == stop_at:
            stop.ask("SIGTERM")

    first = fresh()
    with pytest.raises(Stopped, match=f"toy step {stop_at}, everything is saved"):
        train(first, training(tmp_path / "broken", Ramp(empty=[3]), [], record=record, stop=stop))

    vault = Vault(tmp_path / "broken", 2)
    checkpoint = vault.newest_valid()
    assert checkpoint is not None
    resumed = fresh()
    resumed.restore(checkpoint.manifest, vault.load(checkpoint))
    assert resumed.step == stop_at
    train(resumed, training(tmp_path / "broken", Ramp(empty=[3]), [], vault=vault))
    assert torch.equal(weights(resumed), weights(unbroken))
    assert torch.equal(
        resumed.optimizer.state_tensors()["table.velocity"], unbroken.optimizer.state_tensors()["table.velocity"]
    )


def test_a_failure_between_steps_keeps_the_work(tmp_path: Path) -> None:
    records: list[dict[str, Any]] = []

    class Breaks(Ramp):
        def batch_at(self, index: int) -> Batch:
            if index == 6:
                raise RuntimeError("the disk was unplugged")
            return super().batch_at(index)

    with pytest.raises(RuntimeError, match="unplugged"):
        train(fresh(), training(tmp_path, Breaks(), records))
    assert Vault(tmp_path).checkpoints()[-1].step == 6
    assert records[-1]["tags"] == ["emergency"]


def test_the_best_score_makes_a_checkpoint_of_its_own(tmp_path: Path) -> None:
    scores = iter([3.0, 2.0, 2.5, 1.0, 0.9])
    records: list[dict[str, Any]] = []
    cadence = Cadence(save_steps=None, save_seconds=None, evaluate_steps=2, sample_steps=None, keep=3)

    def evaluate() -> list[Score]:
        return [Score("validation", "bits_per_byte", next(scores), 1, None, None)]

    train(fresh(), training(tmp_path, Ramp(), records, cadence=cadence, evaluate=evaluate))
    assert [record["step"] for record in records if record["kind"] == "checkpoint"] == [2, 4, 8, 10]


def test_a_checkpoint_of_another_shape_is_refused_before_anything_moves(tmp_path: Path) -> None:
    state = fresh()
    train(state, training(tmp_path, Ramp(), [], total_steps=2))
    vault = Vault(tmp_path)
    checkpoint = vault.newest_valid()
    assert checkpoint is not None
    tensors = vault.load(checkpoint)
    tensors["model"]["table"] = torch.zeros(2, 2)
    other = fresh()
    with pytest.raises(Exception, match="another model"):
        other.restore(checkpoint.manifest, tensors)
    assert torch.equal(weights(other), torch.zeros(VOCAB, VOCAB))
