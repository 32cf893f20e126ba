"""Dense optical flow between frames of a window.

Kroeger, Timofte, Dai and Van Gool, "Fast Optical Flow using Dense Inverse Search" (DIS), 2016, as
in OpenCV.  A search begins where the flow is likely to be: at what a coarse search finds, or, where
that looks better, over one frame at the flow of the frame before (things keep their speed), over
several at the shorter flows that lead there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, reduce
from hashlib import blake2b
from os import getpid
from threading import Lock

import cv2
import numpy as np
import torch
from torch import Tensor

from motes.errors import InputError
from motes.features.sampling import blend, neighbourhood

SMALLEST = 12
"""Shorter sides are refused by OpenCV's search."""

PATCH_STRIDE, ITERATIONS, SMOOTHINGS = 5, 12, 2
"""Pixels between the patches of 8x8 that are searched, steps of each search, and rounds that smooth
each level.  Since searches begin at a good guess, OpenCV's 3, 25 and 5 find points no better, in
three times the time."""

COARSE = 2
"""Coarse flow is that of frames of 1 / 2^COARSE of the size."""

BETTER, AROUND = 1.0, 9
"""So many levels of grey closer, in the mean over squares of so many cells, another guess must come
to be taken for the coarse flow."""

SURROUNDINGS, FAINT = 5, 16.0
"""Side of the squares, in cells, whose looks are compared, and a variance that is none."""

REMEMBERED = 320 * 2**20
"""Bytes of fields that are kept for the next question about the same frames, by default."""


def grey(video: Tensor) -> Tensor:
    """Frames ``[B, T, 3, H, W]`` in [0, 1] as uint8 ``[B, T, H, W]``, weighted as in BT.601."""
    weights = video.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    return ((video * weights).sum(2) * 255).round().clamp(0, 255).byte()


def fingerprints(frames: Tensor) -> Tensor:
    """Numbers int64 ``[B, T]`` by which equal frames uint8 ``[B, T, H, W]`` are recognised."""
    prints = [[_fingerprint(frame) for frame in video] for video in frames.cpu().numpy()]
    return torch.tensor(prints, dtype=torch.int64, device=frames.device).view(frames.shape[:2])


def _fingerprint(frame: np.ndarray) -> int:
    return int.from_bytes(blake2b(frame.tobytes(), digest_size=8).digest(), "big", signed=True)


