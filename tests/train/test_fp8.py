"""FP8 is refused with the true reason, whatever machine it is asked for on."""

from __future__ import annotations

import pytest

from holdfast.train import fp8
from holdfast.train.fp8 import Fp8Settings, shortfall


def installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(fp8, "find_spec", lambda name: name if name in names else None)


def test_a_machine_without_the_hardware_says_so() -> None:
    assert shortfall(Fp8Settings(), "cpu", None) == (
        "FP8 needs an NVIDIA GPU of compute capability 8.9 or later, and the device is cpu"
    )
    assert shortfall(Fp8Settings(), "cuda", (8, 0)) == (
        "FP8 needs compute capability 8.9 or later, and this GPU has 8.0"
    )


@pytest.mark.parametrize(
    ("backend", "here", "reason"),
    [
        ("auto", (), "FP8 needs torchao or transformer_engine, which is not installed"),
        ("torchao", ("transformer_engine",), "FP8 needs torchao, which is not installed"),
        ("transformer_engine", ("torchao",), "FP8 needs transformer_engine, which is not installed"),
    ],
)
def test_a_missing_library_is_named(
    monkeypatch: pytest.MonkeyPatch, backend: str, here: tuple[str, ...], reason: str
) -> None:
    installed(monkeypatch, *here)
    assert shortfall(Fp8Settings(backend=backend), "cuda", (9, 0)) == reason


@pytest.mark.parametrize("wanted", ["hybrid", "e4m3", "e5m2"])
def test_where_all_is_there_this_version_is_what_is_missing(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    installed(monkeypatch, "torchao", "transformer_engine")
    reason = shortfall(Fp8Settings(format=wanted), "cuda", (8, 9))
    assert reason == f"this GPU and torchao could do it, but this version does not train in FP8 ({wanted}) yet"
    other = shortfall(Fp8Settings(format=wanted, backend="transformer_engine"), "cuda", (10, 0))
    assert "transformer_engine could do it" in other
