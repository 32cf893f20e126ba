"""``.colmap.db``: a database of COLMAP with one camera, the visible points and their matches.

It opens with COLMAP, GLOMAP, pycolmap and what builds on them.  Images are called
``frame_000007.png``; the database needs the images themselves for colours only.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from motes.common.values import shortest
from motes.coordinates import CORNER_DOWN
from motes.errors import InputError
from motes.export.base import DROP, KEEP, Footage, Format, Settings
from motes.export.keys import Keys, to_tracks
from motes.tracks import Tracks

SCHEMA = """
CREATE TABLE cameras (camera_id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, model INTEGER NOT NULL,
  width INTEGER NOT NULL, height INTEGER NOT NULL, params BLOB,
  prior_focal_length INTEGER NOT NULL);
CREATE TABLE images (image_id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, name TEXT NOT NULL UNIQUE,
  camera_id INTEGER NOT NULL,
  CONSTRAINT image_id_check CHECK(image_id >= 0 and image_id < 2147483647),
  FOREIGN KEY(camera_id) REFERENCES cameras(camera_id));
CREATE TABLE keypoints (image_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL,
  cols INTEGER NOT NULL, data BLOB,
  FOREIGN KEY(image_id) REFERENCES images(image_id) ON DELETE CASCADE);
CREATE TABLE descriptors (image_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL,
  cols INTEGER NOT NULL, data BLOB,
  FOREIGN KEY(image_id) REFERENCES images(image_id) ON DELETE CASCADE);
CREATE TABLE matches (pair_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL,
  cols INTEGER NOT NULL, data BLOB);
CREATE TABLE two_view_geometries (pair_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL,
  cols INTEGER NOT NULL, data BLOB, config INTEGER NOT NULL, F BLOB, E BLOB, H BLOB, qvec BLOB,
  tvec BLOB);
"""

PAIR = 2147483647
"""A pair of images is numbered ``id1 * PAIR + id2``."""

SIMPLE_RADIAL = 2
GUESSED_FOCAL_LENGTH = 1.2
"""In units of the longer side of the picture, as COLMAP guesses it."""

MIN_SHARED = 15
"""Points that two frames must share to be matched; COLMAP accepts no fewer."""


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write what is visible, and match frames that are 1, 2, 4, 8, ... apart."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript("PRAGMA journal_mode = OFF;" + SCHEMA)
        write_content(database, tracks, settings)
        database.commit()


def write_content(
    database: sqlite3.Connection,
    tracks: Tracks,
    settings: Settings,
    min_shared: int = MIN_SHARED,
) -> None:
    """Fill the tables of an empty database.

    Args:
        database: With the tables of `SCHEMA`.
        tracks: What is written.
        settings: Which frames, and their numbers.
        min_shared: Points that two frames must share to be matched.
    """
    written = settings.written(tracks)
    _insert(database, "cameras", [_camera(tracks.size)])
    names = (f"frame_{frame + settings.first:06d}.png" for frame in tracks.frames)
    _insert(database, "images", ((i, name, 1) for i, name in enumerate(names, 1)))
    _insert(database, "keypoints", _keypoints(tracks, written))
    _insert(database, "matches", _matches(written, min_shared))


def _insert(database: sqlite3.Connection, table: str, rows: Iterator[tuple] | list[tuple]) -> None:
    for row in rows:
        places = ",".join("?" * len(row))
        database.execute(f"INSERT INTO {table} VALUES ({places})", row)


def _camera(size: tuple[int, int]) -> tuple:
    W, H = size
    params = np.array([GUESSED_FOCAL_LENGTH * max(W, H), W / 2, H / 2, 0], "<f8")
    return 1, SIMPLE_RADIAL, W, H, params.tobytes(), 0


def _keypoints(tracks: Tracks, written: np.ndarray) -> Iterator[tuple]:
    for column in range(tracks.num_frames):
        xy = shortest(tracks.xy[written[:, column], column])
        there = CORNER_DOWN.from_pixels(xy, tracks.size).astype("<f4")
        yield column + 1, len(there), 2, there.tobytes()


def _matches(written: np.ndarray, fewest: int) -> Iterator[tuple]:
    """Rows of the two keypoint arrays that are the same point."""
    place = (written.cumsum(0) - 1).astype("<u4")
    T = written.shape[1]
    for a in range(T):
        for b in _partners(a, T):
            shared = written[:, a] & written[:, b]
            if (count := int(shared.sum())) >= fewest:
                pairs = np.stack([place[shared, a], place[shared, b]], -1)
                yield (a + 1) * PAIR + b + 1, count, 2, pairs.tobytes()


def _partners(column: int, T: int) -> Iterator[int]:
    stride = 1
    while column + stride < T:
        yield column + stride
        stride *= 2


def read(path: Path, footage: Footage) -> Tracks:
    """Follow the matches from frame to frame; keypoints without a match are left out.

    The frame is the last number in the name of an image.

    Raises:
        InputError: It is no database of COLMAP, or its cameras differ in size.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            sizes = set(database.execute("SELECT width, height FROM cameras"))
            images = dict(database.execute("SELECT image_id, name FROM images"))
            points = {
                image: np.frombuffer(data, "<f4").reshape(rows, cols)[:, :2]
                for image, rows, cols, data in database.execute("SELECT * FROM keypoints")
                if rows
            }
            label = _follow(database, points)
    except (sqlite3.Error, ValueError, TypeError, KeyError, IndexError) as error:
        raise InputError(f"expected a database of COLMAP; {error}") from None
    if len(sizes) != 1:
        raise InputError(f"expected cameras of one size, got {sorted(sizes)}")
    known = footage.together_with(sizes.pop())
    return to_tracks(_keys(images, points, label), known, CORNER_DOWN)


