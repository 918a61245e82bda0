"""Compiled layers: the same weights under the same names, the same gradients, and no trust without a comparison."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from holdfast.base.records import Batch
from holdfast.infer.engine import Engine
from holdfast.infer.sample import SamplingParams
from holdfast.model.build import build, initialise
from holdfast.model.config import Config, GPT2Config, TransformerConfig
from holdfast.model.recompute import set_recompute
from holdfast.optim.build import OptimizerConfig, build_optimizer
from holdfast.train.compiled import as_written, compare, compile_layers, eager_seconds, give_up, shortfall
from holdfast.train.state import RunState
from holdfast.train.step import apply, batch_loss, gradients

pytestmark = [
    pytest.mark.slow,  # the compiler alone takes seconds to load
    pytest.mark.filterwarnings("ignore"),  # it warns of itself
]

CONFIGS = {
    "transformer": TransformerConfig(64, 16, 32, 3, 2, 1, 48, dropout=0.2),
    "gpt2": GPT2Config(vocab_size=64, context_length=16, hidden_size=32, num_layers=3, num_heads=2, dropout=0.2),
}


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.set_stance("default")
    torch.compiler.reset()


class Counting:
    """A compiler that takes layers as they are, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, graph: torch.fx.GraphModule, inputs: object) -> object:
        self.asked += 1
        return graph


def fresh(config: Config, recompute: str = "none") -> RunState:
    model = build(config)
    initialise(model, 3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.linspace(-0.02, 0.02, parameter.numel()).view_as(parameter))
    set_recompute(model, recompute)
    return RunState(model, build_optimizer(model, OptimizerConfig(kind="adamw")), "test", 5, 3, "fp32")


def batch(rows: int = 8) -> Batch:
    ids = np.random.default_rng(1).integers(0, 64, (rows, 17))
    return Batch(ids[:, :-1], ids[:, 1:])


def grads(state: RunState) -> dict[str, torch.Tensor]:
    gradients(state, batch())
    return {name: each.grad.clone() for name, each in state.model.named_parameters() if each.grad is not None}


@pytest.mark.parametrize("recompute", ["none", "every_second", "all"])
@pytest.mark.parametrize("name", list(CONFIGS))
def test_the_gradients_are_those_of_the_layers_as_they_are_written(name: str, recompute: str) -> None:
    plain, state = fresh(CONFIGS[name], recompute), fresh(CONFIGS[name], recompute)
    names = list(state.model.state_dict())
    compile_layers(state, "default", backend="aot_eager")
    assert shortfall(state, batch()) is None
    expected, found = grads(plain), grads(state)
    assert list(found) == list(expected)
    for each in expected:  # dropout too: the same places fall
        torch.testing.assert_close(found[each], expected[each], rtol=1e-4, atol=1e-6)
    assert list(state.model.state_dict()) == names


def test_layers_share_what_was_compiled_and_other_shapes_of_a_batch_are_compiled_once() -> None:
    state = fresh(CONFIGS["transformer"])
    compile_layers(state, "default", backend=(compiler := Counting()))
    gradients(state, batch(8))  # parts of 3, 3 and 2 rows
    assert compiler.asked == 2
    for _ in range(3):
        apply(state, gradients(state, batch(8)), 1.0, 1.0)
    assert compiler.asked == 2


def test_measuring_and_sampling_compile_nothing() -> None:
    plain, state = fresh(CONFIGS["transformer"]), fresh(CONFIGS["transformer"])
    compile_layers(state, "default", backend=(compiler := Counting()))
    params = SamplingParams(max_tokens=6, temperature=0.0)
    found = []
    for each in (plain, state):
        each.model.eval()
        with torch.inference_mode():
            losses = [float(batch_loss(each.model, batch(rows), "fp32")) for rows in (1, 2, 5)]
        found.append((losses, Engine(each.model).complete_batch([[1, 2], [3, 4, 5]], params)))
    assert found[0] == found[1]
    assert compiler.asked == 0


def test_a_compiler_that_fails_is_told_and_done_without() -> None:
    def broken(graph: object, inputs: object) -> object:
        raise OSError("no compiler here\nand more of it")

    plain, state = fresh(CONFIGS["transformer"]), fresh(CONFIGS["transformer"])
    compile_layers(state, "default", backend=broken)
    why = shortfall(state, batch())
    assert why is not None
    assert "no compiler here" in why
    assert "\n" not in why
    give_up(state)
    assert state.compiled is None
    expected, found = grads(plain), grads(state)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_compiler_that_computes_something_else_is_not_believed() -> None:
    def wrong(graph: torch.fx.GraphModule, inputs: object) -> object:
        return lambda *arguments: tuple(each * 1.5 for each in graph(*arguments))

    state = fresh(CONFIGS["transformer"])
    compile_layers(state, "default", backend=wrong)
    assert "comes out as" in str(shortfall(state, batch()))


def test_both_ways_are_measured_and_nothing_is_moved() -> None:
    state = fresh(CONFIGS["transformer"])
    before = {name: each.clone() for name, each in state.model.state_dict().items()}
    assert eager_seconds(state, batch()) > 0
    compile_layers(state, "default", backend=(compiler := Counting()))
    assert shortfall(state, batch()) is None
    pace = compare(state, batch())
    assert min(pace.eager, pace.compiled) > 0
    assert all(torch.equal(before[name], each) for name, each in state.model.state_dict().items())
    with as_written(state):
        gradients(state, batch(1))
    assert compiler.asked == 1
