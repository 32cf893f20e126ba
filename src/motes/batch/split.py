"""A long video over a cluster: its frames are encoded by tasks of their own, stretch by stretch.

The task of the video takes the encoded frames in order and does the rest, which depends on what
came before: it follows the points (see `motes.tracking.stretches`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import finalize

from motes.batch.jobs import Job
from motes.batch.nodes import RETRIES, prepare_node
from motes.batch.storage import fetched
from motes.video import Video, open_video

if TYPE_CHECKING:
    from motes.tracking.stretches import EncodedFrame, Stretch
    from motes.tracking.tracker import Tracker

T = TypeVar("T")

SPLIT_BYTES = 512 * 2**20
"""What the task of a split video takes for the stretch in use, about."""


@dataclass(frozen=True)
class Split:
    """How the frames of long videos are encoded.

    Attributes:
        ahead: Stretches that are encoded ahead of the one in use.
        frames: Frames of a stretch; None: by the size of the features, for long videos only.
        cpus: Processors of a task.
        weights: Nothing, or a reference to the content of the weights.
    """

    ahead: int
    frames: int | None
    cpus: float
    weights: tuple[Any, ...]


class SplitVideo:
    """The frames of a video, encoded by tasks of Ray; `motes.tracking.recording.record` takes it.

    Attributes:
        length: Frames of a stretch.
    """

    def __init__(self, split: Split, job: Job, tracker: Tracker, video: Video) -> None:
        from motes.tracking.stretches import stretch_length

        self._split, self._job, self._video = split, job, video
        self.length = split.frames or stretch_length(tracker.engine, video.size)
        self._problems: list[str] = []

    @property
    def problem(self) -> str | None:
        """What `Video.problem` says of the stretches so far."""
        return "; ".join(dict.fromkeys(self._problems)) or None

    def __call__(self, first: int) -> Iterator[EncodedFrame]:
        """The frames from number `first` on."""
        import ray

        for result in _ahead(self._tasks(first), self._split.ahead):
            try:
                stretch: Stretch = ray.get(result)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            self._problems += [stretch.problem] if stretch.problem else []
            yield from stretch.frames

    def _tasks(self, first: int) -> Iterator[Any]:
        """Start one task after the other; references to their results."""
        import ray

        split, video = self._split, self._video
        task = ray.remote(num_cpus=split.cpus, max_retries=RETRIES)(_encode)
        for start in range(first, video.start + len(video), self.length):
            yield task.remote(self._job, start, start + self.length, split.cpus, *split.weights)


def _ahead(items: Iterable[T], count: int) -> Iterator[T]:
    """The same items, each when `count` more have been taken from where they come from."""
    waiting = deque[T]()
    for item in items:
        waiting.append(item)
        if len(waiting) > count:
            yield waiting.popleft()
    yield from waiting


def _encode(job: Job, start: int, stop: int, cpus: float, weights: bytes | None = None) -> Stretch:
    """On a node: frames ``start .. stop - 1``."""
    from motes.batch.work import tracker_of
    from motes.tracking.stretches import encode_stretch

    options = prepare_node(job, cpus, weights).options
    video = _opened(job.video, options.start, options.end)
    return encode_stretch(tracker_of(options).engine, video, start, stop)


@lru_cache(maxsize=1)
def _opened(address: str, start: int, end: int | None) -> Video:
    """The video of this process: many stretches share its copy and the index of its frames."""
    with ExitStack() as stack:
        video = open_video(stack.enter_context(fetched(address)), start=start, end=end)
        finalize(video, stack.pop_all().close)
    return video
