"""What ``motes track`` says of a video: a line for people, an entry of JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from motes.cli._common import describe
from motes.tracks import Tracks
from motes.video import Video

DONE, FAILED = "done", "failed"


@dataclass(frozen=True)
class Summary:
    """What is known of a video after it was tracked.

    Attributes:
        start: Number of the first frame.
        frames: Number of frames.
        points: Number of points.
        visible: Share of visible positions, 0 to 1.
        size: Width and height in pixels.
        fps: Frames per second, as numerator and denominator.
        problem: Why fewer frames came than the file announces; None if they all came.
    """

    start: int
    frames: int
    points: int
    visible: float
    size: tuple[int, int]
    fps: tuple[int, int]
    problem: str | None

    @staticmethod
    def of(parts: Iterable[Tracks], video: Video) -> Summary:
        """Summarise consecutive stretches of frames of a video."""
        rows = [(p.start, p.num_frames, len(p), int(p.visible.sum())) for p in parts]
        starts, lengths, points, seen = zip(*rows, strict=True)
        frames = sum(lengths)
        share = round(sum(seen) / max(frames * points[0], 1), 6)
        rate = video.fps.as_integer_ratio()
        return Summary(starts[0], frames, points[0], share, video.size, rate, video.problem)

    def __str__(self) -> str:
        last = self.start + self.frames - 1
        return f"{self.points} points, frames {self.start}..{last}, {self.visible:.0%} visible"


def entry(
    video: str, model: str, outputs: Sequence[str], seconds: float, outcome: Summary | Exception
) -> dict[str, Any]:
    """The entry of a video; all keys are always there (docs/howto/scripts.md)."""
    error = describe(outcome) if isinstance(outcome, Exception) else None
    nothing = dict.fromkeys(field.name for field in fields(Summary))
    return {
        "video": video,
        "model": model,
        "state": DONE if error is None else FAILED,
        **(asdict(outcome) if isinstance(outcome, Summary) else nothing),
        "seconds": round(seconds, 3),
        "outputs": list(outputs) if error is None else [],
        "error": error,
    }
