"""What a few steps of a throw-away model take."""

from __future__ import annotations

import mmap
import time

import pytest
import torch

from holdfast.model.count import memory
from holdfast.stages import assemble
from holdfast.stages.planning import forecast
from holdfast.stages.planning.probe import PHASES, Peak, try_out
from holdfast.stages.recipe import resolve

CPU = torch.device("cpu")


def test_the_largest_memory_of_a_block_is_seen() -> None:
    size = 200 * 2**20
    with Peak(CPU) as before:
        pass
    with Peak(CPU) as peak:
        block = mmap.mmap(-1, size)  # not from the allocator, which may have as much that was freed before
        torch.frombuffer(block, dtype=torch.float32).fill_(1)
        time.sleep(0.05)
        del block
    assert peak.bytes - before.bytes == pytest.approx(size, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("micro", [2, 8])
def test_a_trial_measures_every_phase(micro: int) -> None:
    words = ["corpus.generator=harbour", f"pretrain.micro_batch_rows={micro}", "threads=1", "precision=fp32"]
    recipe = resolve("smoke", [*words, "model.hidden_size=128", "model.intermediate_size=384"]).recipe
    config = assemble.model_config(recipe.model, 320)
    trial = try_out(
        recipe, recipe.pretrain, config, CPU, "fp32", forecast.portion_of(recipe, "pretrain", config, CPU, "fp32")
    )
    assert set(trial.peaks) == set(PHASES)
    assert min(*trial.steps, trial.evaluate, trial.sample, trial.save) > 0
    planned = memory(config, forecast.demand(recipe, "pretrain", config, CPU, "fp32"))
    assert trial.peaks["train"] > planned.total - planned.unused


def test_the_state_that_others_have_is_left_alone() -> None:
    recipe = resolve("smoke", ["corpus.generator=harbour", "model.num_layers=1", "model.hidden_size=32"]).recipe
    config = assemble.model_config(recipe.model, 320)
    threads = torch.get_num_threads()
    try_out(recipe, recipe.sft, config, CPU, "fp32", forecast.portion_of(recipe, "sft", config, CPU, "fp32"))
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled()
