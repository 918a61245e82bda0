"""Signals set a flag; the second Ctrl-C insists."""

import os
import signal
import time

import pytest

from holdfast.base.faults import Stopped
from holdfast.train.signals import HANDLED, StopFlag, stop_on_signals


@pytest.mark.parametrize("number", HANDLED)
def test_a_signal_sets_the_flag_and_nothing_else(number: signal.Signals) -> None:
    with stop_on_signals() as flag:
        assert not flag
        os.kill(os.getpid(), number)
        assert flag
        assert flag.reason == number.name


def test_the_first_reason_stays_and_a_second_interrupt_insists() -> None:
    with stop_on_signals() as flag:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert flag.reason == "SIGTERM"


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in HANDLED]
    with stop_on_signals():
        assert [signal.getsignal(number) for number in HANDLED] != before
    assert [signal.getsignal(number) for number in HANDLED] == before


def test_who_looks_at_the_flag_stops_where_he_is_and_only_then() -> None:
    flag = StopFlag()
    flag.check("validation")
    flag.ask("SIGUSR1")
    with pytest.raises(Stopped, match="stopped by SIGUSR1 during validation"):
        flag.check("validation")


def test_the_time_limit_asks_by_itself_unless_somebody_did_before() -> None:
    flag = StopFlag(time.monotonic() + 3600)
    assert not flag
    late = StopFlag(time.monotonic())
    assert late
    assert late.reason == "the time limit"
    with stop_on_signals(time.monotonic() + 3600) as flag:
        os.kill(os.getpid(), signal.SIGTERM)
        assert flag
        assert flag.reason == "SIGTERM"
