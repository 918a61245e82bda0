"""Memory that runs out, wherever it does, costs no batch and no step."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from holdfast.base.faults import Fault
from holdfast.disk.injection import Injected
from holdfast.train.loop import train
from holdfast.train.memory import OutOfMemory, out_of_memory, room_for, with_less
from holdfast.train.sabotage import Sabotage
from holdfast.train.state import RunState
from holdfast.train.step import gradients
from holdfast.vault.verify import digest
from tests.train.toy import ROWS, Momentum, Notebook, Ramp, Toy, fresh, training

# A batch that needs more than the process may have, and a half of it that does not.
REAL = """
import resource, sys
import torch
from tests.train.toy import *
from holdfast.train.loop import train

class Wide(Toy):
    def loss_sum(self, inputs, targets, segments):
        room = torch.zeros(len(inputs), 50_000_000)  # 200 MB a row
        return super().loss_sum(inputs, targets, segments) + 0 * room[:, 0].sum()

torch.set_num_threads(1)
model = Wide()
state = RunState(model, Momentum(model), "toy", seed=3, micro_batch_rows=ROWS, precision="fp32")
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 500_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
notes = Notebook()
train(state, training(Path(sys.argv[1]), notes))
print([(each["verdict"], each["micro_batch_rows"]) for each in notes.of("decision")], state.step, state.position)
"""


def broken(state: RunState, phase: str, at: int) -> None:
    """Let memory run out once, in one phase of the micro-batch number `at` (from 0)."""
    assert isinstance(state.model, Toy)
    whole, calls = state.model.loss_sum, iter(range(1000))

    def run_out(*given: Any) -> None:
        raise torch.OutOfMemoryError("on purpose")

    def loss_sum(inputs: Tensor, targets: Tensor, segments: Tensor | None) -> Tensor:
        here = next(calls) == at
        if here and phase == "forward":
            run_out()
        loss = whole(inputs, targets, segments)
        if here and phase == "loss":
            run_out()
        if here and phase == "backward":
            loss.register_hook(run_out)
        return loss

    state.model.loss_sum = loss_sum  # type: ignore[method-assign]


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["forward", "loss", "backward"])
@pytest.mark.parametrize("at", [0, 1, 7])
def test_in_any_phase_of_a_step_it_is_made_again_with_half(tmp_path: Path, phase: str, at: int) -> None:
    notes, state, planned = Notebook(), fresh(micro=2), fresh(micro=2)
    broken(state, phase, at)
    train(state, training(tmp_path / "broken", notes))
    assert [(each["verdict"], each["step"], each["micro_batch_rows"]) for each in notes.of("decision")] == [
        ("shrink", at // 2, 1)
    ]  # fmt: skip
    assert (state.step, state.position, state.tokens) == (10, 10, 10 * ROWS * 3)
    assert isinstance(state.optimizer, Momentum)
    assert state.optimizer.steps == 10, "exactly one update per step"
    known = {each["step"]: each for each in notes.of("step")}
    train(planned, training(tmp_path / "planned", Notebook(), followed=known))
    assert digest(planned.tensors()["model"]) == digest(state.tensors()["model"]), "as a run planned with these sizes"


@pytest.mark.parametrize("number", [1, 2])
def test_when_a_copy_for_saving_does_not_fit_training_waits_for_the_save(tmp_path: Path, number: int) -> None:
    notes, state = Notebook(), fresh()
    train(state, training(tmp_path, notes, sabotage=Sabotage([Injected("oom-save", number)])))
    assert notes.saved() == [(4, ["interval"]), (8, ["interval"]), (10, ["stage_end"])]
    assert notes.events("note") == ["toy: memory ran out for a copy of the state, so training waits while it is saved"]


def test_what_needs_all_of_it_is_told_in_a_line() -> None:
    with pytest.raises(Fault, match="the model does not fit into memory"), room_for("the model"):
        raise MemoryError
    with pytest.raises(RuntimeError, match="shapes"), room_for("the model"):
        raise RuntimeError("shapes do not match")


def test_a_look_takes_what_fits_and_remembers_it() -> None:
    told: list[int] = []

    def attempt(rows: int) -> int:
        if rows > 3:
            raise RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"
            )
        return rows

    assert with_less("validation", 16, attempt, told.append) == 2
    assert told == [8, 4, 2]
    with pytest.raises(Fault, match="not even one row at a time"):
        with_less("validation", 4, lambda rows: attempt(99), told.append)


def test_only_running_out_is_taken_for_it() -> None:
    assert out_of_memory(MemoryError())
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert out_of_memory(RuntimeError("MPS backend out of memory"))
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not out_of_memory(ValueError("out of memory"))


def test_nothing_of_the_failed_try_is_left(tmp_path: Path) -> None:
    state = fresh()
    broken(state, "backward", 0)
    with pytest.raises(OutOfMemory):
        gradients(state, Ramp().batch_at(1))
    assert all(parameter.grad is None for parameter in state.model.parameters())
    again, clean = gradients(state, Ramp().batch_at(1)), gradients(fresh(), Ramp().batch_at(1))
    assert (again.loss, again.grad_norm) == (clean.loss, clean.grad_norm)


@pytest.mark.slow
def test_a_limit_that_the_system_sets_is_healed_like_any_other(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", REAL.replace("import *", "import *; from pathlib import Path", 1),
                           str(tmp_path)], capture_output=True, text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[-2] == f"[('shrink', {ROWS // 2})] 10 10"
