"""Frames of one video as JPEG pictures, read when they are wanted."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Lock
from typing import Any

import av
import cv2
import numpy as np

from motes.errors import FileError, InputError
from motes.video import Video, open_video
from motes.web.settings import Limits

CHUNK = 8
"""Frames that are decoded together, so that playing backward does not decode a frame 8 times."""

FULL = (
    cv2.IMWRITE_JPEG_QUALITY, 92,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)  # fmt: skip
SMALL = (cv2.IMWRITE_JPEG_QUALITY, 80)
START_BYTES = 1024
"""Length of the beginning of a file that decides whether it is a list of other files."""

LISTS = (b"#EXTM3U", b"ffconcat", b"<", b"v=0", b"[")
LIST_FORMATS = frozenset(("hls", "dash", "concat", "sdp", "rtsp", "imf", "lavfi"))
RAW_VIDEO = b"YUV4MPEG2"


class JpegCache:
    """The pictures used last, up to a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._pictures: OrderedDict[Any, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Any) -> bytes | None:
        """The picture, if it is still here."""
        with self._lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
            return self._pictures.get(key)

    def put(self, key: Any, picture: bytes) -> None:
        """Keep a picture; those that were not used for longest are dropped."""
        with self._lock:
            self._size += len(picture) - len(self._pictures.pop(key, b""))
            self._pictures[key] = picture
            while self._size > self._limit and len(self._pictures) > 1:
                self._size -= len(self._pictures.popitem(last=False)[1])


@dataclass(frozen=True)
class FootageInfo:
    """What the page shows of a video."""

    name: str
    size: tuple[int, int]
    fps: Fraction
    num_frames: int


class Footage:
    """A video file or a folder of images that is shown in a browser.

    Attributes:
        path: Where it is.
        info: Its name, size, rate and length; every frame below `num_frames` can be read.
    """

    def __init__(self, path: Path, name: str, cache: JpegCache, limits: Limits) -> None:
        """Open a video.

        Args:
            path: A file or a folder of images.
            name: For people.
            cache: Shared by all videos.
            limits: Bounds of the size of a frame.

        Raises:
            FileError: It cannot be read as a video.
            InputError: It is a list of other files, or its frames are too large.
        """
        if path.is_file():
            check_content(path, name, limits.pixels)
        self.path = path
        self._video = _opened(path, name)
        count = _readable_frames(self._video)
        self.info = FootageInfo(name, self._video.size, self._video.fps, count)
        self._cache, self._lock = cache, Lock()

    def open(self) -> Video:
        """The video again, for another thread."""
        return open_video(self.path, end=self.info.num_frames)

    def jpeg(self, number: int, height: int | None = None) -> bytes:
        """One frame.

        Args:
            number: From 0.
            height: Of the picture in pixels; None: that of the video.

        Raises:
            InputError: There is no such frame.
        """
        if not 0 <= number < self.info.num_frames:
            raise InputError(f"frame: expected 0 to {self.info.num_frames - 1}, got {number}")
        key = (id(self), number, height)
        picture = self._cache.get(key)
        if picture is None:
            self._encode(number, height)
            picture = self._cache.get(key) or self._one(number, height)
        return picture

    def _encode(self, number: int, height: int | None) -> None:
        """Put the frame into the cache; of full size with its neighbours."""
        first = number if height else number // CHUNK * CHUNK
        last = number + 1 if height else min(first + CHUNK, self.info.num_frames)
        with self._lock:
            if self._cache.get((id(self), number, height)) is not None:
                return
            frames = self._video.read(first, last)
        for i, frame in enumerate(frames, first):
            self._cache.put((id(self), i, height), to_jpeg(frame, height))

    def _one(self, number: int, height: int | None) -> bytes:
        """A frame that the cache is too small to keep."""
        with self._lock:
            frames = self._video.read(number, number + 1)
        if not len(frames):
            raise InputError(f"frame {number}: expected a frame that decodes")
        return to_jpeg(frames[0], height)


def to_jpeg(frame: np.ndarray, height: int | None = None) -> bytes:
    """Encode a frame, uint8 RGB ``[H, W, 3]``, reduced to `height` where that is given."""
    H, W = frame.shape[:2]
    if height is not None and height < H:
        size = (max(round(W * height / H), 1), height)
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, FULL if height is None else SMALL)[1].tobytes()


def check_content(path: Path, name: str, pixels: int) -> None:
    """Refuse, before frames are decoded, what could harm.

    FFmpeg follows lists of other files and addresses (HLS, DASH, concat, SDP); they are text.

    Args:
        path: The file.
        name: For people.
        pixels: Of a frame, at most.

    Raises:
        FileError: It cannot be opened as a video.
        InputError: It is text, or its frames are too large.
    """
    with path.open("rb") as file:
        start = file.read(START_BYTES)
    is_text = b"\0" not in start and not start.startswith(RAW_VIDEO)
    if is_text or start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(LISTS):
        raise InputError(f"{name}: expected a video, got text or a list of other files")
    kind, area = _header(path, name)
    if kind & LIST_FORMATS:
        raise InputError(f"{name}: expected a video, got a list of other files")
    if area > pixels:
        raise InputError(f"{name}: expected frames of at most {pixels} pixels, got {area}")


def _header(path: Path, name: str) -> tuple[set[str], int]:
    """Names of the format of a file, and the pixels of a frame."""
    try:
        with av.open(str(path)) as container:
            stream = container.streams.best("video")
            area = stream.width * stream.height if isinstance(stream, av.VideoStream) else 0
            return set(container.format.name.split(",")), area
    except (av.FFmpegError, OSError, ValueError):
        raise FileError(f"{name}: expected a video, got a file that is none") from None


def _opened(path: Path, name: str) -> Video:
    try:
        return open_video(path)
    except (FileError, InputError) as error:
        text = str(error).replace(str(path), name)  # no paths of this machine for the client
        raise type(error)(text) from None


def _readable_frames(video: Video) -> int:
    """Number of frames that decode; all are read only where the file is damaged."""
    count = video.num_frames
    if count and len(video.read(count - 1, count)):
        return count
    return sum(1 for _ in video)
