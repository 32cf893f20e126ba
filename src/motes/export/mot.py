"""``.mot.csv``: MOTChallenge, with a box of one pixel around each point.

Frames, ids and pixels count from 1, as the challenge has it; ids become id + 1.
"""

from pathlib import Path

import numpy as np

from motes.common.values import shortest
from motes.coordinates import ONE_BASED
from motes.export.base import DROP, KEEP, Footage, Format, Settings
from motes.export.keys import Keys, numbers, read_rows, to_tracks
from motes.export.numbers import all_trimmed
from motes.tracks import Tracks

SIDE = 1
"""Width and height of a box, in pixels."""

FIRST_ID = 1


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write ``frame,id,left,top,width,height,confidence,-1,-1,-1``, frame by frame."""
    written, ids = settings.written(tracks), (tracks.ids + FIRST_ID).tolist()
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for column, frame in enumerate(tracks.frames):
            xy = ONE_BASED.from_pixels(shortest(tracks.xy[:, column]), tracks.size)
            left, top = (all_trimmed(xy[:, axis].tolist()) for axis in (0, 1))
            confidence = all_trimmed(shortest(tracks.confidence[:, column]).tolist())
            rows = zip(ids, left, top, confidence, written[:, column].tolist(), strict=True)
            number = frame + settings.first
            file.writelines(
                f"{number},{id},{x},{y},{SIDE},{SIDE},{c},-1,-1,-1\n"
                for id, x, y, c, shown in rows
                if shown
            )


def read(path: Path, footage: Footage) -> Tracks:
    """Read the centres of boxes of any size.

    Raises:
        InputError: A row is something else.
    """
    rows = [
        numbers(row, 7, f"line {number}") for number, row in enumerate(read_rows(path), 1) if row
    ]
    frame, id, left, top, width, height, confidence = np.array(rows).reshape(-1, 7).T
    xy = np.stack([left + (width - SIDE) / 2, top + (height - SIDE) / 2], -1)
    ids, first = np.unique(id, return_index=True)
    points = [
        Keys(
            f"point_{int(i) - FIRST_ID}",
            frame[id == i].astype(np.int64),
            xy[id == i],
            None,
            confidence[id == i].clip(0, 1),
        )
        for i in ids[np.argsort(first)]
    ]
    return to_tracks(points, footage, ONE_BASED, first=1)


MOT = Format(
    ".mot.csv", "MOTChallenge, boxes of one pixel", write, read, first=1, hidden=(DROP, KEEP)
)