def _follow(database: sqlite3.Connection, points: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """For each image the number of the point of each keypoint, -1 where it has no match."""
    label = {image: np.full(len(xy), -1, np.int64) for image, xy in points.items()}
    parent: list[int] = []

    def root(number: int) -> int:
        while parent[number] != number:
            number = parent[number]
        return number

    rows = database.execute("SELECT pair_id, rows, data FROM matches ORDER BY pair_id")
    for pair, count, data in rows:
        (one, two), pairs = divmod(pair, PAIR), np.frombuffer(data or b"", "<u4").reshape(count, 2)
        a, b = label[one][pairs[:, 0]], label[two][pairs[:, 1]]
        new = (a < 0) & (b < 0)
        a[new] = np.arange(len(parent), len(parent) + new.sum())
        parent += a[new].tolist()
        for i in np.flatnonzero((a >= 0) & (b >= 0) & (a != b)):
            parent[root(int(b[i]))] = root(int(a[i]))
        label[one][pairs[:, 0]] = label[two][pairs[:, 1]] = np.where(a < 0, b, a)
    roots = np.array([root(number) for number in range(len(parent))] + [-1], np.int64)
    return {image: roots[numbers] for image, numbers in label.items()}


def _keys(
    images: dict[int, str], points: dict[int, np.ndarray], label: dict[int, np.ndarray]
) -> list[Keys]:
    """One entry a point that two images share; the first keypoint counts where an image has two."""
    frames = {image: _frame(name, image) for image, name in images.items()}
    place: dict[int, dict[int, np.ndarray]] = {}
    for image, numbers in label.items():
        for keypoint, number in enumerate(numbers.tolist()):
            if number >= 0:
                place.setdefault(number, {}).setdefault(frames[image], points[image][keypoint])
    return [Keys(f"point_{i}", list(at), list(at.values())) for i, at in enumerate(place.values())]


def _frame(name: str, image: int) -> int:
    digits = re.findall(r"\d+", Path(name).stem)
    return int(digits[-1]) if digits else image


COLMAP = Format(
    ".colmap.db",
    "COLMAP, GLOMAP and other structure from motion",
    write,
    read,
    first=0,
    hidden=(DROP, KEEP),
)
