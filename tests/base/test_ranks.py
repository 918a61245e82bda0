"""What the environment says about where a process stands among others."""

import pytest

from holdfast.base.faults import RecipeFault
from holdfast.base.ranks import Place, place

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")


def told(monkeypatch: pytest.MonkeyPatch, *values: str | None) -> Place:
    for name, value in zip(NAMES, values, strict=True):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    return place()


def test_a_process_that_nobody_placed_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, None, None, None) == Place(0, 1, 1)
    assert told(monkeypatch, None, "8", None) == Place(), "some clusters set one of them for reasons of their own"


def test_the_launcher_says_where_a_process_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, "5", "8", "4") == Place(5, 8, 4)
    assert told(monkeypatch, "1", "2", None) == Place(1, 2, 2)


@pytest.mark.parametrize(
    "values", [("2", "2", None), ("0", "2", "3"), ("0", "2", "0"), ("-1", "2", None), ("0", "two", None)]
)
def test_what_does_not_fit_together_is_refused(monkeypatch: pytest.MonkeyPatch, values: tuple[str | None, ...]) -> None:
    with pytest.raises(RecipeFault) as refused:
        told(monkeypatch, *values)
    assert "let torchrun set these variables" in refused.value.remedy
