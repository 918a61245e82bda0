"""What ranks tell each other, between real processes.

This file is also the program of these processes: `in_ranks` starts it with the name of a function below, it loads
everything once and becomes one process a rank.
"""

import hashlib
import json
import math
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from holdfast.base.ranks import Place
from holdfast.base.records import Batch
from holdfast.model.build import build, initialise
from holdfast.model.config import Config
from holdfast.model.sizes import size_config
from holdfast.optim.build import OptimizerConfig, build_optimizer
from holdfast.optim.shares import Dealt, deal
from holdfast.stages import assemble
from holdfast.train.guard import Apply, judge
from holdfast.train.settings import GuardSettings, OptimizerSettings
from holdfast.train.state import RunState
from holdfast.train.step import apply, gradients
from holdfast.train.sync import Alone, Gang, Lost, Mimic, Ranks, Team, gang, gather
from holdfast.train.sync.ranks import euclidean

STEPS, ROWS, CONTEXT, VOCAB = 50, 12, 16, 61
SHAPES = ((5, 3), (1,), (4, 2, 2), (7,))


def in_ranks(task: Callable[..., Any], world: int, **settings: Any) -> list[Any]:
    """What `task(ranks, **settings)` of this file returns in each of `world` processes; None where it never returns."""
    words = [sys.executable, __file__, task.__name__, str(world), json.dumps(settings)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    told = dict(json.loads(line) for line in ended.stdout.splitlines())
    return [told.get(rank) for rank in range(world)]


def main(name: str, world: int, settings: dict[str, Any]) -> None:
    """Fork a process for each rank, let it do its task and print [rank, what it returned]."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(world)}
    for rank in range(world):
        if os.fork() == 0:
            os.environ["RANK"] = str(rank)
            there = settings.pop("there", "on one machine")
            with gather(Place(rank, world, 1 if there == "apart" else world)) as ranks:
                if there == "unseen":
                    Team._able = False
                line = json.dumps([rank, globals()[name](ranks, **settings)]) + "\n"
            os.write(1, line.encode())  # in one piece, whatever the others write
            os._exit(0)
    for _ in range(world):
        os.wait()


def sums(ranks: Gang) -> Any:
    """Totals, and tensors of several shapes added up in buckets too small for all of them."""
    gang.BUCKET_NUMBERS = 18
    chance = torch.Generator().manual_seed(ranks.rank)
    tensors = [torch.randn(shape, generator=chance) for shape in SHAPES]
    tensors.append(torch.arange(6.0).view(2, 3).T.clone(memory_format=torch.preserve_format) * ranks.rank)  # strided
    room = []
    for _ in range(2):
        ranks.add_up(tensors)
        room.append(ranks._bucket.data_ptr())
    return {
        "total": ranks.total(1, 0.1 * ranks.rank, 2**53 - 8 if ranks.rank else 1, ranks.rank == 1),
        "tensors": [tensor.tolist() for tensor in tensors],
        "room": len(set(room)),
    }


def starts(ranks: Gang) -> Any:
    """What the first rank has, on all of them."""
    tensors = [torch.full((3,), float(ranks.rank)), torch.tensor([ranks.rank, 7]), torch.tensor(ranks.rank / 3)]
    ranks.spread(tensors)
    word = ranks.share({"half": 0.1 + 0.2, "none": None} if ranks.rank == 0 else {"half": "not mine"})
    words = [word, ranks.share("two"), ranks.share()]
    ranks.total(0)  # the first one stays until all have heard it
    return [[tensor.tolist() for tensor in tensors], *words]


def ends(ranks: Gang, code: int) -> Any:
    """The first rank ends while one waits for its word and another for its sums."""
    try:
        if ranks.rank == 0:
            ranks.dismiss(code)
        elif ranks.rank == 1:
            ranks.share()
        else:
            ranks.total(1)
    except SystemExit as end:
        return end.code
    except Lost:
        with pytest.raises(SystemExit) as end:
            ranks.leave()
        return end.value.code
    return "led"


def loses(ranks: Gang, dead: int) -> Any:
    """One rank is killed in the middle of it; seconds until each of the others knows."""
    for _ in range(3):
        ranks.total(1)
    if ranks.rank == dead:
        os._exit(9)
    began = time.monotonic()
    with pytest.raises(Lost):
        ranks.add_up([torch.ones(50_000)])
    with pytest.raises(Lost):  # also from the store, when it was the first rank's; and no word comes without a first
        ranks.leave()
    return time.monotonic() - began


def asks(ranks: Gang) -> Any:
    """A rank that waits for the first one's word is asked to stop."""
    if ranks.rank == 1:
        ranks.stop.ask("SIGUSR1")
    deadline, told = time.monotonic() + 20, None
    while ranks.rank == 0 and told is None and time.monotonic() < deadline:
        told = ranks.asked_to_stop()
    heard = ranks.share(told)
    ranks.total(0)  # the first one stays until all have heard it
    return heard


def learns(ranks: Gang | Alone, micro: int, optimizer: str) -> list[float]:
    """Losses of 50 real steps on this rank's share of the same batches."""
    model = build(tiny())
    initialise(model, 3)
    settings = OptimizerSettings(kind=optimizer, learning_rate=3e-3)
    state = RunState(model, assemble.optimizer(model, settings, ranks), "pretrain", 5, micro, "fp32")
    losses = []
    for step in range(STEPS):
        batch = share_of(step, ranks.rank, ranks.world_size)
        (trained,) = ranks.total(batch.trained_tokens)
        report = gradients(state, batch, int(trained), ranks)
        verdict, state.guard = judge(report, state.guard, GuardSettings(), state.position, "fp32")
        assert isinstance(verdict, Apply)
        assert report.tokens == ROWS * CONTEXT
        apply(state, report, 1.0, 1.0)
        state.position += 1
        losses.append(report.loss)
    return losses


def holds(ranks: Team, optimizer: str, clip: float | None) -> dict[str, Any]:
    """Steps of ranks that have all in common: what each of them then sees, and where it lies."""
    state = fresh(optimizer, ranks)
    losses = [stepped(state, share_of(step, ranks.rank, ranks.world_size), ranks, clip) for step in range(5)]
    seen = {"bits": bits(state), "losses": losses, "scalars": state.optimizer.state_scalars()}
    ranks.meet()
    if ranks.rank == 0:
        next(state.model.parameters()).data.fill_(7.0)
        state.optimizer.state_tensors()["norm.weight.exp_avg"].fill_(8.0)
    ranks.meet()
    seen["weight"] = float(next(state.model.parameters()).min())
    seen["moment"] = float(state.optimizer.state_tensors()["norm.weight.exp_avg"].max())
    return seen


def fresh(optimizer: str, ranks: Ranks | None = None) -> RunState:
    model = build(tiny())
    initialise(model, 3)
    settings = OptimizerSettings(kind=optimizer, learning_rate=3e-3)
    return RunState(model, assemble.optimizer(model, settings, ranks), "pretrain", 5, ROWS, "fp32")


def stepped(state: RunState, batch: Batch, ranks: Ranks, clip: float | None) -> list[float]:
    (trained,) = ranks.total(batch.trained_tokens)
    report = gradients(state, batch, int(trained), ranks)
    apply(state, report, 1.0, clip)
    state.position += 1
    return [report.loss, report.grad_norm]


def bits(state: RunState) -> str:
    """A hash of weights and optimizer state."""
    tensors = [tensor for _, named in sorted(state.tensors().items()) for _, tensor in sorted(named.items())]
    return hashlib.sha256(b"".join(tensor.contiguous().numpy().tobytes() for tensor in tensors)).hexdigest()


def in_one_process(world: int, optimizer: str, clip: float | None) -> str:
    """What `holds` does, without other processes: the gradients of each share summed in their order, each share of the
    parameters stepped by itself."""
    config = OptimizerConfig(optimizer, learning_rate=3e-3)
    states = [fresh(optimizer) for _ in range(world)]
    model = states[0].model
    shares = deal(model, config, world)
    dealt = Dealt([build_optimizer(model, config, share) for share in shares], [0], lambda: None)
    for step in range(5):
        trained = sum(share_of(step, rank, world).trained_tokens for rank in range(world))
        for rank, state in enumerate(states):
            state.model.load_state_dict(model.state_dict())
            gradients(state, share_of(step, rank, world), trained)
        named = dict(model.named_parameters())
        for name, parameter in named.items():
            for state in states[1:]:
                parameter.grad += dict(state.model.named_parameters())[name].grad
        in_order = [[named[name].grad for name in named if name in share] for share in shares]
        norm = math.sqrt(sum(euclidean(grads) ** 2 for grads in in_order))
        if clip is not None and norm > clip:
            torch._foreach_mul_([parameter.grad for parameter in named.values()], clip / norm)
        for part in dealt._parts:
            part.step(1.0)
    states[0].optimizer = dealt
    return bits(states[0])


def tiny() -> Config:
    return size_config("tiny", VOCAB, CONTEXT, hidden_size=16, num_layers=2, num_heads=2, num_kv_heads=1)


def share_of(step: int, rank: int, world: int) -> Batch:
    """Rows with something to find out (each id follows from the one before), of which a third carry no loss."""
    chance = np.random.default_rng(step)
    first, pace = chance.integers(0, VOCAB, (ROWS, 1)), chance.integers(1, 4, (ROWS, 1))
    ids = (first + pace * np.arange(CONTEXT + 1)) % VOCAB
    targets = np.where(chance.random((ROWS, CONTEXT)) < 1 / 3, -1, ids[:, 1:])
    targets[-3:] = -1  # with four ranks the last one has nothing to learn
    return Batch(ids[:, :-1], targets).rows(rank * ROWS // world, (rank + 1) * ROWS // world)


@pytest.mark.slow  # real processes
@pytest.mark.parametrize("world", [2, 3])
def test_sums_are_the_same_bits_on_every_rank_and_their_memory_is_kept(world: int) -> None:
    told = in_ranks(sums, world)
    assert all(each == told[0] for each in told)
    exact = 1 + (world - 1) * (2**53 - 8)
    assert told[0]["total"] == [world, pytest.approx(0.1 * sum(range(world))), float(exact), 1]
    assert told[0]["room"] == 1
    generators = [torch.Generator().manual_seed(rank) for rank in range(world)]
    for shape, found in zip(SHAPES, told[0]["tensors"][:-1], strict=True):
        whole = sum(torch.randn(shape, generator=generator) for generator in generators) * world
        torch.testing.assert_close(torch.tensor(found), whole)
    strided = torch.arange(6.0).view(2, 3).T * sum(range(world)) * world
    assert told[0]["tensors"][-1] == strided.tolist()


@pytest.mark.slow
def test_all_ranks_start_from_the_first_ones_bits() -> None:
    tensors = [[0.0, 0.0, 0.0], [0, 7], 0.0]
    assert in_ranks(starts, 3) == [
        [tensors, {"half": 0.1 + 0.2, "none": None}, "two", None],
        *[[tensors, {"half": 0.1 + 0.2, "none": None}, "two", None]] * 2,
    ]


@pytest.mark.slow
def test_all_leave_with_the_code_of_the_first_wherever_they_wait() -> None:
    assert in_ranks(ends, 3, code=75) == ["led", 75, 75]


@pytest.mark.slow
@pytest.mark.parametrize("dead", [0, 2])
def test_nobody_waits_for_a_rank_that_was_killed(dead: int) -> None:
    told = in_ranks(loses, 3, dead=dead)
    assert told[dead] is None
    assert all(seconds is not None for rank, seconds in enumerate(told) if rank != dead)


@pytest.mark.slow
def test_a_rank_that_waits_passes_on_that_it_was_asked_to_stop() -> None:
    assert in_ranks(asks, 2) == ["SIGUSR1", "SIGUSR1"]


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_losses_do_not_depend_on_the_number_of_ranks_or_the_micro_batch(optimizer: str) -> None:
    alone = learns(Alone(), ROWS, optimizer)
    assert alone[-1] < 0.8 * alone[0]
    assert learns(Alone(), 5, optimizer) == pytest.approx(alone, rel=1e-5)
    for world, micro, there in (
        (2, ROWS, "on one machine"),
        (4, 1, "on one machine"),
        (2, 1, "apart"),
        (2, 1, "unseen"),
    ):
        told = in_ranks(learns, world, micro=micro, optimizer=optimizer, there=there)
        assert all(losses == told[0] for losses in told), "all ranks see the same numbers"
        assert told[0] == pytest.approx(alone, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("world", "optimizer", "clip"), [(2, "muon", 0.5), (2, "adamw", 0.5), (3, "muon", None)])
def test_ranks_of_one_machine_hold_one_state_and_come_to_the_bits_of_one_process(
    world: int, optimizer: str, clip: float | None
) -> None:
    told = in_ranks(holds, world, optimizer=optimizer, clip=clip)
    assert all(each == told[0] for each in told)
    assert told[0]["scalars"] == {"steps": 5}
    assert (told[0]["weight"], told[0]["moment"]) == (7.0, 8.0), "what one writes all see"
    assert told[0]["bits"] == in_one_process(world, optimizer, clip)
    mimic = Mimic(world)
    state = fresh(optimizer, mimic)
    losses = [stepped(state, share_of(step, 0, 1), mimic, clip) for step in range(5)]
    assert (bits(state), losses) == (told[0]["bits"], told[0]["losses"]), "a replay of it"


def test_alone_there_is_nobody_to_ask() -> None:
    with gather(Place()) as ranks:
        parameter = torch.nn.Parameter(torch.ones(2))
        parameter.grad = torch.tensor([3.0, 4.0])
        assert not ranks.hold([parameter])
        ranks.sum_gradients([parameter])
        ranks.spread([parameter])
        ranks.meet()
        assert (parameter.tolist(), parameter.grad.tolist()) == ([1, 1], [3, 4])
        assert ranks.length([parameter.grad]) == 5
        assert ranks.total(1, 0.5) == (1, 0.5)
        assert ranks.share("word") == "word"
        assert ranks.asked_to_stop() is None
        assert (ranks.rank, ranks.world_size) == (0, 1)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]))
