"""``.coco.json``: keypoints of COCO, one image a frame and one annotation an image."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from motes.common.values import shortest
from motes.coordinates import CENTRE_DOWN
from motes.errors import InputError
from motes.export.base import DROP, KEEP, Footage, Format, Settings
from motes.export.keys import Keys, read_text, to_tracks
from motes.export.names import as_given, labels
from motes.tracks import Tracks

CATEGORY = "motes"
UNKNOWN, HIDDEN, VISIBLE = 0, 1, 2


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write images, annotations and one category with the names and the skeleton."""
    category = {
        "id": 1,
        "name": CATEGORY,
        "supercategory": CATEGORY,
        "keypoints": labels(tracks, as_given),
        "skeleton": [[a + 1, b + 1] for a, b in tracks.skeleton],
    }
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for start, items in (('{"images": [', _images), ('], "annotations": [', _annotations)):
            file.write(start)
            for number, item in enumerate(items(tracks, settings)):
                file.write((", " if number else "") + json.dumps(item))
        file.write(f'], "categories": [{json.dumps(category)}]}}\n')


def _images(tracks: Tracks, settings: Settings) -> Iterator[dict[str, Any]]:
    W, H = tracks.size
    for frame in tracks.frames:
        number = frame + settings.first
        name = f"{number:06d}.png"
        yield {"id": frame + 1, "file_name": name, "width": W, "height": H, "frame": number}


def _annotations(tracks: Tracks, settings: Settings) -> Iterator[dict[str, Any]]:
    written = settings.written(tracks)
    for column, frame in enumerate(tracks.frames):
        known = written[:, column]
        xy = CENTRE_DOWN.from_pixels(shortest(tracks.xy[:, column]), tracks.size)
        state = np.where(known, np.where(tracks.visible[:, column], VISIBLE, HIDDEN), UNKNOWN)
        xy = np.where(known[:, None], xy.round(6) + 0.0, 0.0)
        rows = zip(*xy.T.tolist(), state.tolist(), strict=True)
        low, extent = _box(xy[known])
        yield {
            "id": column + 1,
            "image_id": frame + 1,
            "category_id": 1,
            "iscrowd": 0,
            "num_keypoints": int(known.sum()),
            "keypoints": [value for row in rows for value in row],
            "bbox": [*low, *extent],
            "area": extent[0] * extent[1],
        }


def _box(xy: np.ndarray) -> tuple[list[float], list[float]]:
    """Top-left corner and extent of the box around some points."""
    if not len(xy):
        return [0.0, 0.0], [0.0, 0.0]
    return xy.min(0).tolist(), (xy.max(0) - xy.min(0)).tolist()


def read(path: Path, footage: Footage) -> Tracks:
    """Read the keypoints of one object; the frame is that of the image, or in its file name.

    Raises:
        InputError: It is something else, or an image has several annotations.
    """
    try:
        content = json.loads(read_text(path))
        images = {image["id"]: image for image in content["images"]}
        category = content["categories"][0]
        names, pairs = category["keypoints"], category.get("skeleton", [])
        rows = {a["image_id"]: a["keypoints"] for a in content["annotations"]}
        frames = np.array([_frame(images[i]) for i in rows], np.int64)
        sizes = {(int(image["width"]), int(image["height"])) for image in images.values()}
        values = np.array(list(rows.values()), np.float64).reshape(len(rows), len(names), 3)
    except (ValueError, TypeError, LookupError) as error:
        raise InputError(f"expected keypoints of COCO; {error}") from None
    if len(rows) < len(content["annotations"]):
        raise InputError("expected one annotation an image, got several")
    if len(sizes) > 1:
        raise InputError(f"expected images of one size, got {sorted(sizes)}")
    known = footage.together_with(next(iter(sizes), None))
    points = [_keys(name, frames, values[:, n]) for n, name in enumerate(names)]
    tracks = to_tracks(points, known, CENTRE_DOWN)
    whole = len(tracks) == len(names)
    return replace(tracks, skeleton=tuple((a - 1, b - 1) for a, b in pairs)) if whole else tracks


def _keys(name: str, frames: np.ndarray, values: np.ndarray) -> Keys:
    known = values[:, 2] != UNKNOWN
    return Keys(str(name), frames[known], values[known, :2], values[known, 2] == VISIBLE)


def _frame(image: dict[str, Any]) -> int:
    digits = re.findall(r"\d+", Path(str(image.get("file_name", ""))).stem)
    return int(image.get("frame", digits[-1] if digits else image["id"] - 1))


COCO = Format(
    ".coco.json",
    "COCO keypoints (without confidence)",
    write,
    read,
    first=0,
    hidden=(KEEP, DROP),
)
