"""Which of many sketches are alike, against all pairs compared one by one."""

from pathlib import Path

import numpy as np
import pytest

from holdfast.text.dedup import near
from holdfast.text.dedup.near import Sketches, joined, pairs, superseded
from holdfast.text.dedup.sketch import PLACES, alike


@pytest.fixture
def sketches(tmp_path: Path) -> Sketches:
    """Twenty families of five texts: the first, and others that have ever less in common with it. In three files."""
    draws = np.random.default_rng(3)
    rows = draws.integers(1, 2**32, (100, PLACES), np.uint32)
    for number in range(100):
        same = draws.random(PLACES) < (1, 0.95, 0.7, 0.5, 0.1)[number // 20]
        rows[number, same] = rows[number % 20, same]
    for part, some in enumerate((rows[:30], rows[30:30], rows[30:])):
        (tmp_path / str(part)).write_bytes(some.astype("<u4").tobytes())
    return Sketches([tmp_path / str(part) for part in range(3)])


def test_candidates_are_found_whatever_the_memory(sketches: Sketches, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = np.ones(100, bool)
    found = pairs(sketches, everything, 0.4)
    rows = sketches.rows(np.arange(100))
    expected = {(a, b) for a in range(100) for b in range(a + 1, 100) if alike(rows[[a]], rows[[b]])[0] >= 0.4}
    got = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert got <= expected
    assert len(got) > 0.9 * len(expected) > 60
    monkeypatch.setattr(near, "HELD_BYTES", 100)
    monkeypatch.setattr(near, "_COMPARED", 7)
    again = pairs(sketches, everything, 0.4)
    assert all((one == other).all() for one, other in zip(found, again, strict=True))


def test_only_the_chosen_are_compared(sketches: Sketches) -> None:
    chosen = np.arange(100) >= 20
    assert (pairs(sketches, chosen, 0.4).first >= 20).all()
    assert not len(pairs(sketches, np.zeros(100, bool), 0.4).first)


def found(*links: tuple[int, int, float]) -> near.Pairs:
    first, second, share = zip(*links, strict=True)
    return near.Pairs(np.array(first), np.array(second), np.array(share))


def test_nothing_is_left_out_for_a_text_that_is_left_out() -> None:
    long = np.full(4, 1000)
    chain = found((0, 1, 0.9), (1, 2, 0.9), (2, 3, 0.6))
    assert superseded(long, chain, 0.8).tolist() == [0, 0, 2, 3]
    assert superseded(long, chain, 0.5).tolist() == [0, 0, 2, 2]
    assert superseded(np.array([1000, 1000, 1000, 20]), chain, 0.5).tolist() == [0, 0, 2, 3]


def test_joining_goes_over_any_number_of_steps() -> None:
    chain = np.arange(50)
    shuffled = np.random.default_rng(1).permutation(49)
    assert joined(51, chain[shuffled], chain[shuffled] + 1).tolist() == [0] * 50 + [50]
    assert joined(4, np.array([2, 0]), np.array([3, 3])).tolist() == [0, 1, 0, 0]
    assert joined(0, chain[:0], chain[:0]).tolist() == []


def test_too_many_alike_are_no_editions() -> None:
    count = near.MOST_EDITIONS + 1
    ends = [(0, number, 0.4) for number in range(1, count)]
    assert near.editions(np.full(count, 1000), found(*ends)).tolist() == list(range(count))
    assert not near.editions(np.full(count - 1, 1000), found(*ends[:-1])).any()
