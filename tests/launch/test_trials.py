"""Trials: where faults strike, and what is said of each when a promise is broken."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from holdfast.base.faults import ExitCode, RecipeFault
from holdfast.disk.injection import INJECTED, Injected
from holdfast.launch import trials
from holdfast.launch.runs import UNBROKEN
from holdfast.launch.trials import MOST_STARTS, placed, trial

ALL = "nan,inf,nan-grad,spike,lr,oom,oom-save,slow,hang,kill,signal,enospc,torn,crash-before"


def test_faults_without_a_place_get_one_from_the_seed() -> None:
    made = placed(ALL, 40, seed=1)
    assert made == placed(ALL, 40, seed=1)
    assert made != placed(ALL, 40, seed=2)
    assert [fault.name for fault in made][:10] == ALL.split(",")[:10]
    assert made[10].name in ("term", "int", "usr1")
    assert [fault.operation for fault in made[11:]] == ["any", "write", "write"]
    for seed in range(200):
        assert all(1 <= fault.at <= 40 for fault in placed(ALL, 40, seed))


def test_a_place_that_was_chosen_stays_and_nonsense_is_refused() -> None:
    assert [str(fault) for fault in placed("nan@12, torn@write:9", 40, 1)] == ["nan@12", "torn@write:9"]
    assert placed("", 40, 1) == []
    with pytest.raises(RecipeFault, match="no fault to inject"):
        placed("flood", 40, 1)


class Staged:
    """Runs that end as a test says, without any process. codes: exit codes of the starts to come."""

    def __init__(self, *codes: int | None, equal: bool = True, replayed: bool = True, said: str = "") -> None:
        self.codes, self.equal, self.is_replayed = list(codes), equal, replayed
        self.seconds, self.lengths, self.folder = 1.0, {"pretrain": 40}, Path()
        self.faults: list[str] = []
        self.words: list[str] = []
        self._said = ["", said]

    def dir(self, name: str) -> Path:
        return Path(name)

    def share(self, name: str, words: Any = ()) -> None:
        self.words = list(words)

    def start(self, name: str, faults: str, limit: float) -> int | None:
        self.faults.append(faults)
        return self.codes.pop(0)

    def said(self) -> str:
        return self._said.pop(0)

    def last_word(self) -> str:
        return "no word"

    def compare(self, name: str) -> list[dict[str, Any]]:
        return [{"equal": self.equal}]

    def same_scores(self, name: str) -> bool:
        return True

    def replayed(self, name: str, faults: str) -> bool:
        self.faults.append(faults)
        return self.is_replayed


@pytest.fixture(autouse=True)
def looked_up(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What would be read from the run directories; a test changes it."""
    found: dict[str, Any] = {"led_to": Counter(skip=1), "finite": True, "score": 2.0}
    monkeypatch.setattr(trials, "led_to", lambda run_dir: Counter() if run_dir.name == UNBROKEN else found["led_to"])
    monkeypatch.setattr(trials, "is_finite", lambda run_dir: found["finite"])
    monkeypatch.setattr(trials, "slowest_step", lambda run_dir: 0.6)
    scores = {UNBROKEN: 2.0}
    monkeypatch.setattr(trials, "validations", lambda run_dir: {"pretrain": scores.get(run_dir.name, found["score"])})
    return found


def judged(runs: Staged, fault: Injected, tolerance: float = 0.1) -> list[str]:
    return trial(runs, "struck", fault, tolerance).broken  # type: ignore[arg-type]


def test_what_is_healed_need_not_have_the_same_bits_but_a_replay_must() -> None:
    assert judged(Staged(0, equal=False), Injected("nan", 7)) == []
    not_replayed = Staged(0, equal=False, replayed=False)
    assert judged(not_replayed, Injected("nan", 7)) == ["a replay of it does not come to the same bits"]


def test_noise_in_the_data_is_there_for_the_replay_too() -> None:
    noise, number = Staged(0), Staged(0)
    judged(noise, Injected("spike", 7))
    judged(number, Injected("nan", 7))
    assert (noise.faults, number.faults) == (["spike@7", "spike@7"], ["nan@7", ""])


def test_what_is_healed_must_be_about_as_good(looked_up: dict[str, Any]) -> None:
    looked_up["score"] = 2.1
    assert judged(Staged(0), Injected("spike", 7)) == []
    (why,) = judged(Staged(0), Injected("spike", 7), tolerance=0.04)
    assert why == "pretrain is 5.0% worse than unbroken, more than 4%"
    looked_up["score"] = float("nan")
    assert len(judged(Staged(0), Injected("spike", 7))) == 1


def test_what_leaves_no_trace_must_have_the_same_bits() -> None:
    assert judged(Staged(-9, 0), Injected("kill", 7)) == []
    assert judged(Staged(-9, 0, equal=False), Injected("kill", 7)) == ["it did not end like the unbroken run"]
    assert judged(Staged(0, equal=False), Injected("oom-save", 1)) == ["it did not end like the unbroken run"]


def test_numbers_that_are_none_are_found_in_either(looked_up: dict[str, Any]) -> None:
    looked_up["finite"] = False
    assert judged(Staged(0), Injected("nan", 7)) == ["what it learned is not all numbers"]


def test_a_fault_strikes_again_only_where_it_is_in_the_batch() -> None:
    batch, process = Staged(75, 0), Staged(75, 0)
    judged(batch, Injected("nan", 7))
    judged(process, Injected("term", 7))
    assert batch.faults[:2] == ["nan@7", "nan@7"]
    assert process.faults == ["term@7", ""]


def test_a_run_that_does_not_end_is_told() -> None:
    assert judged(Staged(ExitCode.DIVERGED), Injected("nan", 7)) == ["it ended with 70: no word"]
    assert judged(Staged(None), Injected("hang", 7)) == ["it hangs: no word"]
    assert len(judged(Staged(*[75] * MOST_STARTS), Injected("nan", 7))) == 1


def test_a_fault_that_found_no_place_is_told(looked_up: dict[str, Any]) -> None:
    looked_up["led_to"].clear()
    late = ["it did not strike: the run has no such place"]
    assert judged(Staged(0), Injected("slow", 41)) == late
    assert judged(Staged(0), Injected("enospc", 9999, "any")) == late
    assert judged(Staged(0, said=f"{INJECTED} enospc@any:9"), Injected("enospc", 9, "any")) == []
    assert judged(Staged(0), Injected("slow", 40)) == []


def test_a_hang_is_to_be_found_out_while_somebody_waits() -> None:
    runs = Staged(75, 0)
    judged(runs, Injected("hang", 7))
    assert runs.words == ["alarms.hang_minutes=0.2000", "alarms.on_hang=exit"]