class Fields:
    """The flow between any two frames of a window, found when it is asked for.

    The latest fields are remembered by what is in the frames, so that a second question about the
    same frames (another point of a session, the next window) costs nothing.
    """

    def __init__(self, frames: Tensor, prints: Tensor, deltas: Sequence[int]) -> None:
        """Take in frames.

        Args:
            frames: uint8 ``[B, S, H, W]``, grey.
            prints: int64 ``[B, S]``, their `fingerprints`.
            deltas: How many frames lie between those that will be asked for, the fewest first.

        Raises:
            InputError: The frames are too small for a flow.
        """
        B, _, H, W = frames.shape
        if min(H, W) < SMALLEST:
            raise InputError(
                f"flow: expected frames of at least {SMALLEST}x{SMALLEST} pixels, got {W}x{H}"
            )
        self.size, self.deltas = (H, W), tuple(deltas)
        same = B > 1 and frames.stride(0) == 0  # one video, asked about several times
        self.videos = (frames[:1] if same else frames).cpu().numpy()
        self.prints = prints[:1].tolist() if same else prints.tolist()
        video = torch.arange(B, device=frames.device) // (B if same else 1)
        self.video = video[:, None, None]

    def sample(self, steps: Sequence[tuple[int, int]], xy: Tensor) -> tuple[Tensor, Tensor]:
        """Read fields; between their cells bilinear, beyond the edges as at the edge.

        Args:
            steps: W pairs of frames (from, to).
            xy: ``[B, N, W, 2]``, pixels of the frames from which they go.

        Returns:
            How far points move, ``[B, N, W, 2]``, pixels, and how unlike it looks there,
            ``[B, N, W]``: see `between`.
        """
        fields = [field for a, b in steps for field in self.between(a, b)]  # [W * videos]
        first = torch.arange(len(steps), device=xy.device) * len(self.videos)
        return read_fields(fields, (self.video + first).expand(xy.shape[:3]), xy, self.size)

    def find(self, *chains: Sequence[tuple[int, int]]) -> None:
        """Search for what is not known yet, chains of pairs (from, to) side by side.

        Within a chain a field may need those before it, so that chains are what can be shared among
        processors.
        """
        list(_workers(getpid()).map(lambda chain: [self.between(*pair) for pair in chain], chains))

    def between(self, a: int, b: int) -> list[np.ndarray]:
        """How far things move from frame a to frame b, and how unlike they look after that.

        One array for each different video, float16 ``[h, w, 3]``: x and y in pixels, and one minus
        the correlation of the surroundings, 0 to 2; in cells of 2 x 2 pixels: h = H / 2, w = W / 2,
        rounded up.
        """
        return [self._field(video, a, b) for video in range(len(self.videos))]

    @property
    def num_frames(self) -> int:
        """Number S of the frames."""
        return len(self.videos[0])

    def frame(self, b: int, t: int) -> np.ndarray:
        """Frame t of video b of the batch, uint8 ``[H, W]``."""
        return self.videos[int(self.video[b])][t]

    def direct(
        self, b: int, anchor: np.ndarray, t: int, hop: int, there: np.ndarray, back: np.ndarray
    ) -> list[np.ndarray]:
        """The flow from a frame, of any time, straight to one of these, and back.

        Args:
            b: Which video of the batch.
            anchor: The frame, uint8 ``[H, W]``.
            t: Number of the other.
            hop: 1 or -1: frame t - hop lies between the two.
            there: The field from the anchor to frame t - hop.
            back: The field from there to the anchor.

        Returns:
            The fields, float16 ``[h, w, 3]``; see `between`.
        """
        video, frame = int(self.video[b]), self.frame(b, t)
        if 0 <= t - hop < self.num_frames:
            onward, homeward = (self._field(video, *ab) for ab in ((t - hop, t), (t, t - hop)))
            there = compose(there[..., :2], onward[..., :2])
            back = compose(homeward[..., :2], back[..., :2])
        pairs = [(anchor, frame, there[..., :2]), (frame, anchor, back[..., :2])]
        return list(_workers(getpid()).map(_direct_field, *zip(*pairs, strict=True)))

    def _field(self, video: int, a: int, b: int) -> np.ndarray:
        """From memory, or searched for."""
        seen = slice(max(min(a, b) - 1, 0), max(a, b) + 1)  # all frames that the guess depends on
        key = self.size, self.deltas, b - a, *self.prints[video][seen]
        field = _memory.get(key)
        if field is None:
            frames = self.videos[video]
            field = compute_field(frames[a], frames[b], self._likely(video, a, b))
            _memory.put(key, field)
        return field

    def _likely(self, video: int, a: int, b: int) -> np.ndarray | None:
        """The flow ``[h, w, 2]`` that others lead to expect; None where there are no others."""
        if abs(b - a) > 1:
            hops = _hops(a, b, self.deltas)
            return reduce(compose, (self._field(video, *hop)[..., :2] for hop in hops))
        if min(a, b) == 0:
            return None
        frames = self.videos[video]
        return _halved(_search(frames[a - 1], frames[b - 1], COARSE))


def _direct_field(before: np.ndarray, after: np.ndarray, likely: np.ndarray) -> np.ndarray:
    """`compute_field`, from memory if all three were the same before."""
    key = before.shape, *(_fingerprint(np.ascontiguousarray(a)) for a in (before, after, likely))
    field = _memory.get(key)
    if field is None:
        field = compute_field(before, after, likely.astype(np.float32))
        _memory.put(key, field)
    return field


@lru_cache(maxsize=1)
def _workers(process: int) -> ThreadPoolExecutor:
    """Two threads, for there and back; a forked process has none of its parent's."""
    return ThreadPoolExecutor(2, "motes-flow")


def forget() -> None:
    """Drop what is remembered, so that the next question costs what a first one costs."""
    _memory.clear()


def remember(size: int) -> None:
    """Keep no more than so many bytes of fields from now on; what they say does not change."""
    _memory.resize(size)


def inside(xy: Tensor, size: Sequence[int]) -> Tensor:
    """Whether points ``[..., 2]`` are in frames of this height and width."""
    H, W = size
    return ((xy > -0.5) & (xy < xy.new_tensor([W, H]) - 0.5)).all(-1)


def _hops(a: int, b: int, deltas: Sequence[int]) -> list[tuple[int, int]]:
    """The way from frame a to frame b in steps that are shorter, the longest first."""
    whole, sign, hops = abs(b - a), 1 if b > a else -1, []
    for delta in sorted((d for d in {1, *deltas} if d < whole), reverse=True):
        while delta <= abs(b - a):
            hops.append((a, a + sign * delta))
            a += sign * delta
    return hops


def compose(field: np.ndarray, following: np.ndarray) -> np.ndarray:
    """The flow over two steps, float32, from that of the first and the second, ``[h, w, 2]``."""
    field = field.astype(np.float32)
    return field + _moved(following.astype(np.float32), field)


def compute_field(before: np.ndarray, after: np.ndarray, likely: np.ndarray | None) -> np.ndarray:
    """Search the flow between two grey frames ``[H, W]``, and compare where it leads.

    Args:
        before: uint8 ``[H, W]``.
        after: uint8 ``[H, W]``.
        likely: Flow ``[h, w, 2]`` from which the search may begin; None: only a coarse search.

    Returns:
        float16 ``[h, w, 3]``, see `Fields.between`.
    """
    flow = _halved(_search(before, after, 0, _guess(before, after, likely)))
    unlike = _unlikeness(_halved(before), _halved(after), flow)
    return np.dstack([flow, unlike]).astype(np.float16)


