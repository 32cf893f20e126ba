"""One thread that computes: jobs take turns, step by step, and can be cancelled between steps."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterator
from threading import Condition, Thread
from typing import Any

from motes.errors import MotesError

Call = Callable[..., object]


class Job:
    """Work in steps.

    Attributes:
        cancelled: Whether nobody wants the rest of its results.
    """

    def __init__(
        self, steps: Iterator[Any], result: Call, end: Call, background: bool = False
    ) -> None:
        """Describe the work.

        Args:
            steps: Computes one result a step.
            result: Called with each result.
            end: Called once with None, or with one line that says what went wrong.
            background: Whether it runs only when no other job waits.
        """
        self.steps, self.result, self.end = steps, result, end
        self.background = background
        self.cancelled = False


class Worker:
    """Runs jobs in a thread; results are handed over by `post`."""

    def __init__(self, post: Callable[[Call, Any], object]) -> None:
        """Start the thread.

        Args:
            post: Calls a function with a value in the thread of the server.
        """
        self._post = post
        self._jobs: tuple[deque[Job], deque[Job]] = deque(), deque()
        self._changed, self._closed = Condition(), False
        self._thread = Thread(target=self._run, name="motes-worker", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Let a job take turns with the others."""
        with self._changed:
            self._jobs[job.background].append(job)
            self._changed.notify()

    def close(self) -> None:
        """Stop after the current step."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while (job := self._next()) is not None:
            self._step(job)

    def _next(self) -> Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or any(self._jobs))
            if self._closed:
                return None
            return (self._jobs[False] or self._jobs[True]).popleft()

    def _step(self, job: Job) -> None:
        if job.cancelled:
            self._end(job, None)
            return
        try:
            value = next(job.steps)
        except StopIteration:
            self._end(job, None)
        except MotesError as error:
            self._end(job, str(error))
        except Exception:  # a fault of one job must not end the others
            traceback.print_exc()
            self._end(job, "the server could not do this; its terminal says why")
        else:
            self._post(job.result, value)
            self.submit(job)

    def _end(self, job: Job, problem: str | None) -> None:
        close = getattr(job.steps, "close", None)
        if close is not None:
            close()
        self._post(job.end, problem)
