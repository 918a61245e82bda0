"""One function scores everybody: known probabilities come out as the bits they are."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from holdfast.bench import heldout
from holdfast.bench.material import PASSAGE_CHARACTERS, passages


def test_windows_predict_every_id_of_a_passage_once() -> None:
    rows = heldout.windows([[5, 6, 7], [8]], start=1, context=2)
    assert rows.tolist() == [[1, 5, 6], [6, 7, -1], [1, 8, -1]]
    targets = rows[:, 1:]
    assert sorted(targets[targets >= 0].tolist()) == [5, 6, 7, 8]


@pytest.mark.parametrize("context", [4, 9, 64])
def test_a_uniform_guess_costs_the_bits_of_the_vocabulary(context: int, tmp_path: Path) -> None:
    passages = [list(range(1, 10)), list(range(20, 41))]
    heldout.write(tmp_path / "w.npz", heldout.windows(passages, 0, context), text_bytes=60)
    found = heldout.bits_per_byte(lambda ids: torch.zeros(*ids.shape, 64), tmp_path / "w.npz")
    assert found == pytest.approx(30 * math.log2(64) / 60)


def test_a_model_that_knows_the_next_id_pays_nothing(tmp_path: Path) -> None:
    heldout.write(tmp_path / "w.npz", heldout.windows([list(range(1, 30))], 0, 8), text_bytes=29)

    def knows(ids: torch.Tensor) -> torch.Tensor:
        return 100.0 * torch.nn.functional.one_hot(ids + 1, 64)

    assert heldout.bits_per_byte(knows, tmp_path / "w.npz") == pytest.approx(0.0, abs=1e-6)


def test_passages_are_whole_lines_and_nothing_is_lost() -> None:
    texts = ["".join(f"line {number} of a book\n" for number in range(400)), "short"]
    found = list(passages(iter(texts)))
    assert "".join(found) == "".join(texts)
    assert all(text.endswith("\n") for text in found[:-1])
    assert np.median([len(text) for text in found]) >= PASSAGE_CHARACTERS
