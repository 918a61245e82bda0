"""Precision is chosen by measuring and really used by the products."""

import pytest
import torch

from holdfast.train import precision

CPU = torch.device("cpu")


def test_a_named_precision_is_taken_as_it_is() -> None:
    assert precision.resolve("fp32", CPU) == "fp32"
    assert precision.resolve("bf16", CPU) == "bf16"


@pytest.mark.parametrize(("bf16_seconds", "expected"), [(0.1, "bf16"), (0.9, "fp32"), (5.0, "fp32")])
def test_auto_takes_bf16_only_where_it_is_clearly_faster(
    monkeypatch: pytest.MonkeyPatch, bf16_seconds: float, expected: str
) -> None:
    seconds = {torch.float32: 1.0, torch.bfloat16: bf16_seconds}
    monkeypatch.setattr(precision, "_product_seconds", seconds.__getitem__)
    assert precision.resolve("auto", CPU) == expected


def test_products_run_in_the_precision_that_was_asked_for() -> None:
    left = torch.ones(4, 4)
    with precision.autocast("bf16", CPU):
        assert (left @ left).dtype == torch.bfloat16
    with precision.autocast("fp32", CPU):
        assert (left @ left).dtype == torch.float32
