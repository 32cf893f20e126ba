"""Signals are deferred to the end of a step, or end the process in an orderly way."""

import os
import signal
import threading

import pytest

from motes.common.interrupts import deferred_signals, ending_in_order


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("number", "error", "code"),
    [
        (signal.SIGINT, KeyboardInterrupt, None),
        (signal.SIGTERM, SystemExit, 143),
        (signal.SIGHUP, SystemExit, 129),
    ],
)
def test_the_first_signal_is_deferred_and_the_second_is_not(number, error, code):
    before = signal.getsignal(number)
    with deferred_signals() as stop:
        assert not stop()
        stop.check()
        send(number)
        assert stop()
        with pytest.raises(error) as one:
            stop.check()
        with pytest.raises(error) as two:
            send(number)
    assert signal.getsignal(number) is before
    assert getattr(one.value, "code", None) == getattr(two.value, "code", None) == code


def test_signals_that_nohup_ignores_stay_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending_in_order(), deferred_signals() as stop:
            send(signal.SIGHUP)
            assert not stop()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_nested_contexts():
    with pytest.raises(SystemExit), ending_in_order():
        with deferred_signals() as stop:
            send(signal.SIGTERM)
            assert stop()
        send(signal.SIGTERM)


def test_other_threads_are_not_changed():
    seen = []

    def work():
        with deferred_signals() as stop, ending_in_order():
            seen.append(stop())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
