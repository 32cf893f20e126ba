"""`Event`: what workers tell of their jobs, on this machine or in a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from motes.batch.jobs import Job


@dataclass(frozen=True)
class Event:
    """News of a job.

    Attributes:
        job: Which one.
        state: ``running`` when it starts and for every count of frames; ``done``; ``failed``.
        value: The number of frames just finished, the `Facts`, or the reason of the failure.
    """

    job: Job
    state: str
    value: Any = None


def failure(error: Exception) -> str:
    """Why a job failed, in one line."""
    return " ".join(str(error).split()) or type(error).__name__
