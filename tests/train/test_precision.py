"""Precision is chosen by measuring, refused where it can not be had, and really used by the products."""

from __future__ import annotations

import pytest
import torch

from holdfast.base.faults import RecipeFault
from holdfast.train import precision

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
def test_a_named_precision_is_taken_as_it_is(name: str) -> None:
    assert precision.resolve(name, CPU) == name
    assert precision.resolve(name, CPU, fallback="fp32") == name


@pytest.mark.parametrize(("bf16_seconds", "expected"), [(0.1, "bf16"), (0.9, "fp32"), (5.0, "fp32")])
def test_auto_takes_bf16_only_where_it_is_clearly_faster(
    monkeypatch: pytest.MonkeyPatch, bf16_seconds: float, expected: str
) -> None:
    seconds = {torch.float32: 1.0, torch.bfloat16: bf16_seconds}
    monkeypatch.setattr(precision, "_product_seconds", seconds.__getitem__)
    assert precision.resolve("auto", CPU) == expected


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_takes_bf16_on_a_gpu_that_has_it_in_hardware(
    monkeypatch: pytest.MonkeyPatch, native: bool, expected: str
) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return native or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert precision.resolve("auto", torch.device("cuda")) == expected


def test_products_run_in_the_precision_that_was_asked_for() -> None:
    left = torch.ones(4, 4)
    for name, dtype in precision.FORMATS.items():
        with precision.autocast(name, CPU):
            assert (left @ left).dtype == dtype


def test_a_format_there_is_not_does_not_pass_for_fp32() -> None:
    with pytest.raises(KeyError):
        precision.autocast("fp8", CPU)


def test_what_can_not_be_had_is_refused_with_a_remedy() -> None:
    with pytest.raises(RecipeFault, match="precision fp8 can not be had: FP8 needs an NVIDIA GPU") as caught:
        precision.resolve("fp8", CPU)
    assert "precision_fallback=bf16" in caught.value.remedy


@pytest.mark.parametrize("fallback", ["bf16", "fp32"])
def test_what_can_not_be_had_falls_back_only_to_what_was_named(fallback: str) -> None:
    assert precision.resolve("fp8", CPU, fallback) == fallback
    reason = precision.shortfall("fp8", CPU)
    assert reason is not None
    assert reason.count("\n") == 0


def no_products(name: str, device: torch.device) -> torch.Tensor:
    if name == "bf16":
        raise NotImplementedError('"addmm" not implemented for this device\nand a trace')
    return torch.ones(precision.SMALL_PROBE, precision.SMALL_PROBE, dtype=precision.FORMATS[name]) * 16


def test_a_device_that_raises_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_small_product", no_products)
    assert precision.shortfall("bf16", CPU) == (
        'cpu makes no products in bf16: "addmm" not implemented for this device'
    )
    assert precision.resolve("bf16", CPU, "fp32") == "fp32"
    with pytest.raises(
        RecipeFault, match=r"neither precision fp8 nor its fallback can be had: FP8 needs .*; cpu makes"
    ):
        precision.resolve("fp8", CPU, "bf16")


def test_a_device_that_does_something_else_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    size = precision.SMALL_PROBE
    monkeypatch.setattr(precision, "_small_product", lambda name, device: torch.full((size, size), float(size)))
    assert precision.shortfall("fp32", CPU) is None
    assert precision.shortfall("fp16", CPU) == ("products on cpu that should be made in fp16 are made in torch.float32")
    monkeypatch.setattr(precision, "_small_product", lambda name, device: torch.zeros(size, size, dtype=torch.float16))
    assert precision.shortfall("fp16", CPU) == "products in fp16 on cpu come out wrong"
