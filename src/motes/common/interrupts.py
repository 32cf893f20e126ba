"""Orderly end of work on Ctrl-C, SIGTERM and SIGHUP."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SIGNALLED = 128
"""Exit code of a process that ended on a signal, without the number, as in shells."""


class StopRequest:
    """Whether a signal has been received; see `deferred_signals`."""

    def __init__(self) -> None:
        self.number: int | None = None

    def __call__(self) -> bool:
        """Whether a signal has been received."""
        return self.number is not None

    def check(self) -> None:
        """Raise if a signal has been received: KeyboardInterrupt after Ctrl-C, else SystemExit."""
        if self.number is not None:
            raise _interruption(self.number)


@contextmanager
def deferred_signals() -> Iterator[StopRequest]:
    """Defer signals until a step of the work is done.

    A second signal raises at once.  Outside of the main thread signals are not changed.

    Yields:
        The request, true after a signal.
    """
    request = StopRequest()

    def note(number: int) -> None:
        if request():
            raise _interruption(number)
        request.number = number

    with _handling([signal.SIGINT, *_ending_signals()], note):
        yield request


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Raise SystemExit on SIGTERM and SIGHUP, so that ``finally`` and ``with`` blocks run."""

    def end(number: int) -> None:
        raise _interruption(number)

    with _handling(_ending_signals(), end):
        yield


def _interruption(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(SIGNALLED + number)


def _ending_signals() -> list[signal.Signals]:
    """SIGTERM and SIGHUP, except signals that ``nohup`` ignores."""
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # not all on Windows
    numbers = [getattr(signal, name) for name in names]
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def _handling(numbers: list[signal.Signals], handle: Callable[[int], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handler(number: int, frame: Any) -> None:
        handle(number)

    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous or signal.SIG_DFL)  # None: set by other than Python
