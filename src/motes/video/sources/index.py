"""`FrameIndex`: how many frames a file has, and when each is shown, without decoding them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from math import inf
from typing import Any

from motes.video.sources.decode import packets

APPROACH = 8
"""Frames that are decoded before the wanted one at least, to see that their times fit the index.

More than the B-frames between two others, so that times in the wrong order show.
"""


@dataclass(frozen=True)
class FrameIndex:
    """When each frame is shown, as the packets tell.

    Attributes:
        num_frames: Number of frames; None where the packets do not tell.
        times: Ascending, in units of the stream; empty where the container does not tell.
        keys: Those of `times` where decoding can start.
    """

    num_frames: int | None
    times: tuple[int, ...] = ()
    keys: tuple[int, ...] = ()

    @classmethod
    def scan(cls, container: Any, stream: Any, first: int | None) -> FrameIndex:
        """Read all packets; those before the time `first` belong to frames that are not shown."""
        count, times = 0, dict[int, bool]()  # time: whether decoding can start there
        last = -inf
        for packet in packets(container, stream):
            if packet.is_discard:
                continue
            if packet.dts is not None and packet.dts < last:
                return cls(None)  # recordings joined end to end: times repeat
            last = last if packet.dts is None else packet.dts
            count += 1
            if packet.pts is not None:
                times[packet.pts] = packet.is_keyframe
        if first is None or len(times) < count:
            return cls(count)
        seen = sorted(time for time in times if time >= first)
        if _invents_times(container, stream):
            return cls(len(seen))
        return cls(len(seen), tuple(seen), tuple(time for time in seen if times[time]))

    def time(self, number: int) -> int | None:
        """When frame `number` is shown; None, if unknown."""
        return self.times[number] if number < len(self.times) else None

    def number(self, time: int) -> int:
        """The frame that is shown at a time of `times`."""
        return bisect_right(self.times, time) - 1

    def keys_before(self, number: int) -> tuple[int, ...]:
        """Keyframes from which to approach a frame, the nearest first; none: from the start."""
        if self.time(number) is None or number < APPROACH:
            return ()
        last = bisect_right(self.keys, self.times[number - APPROACH])
        return tuple(key for key in self.keys[max(last - 2, 0) : last][::-1] if key > self.times[0])


def _invents_times(container: Any, stream: Any) -> bool:
    """AVI stores no times of presentation; with B-frames, FFmpeg guesses them wrong."""
    return container.format.name == "avi" and bool(stream.codec_context.has_b_frames)