def read_fields(
    fields: Sequence[np.ndarray], index: Tensor, xy: Tensor, size: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Read fields between their cells, bilinearly; beyond the edges as at the edge.

    Args:
        fields: Of one size, ``[h, w, 3]`` each.
        index: int64 ``[...]``: which field.
        xy: ``[..., 2]``, pixels of frames of `size`.
        size: Height and width of the frames.

    Returns:
        Flow ``[..., 2]`` in pixels and appearance cost ``[...]``.
    """
    table = torch.from_numpy(np.stack(fields)).to(xy.device)
    (h, w), (H, W) = table.shape[1:3], size
    cells = (xy + 0.5) * xy.new_tensor([w / W, h / H]) - 0.5
    values, fraction = neighbourhood(table, index.reshape(-1), cells.reshape(-1, 2), 0)
    read = blend(values.float(), fraction).view(*xy.shape[:-1], 3)
    return read[..., :2], read[..., 2]


def _guess(before: np.ndarray, after: np.ndarray, likely: np.ndarray | None) -> np.ndarray:
    """Where a search begins, ``[H, W, 2]``: the coarse flow, or the likely one if no worse."""
    coarse = _search(before, after, COARSE)
    if likely is None:
        return coarse
    size = before.shape[::-1]
    coarse, before, after = _halved(coarse), _halved(before), _halved(after)
    off, off_coarse = (_difference(before, after, flow) for flow in (likely, coarse))
    worse = (off_coarse + BETTER < off)[..., None]
    return cv2.resize(np.where(worse, coarse, likely), size)


def _moved(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """What is where the cells of a flow ``[h, w, 2]`` end; a cell is two pixels wide."""
    ends = _cells(flow.shape[0], flow.shape[1]) + flow / 2
    x, y = cv2.split(ends)
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@lru_cache(maxsize=4)
def _cells(h: int, w: int) -> np.ndarray:
    """The place (x, y) of each cell, float32 ``[h, w, 2]``."""
    y, x = np.mgrid[:h, :w].astype(np.float32)
    return np.dstack([x, y])


def _difference(before: np.ndarray, after: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Levels of grey between what a flow leads from and to, ``[h, w]``, means over squares."""
    return cv2.blur(cv2.absdiff(before, _moved(after, flow)), (AROUND, AROUND))


def _unlikeness(before: np.ndarray, after: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """One minus the correlation of what is around each cell, ``[h, w]``; 0 where all is flat."""
    after = _moved(after, flow)
    mean, mean_after = _mean(before), _mean(after)
    variance = _mean(before * before) - mean * mean
    variance_after = _mean(after * after) - mean_after * mean_after
    together = _mean(before * after) - mean * mean_after
    contrast = (variance.clip(0) + FAINT) * (variance_after.clip(0) + FAINT)
    return 1 - (together + FAINT) / np.sqrt(contrast)


def _mean(values: np.ndarray) -> np.ndarray:
    return cv2.blur(values, (SURROUNDINGS, SURROUNDINGS))


def _search(
    before: np.ndarray, after: np.ndarray, scale: int, guess: np.ndarray | None = None
) -> np.ndarray:
    """The flow ``[H, W, 2]``, searched down to frames of 1 / 2^scale of the size."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(scale)
    search.setPatchStride(PATCH_STRIDE)
    search.setGradientDescentIterations(ITERATIONS)
    search.setVariationalRefinementIterations(SMOOTHINGS)
    return search.calc(before, after, guess)  # type: ignore[arg-type]


def _halved(image: np.ndarray) -> np.ndarray:
    """Means over 2 x 2 pixels, float32: points are found as well with them."""
    H, W = image.shape[:2]
    size = (W + 1) // 2, (H + 1) // 2
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)


class _Memory:
    """The arrays that were used last, up to a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._fields: OrderedDict[tuple[object, ...], np.ndarray] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[object, ...]) -> np.ndarray | None:
        with self._lock:
            if key in self._fields:
                self._fields.move_to_end(key)
            return self._fields.get(key)

    def clear(self) -> None:
        with self._lock:
            self._fields.clear()
            self._size = 0

    def put(self, key: tuple[object, ...], field: np.ndarray) -> None:
        with self._lock:
            if key not in self._fields:
                self._size += field.nbytes
            self._fields[key] = field
            self._shrink()

    def resize(self, limit: int) -> None:
        with self._lock:
            self._limit = limit
            self._shrink()

    def _shrink(self) -> None:
        while self._size > self._limit:
            self._size -= self._fields.popitem(last=False)[1].nbytes


_memory = _Memory(REMEMBERED)
