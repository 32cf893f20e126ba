"""Dense optical flow between frames of a window.

Kroeger, Timofte, Dai and Van Gool, "Fast Optical Flow using Dense Inverse Search" (DIS), 2016, as
in OpenCV.  Each search starts from an initial flow: that of a coarse search or, where it matches
the frames better, a prediction.  Over one frame the prediction is the flow of the frame before
(constant velocity); over several frames it is composed of shorter flows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, reduce
from hashlib import blake2b
from os import getpid
from threading import Lock, local
from typing import Any, Literal, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor

from motes.errors import InputError
from motes.features.sampling import blend, neighbourhood

MIN_SIDE = 12
"""OpenCV's search refuses frames with a shorter side, in pixels."""

PATCH_SIDE, PATCH_STRIDE, ITERATIONS = 8, 5, 12
"""Side of the patches and distance between them, in pixels, and steps of each search.  With a good
initial flow, OpenCV's 3 and 25 of the last two are no more accurate and take much longer."""

COARSE_REFINEMENTS, FINE_REFINEMENTS, HALVED_REFINEMENTS = 2, 0, 2
"""Variational refinements of each scale of a coarse search, of a search at the full size, and of
its result at half the size.  At the full size they would take a quarter of the time."""

SMOOTHNESS, GRADIENT_CONSTANCY = 60.0, 40.0
"""Weights of two terms of the refinement at half the size (alpha and gamma in Brox et al., "High
Accuracy Optical Flow Estimation Based on a Theory for Warping", 2004)."""

COARSE_SCALE = 2
"""The coarse search stops at frames of 1 / 2^COARSE_SCALE of the size."""

COARSE_MARGIN, DIFFERENCE_SIDE = 1.0, 9
"""The coarse flow replaces a prediction where its difference between the frames, averaged over
squares of DIFFERENCE_SIDE cells, is smaller by more than COARSE_MARGIN grey levels."""

CORRELATION_SIDE, VARIANCE_FLOOR = 5, 16.0
"""Side of the squares whose correlation is the appearance cost, in cells, and a variance that is
added so that flat squares correlate."""

MAX_SEARCHES = 6
"""Searches and refinements that a thread keeps: a fine search, a coarse one and a refinement, for
frames of the full and of half the size."""

SEARCH_BYTES = 4 * 120
"""Buffers of the searches of four threads per pixel of the frames, in bytes; at 1024x1024 each
takes 105."""

FLOW_CACHE_BYTES = 320 * 2**20
"""Upper bound of the flow cache, in bytes."""


def grey(video: Tensor) -> Tensor:
    """Frames ``[B, T, 3, H, W]`` in [0, 1] as uint8 ``[B, T, H, W]``, weighted as in BT.601."""
    weights = video.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    return ((video * weights).sum(2) * 255).round().clamp(0, 255).byte()


def frame_hashes(frames: Tensor) -> Tensor:
    """Hashes int64 ``[B, T]`` of the contents of frames uint8 ``[B, T, H, W]``."""
    hashes = [[_frame_hash(frame) for frame in video] for video in frames.cpu().numpy()]
    return torch.tensor(hashes, dtype=torch.int64, device=frames.device).view(frames.shape[:2])


def _frame_hash(frame: np.ndarray) -> int:
    return int.from_bytes(blake2b(frame.tobytes(), digest_size=8).digest(), "big", signed=True)


def inside(xy: Tensor, size_hw: Sequence[int]) -> Tensor:
    """Whether points ``[..., 2]`` are in frames of `size_hw` (H, W)."""
    H, W = size_hw
    return ((xy > -0.5) & (xy < xy.new_tensor([W, H]) - 0.5)).all(-1)


class FlowCache:
    """The flow fields that were used last, up to a number of bytes."""

    def __init__(self, limit: int = FLOW_CACHE_BYTES) -> None:
        self.limit, self.nbytes = limit, 0
        self._fields: OrderedDict[tuple[object, ...], np.ndarray] = OrderedDict()
        self._in_work: dict[tuple[object, ...], Future[np.ndarray]] = {}
        self._cancelled = 0
        self._lock = Lock()

    def cancel_ahead(self) -> None:
        """Leave out what `FlowFields.compute_ahead` has not begun yet."""
        self._cancelled += 1

    def get_or_compute(
        self, key: tuple[object, ...], compute: Callable[[], np.ndarray]
    ) -> np.ndarray:
        """The field of a key; the first thread that needs it computes it, others wait for that."""
        with self._lock:
            field = self._get(key)
            if field is not None:
                return field
            in_work = self._in_work.get(key)
            if in_work is None:
                promise = self._in_work[key] = Future[np.ndarray]()
        if in_work is not None:
            return in_work.result()
        try:
            field = compute()
            self.put(key, field)
            promise.set_result(field)
            return field
        except BaseException as error:
            promise.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._in_work[key]

    def get(self, key: tuple[object, ...]) -> np.ndarray | None:
        """The field of a key; None if there is none."""
        with self._lock:
            return self._get(key)

    def _get(self, key: tuple[object, ...]) -> np.ndarray | None:
        if key in self._fields:
            self._fields.move_to_end(key)
        return self._fields.get(key)

    def entries(self) -> dict[tuple[object, ...], np.ndarray]:
        """All fields by their keys, those that were not used for longest first."""
        with self._lock:
            return dict(self._fields)

    def update(self, entries: Mapping[tuple[object, ...], np.ndarray]) -> None:
        """Add fields that another cache holds."""
        for key, field in entries.items():
            self.put(key, field)

    def put(self, key: tuple[object, ...], field: np.ndarray) -> None:
        """Add a field, and drop those that were not used for longest."""
        with self._lock:
            if key not in self._fields:
                self.nbytes += field.nbytes
            self._fields[key] = field
            while self.nbytes > self.limit:
                self.nbytes -= self._fields.popitem(last=False)[1].nbytes


class FlowFields:
    """The flow between any two frames of a window, computed on demand.

    Fields are cached by the contents of the frames that they depend on, so that the next window, or
    another point of a session, does not compute them again.

    Attributes:
        size_hw: Height and width of the frames.
        deltas: Numbers of frames that the steps of the tracker go.
    """

    def __init__(
        self,
        frames: Tensor,
        hashes: Tensor,
        deltas: Sequence[int],
        cache: FlowCache | None = None,
    ) -> None:
        """Take in frames.

        Args:
            frames: uint8 ``[B, S, H, W]``, grey.
            hashes: int64 ``[B, S]``, their `frame_hashes`.
            deltas: Numbers of frames between those whose flow will be requested, in rising order.
            cache: Fields that are known already; None: none.

        Raises:
            InputError: The frames are too small for a flow.
        """
        B, _, H, W = frames.shape
        if min(H, W) < MIN_SIDE:
            raise InputError(
                f"flow: expected frames of at least {MIN_SIDE}x{MIN_SIDE} pixels, got {W}x{H}"
            )
        self.size_hw, self.deltas = (H, W), tuple(deltas)
        self._cache = FlowCache() if cache is None else cache
        same = B > 1 and frames.stride(0) == 0  # one video with several groups of queries
        self._videos = (frames[:1] if same else frames).cpu().numpy()
        self._hashes = hashes[:1].tolist() if same else hashes.tolist()
        video = torch.arange(B, device=frames.device) // (B if same else 1)
        self._video = video[:, None, None]

    def sample(self, steps: Sequence[tuple[int, int]], xy: Tensor) -> tuple[Tensor, Tensor]:
        """Sample fields bilinearly; beyond the edges as at the edge.

        Args:
            steps: W pairs of frames (from, to).
            xy: ``[B, N, W, 2]``, pixels of the first frame of each pair.

        Returns:
            Displacements ``[B, N, W, 2]`` in pixels, and appearance costs ``[B, N, W]``: see
            `flow`.
        """
        fields = [field for a, b in steps for field in self.flow(a, b)]  # [W * videos]
        first = torch.arange(len(steps), device=xy.device) * len(self._videos)
        return sample_fields(fields, (self._video + first).expand(xy.shape[:3]), xy, self.size_hw)

    def compute(self, *chains: Sequence[tuple[int, int]]) -> None:
        """Compute missing fields of chains of pairs (from, to), the chains in parallel.

        Within a chain a field may need those before it.
        """
        list(_workers("now", getpid()).map(self._compute_chain, chains))

    def compute_ahead(self, *chains: Sequence[tuple[int, int]]) -> None:
        """As `compute`, but in the background, until `FlowCache.cancel_ahead`."""
        before = self._cache._cancelled
        for chain in chains:
            _workers("ahead", getpid()).submit(self._compute_unless_cancelled, chain, before)

    def _compute_unless_cancelled(self, chain: Sequence[tuple[int, int]], before: int) -> None:
        for pair in chain:
            if self._cache._cancelled == before:
                self.flow(*pair)

    def _compute_chain(self, chain: Sequence[tuple[int, int]]) -> None:
        for pair in chain:
            self.flow(*pair)

    def flow(self, a: int, b: int) -> list[np.ndarray]:
        """Flow from frame a to frame b, with its appearance cost.

        Returns:
            For each different video float16 ``[h, w, 3]``: displacement x and y in pixels, and the
            appearance cost, one minus the correlation of the squares around both ends, 0 to 2; in
            cells of 2 x 2 pixels: h = H / 2, w = W / 2, rounded up.
        """
        return [self._field(video, a, b) for video in range(len(self._videos))]

    @property
    def num_frames(self) -> int:
        """Number S of the frames."""
        return len(self._videos[0])

    def frame(self, b: int, t: int) -> np.ndarray:
        """Frame t of video b of the batch, uint8 ``[H, W]``."""
        return self._videos[int(self._video[b])][t]

    def chained(self, b: int, start: int, end: int) -> np.ndarray:
        """Flow ``[h, w, 2]`` from frame `start` to frame `end` of video b, in steps of `deltas`."""
        video = int(self._video[b])
        return reduce(
            composed, (self._field(video, *hop)[..., :2] for hop in self._steps(start, end))
        )

    def _steps(self, start: int, end: int) -> list[tuple[int, int]]:
        """The same frames forward and backward: the longest steps are next to the earlier frame."""
        if abs(end - start) in self.deltas:
            return [(start, end)]
        hops = _hops(min(start, end), max(start, end), self.deltas)
        return hops if end > start else [(later, earlier) for earlier, later in reversed(hops)]

    def direct(
        self, b: int, anchor: np.ndarray, t: int, predicted: tuple[np.ndarray, np.ndarray]
    ) -> list[np.ndarray]:
        """Flow from a frame of any time straight to frame t of video b, and back.

        Args:
            b: Number of the video in the batch.
            anchor: The frame, uint8 ``[H, W]``.
            t: Number of the other frame.
            predicted: Flow ``[h, w, 2]`` from the anchor, and to it, from which searches begin.

        Returns:
            Both fields, float16 ``[h, w, 3]``; see `flow`.
        """
        frame, (forward, backward) = self.frame(b, t), predicted
        pairs = [(anchor, frame, forward), (frame, anchor, backward)]
        return list(_workers("now", getpid()).map(self._direct_field, *zip(*pairs, strict=True)))

    def _direct_field(
        self, before: np.ndarray, after: np.ndarray, predicted: np.ndarray
    ) -> np.ndarray:
        """`compute_field`, or from the cache."""
        inputs = (before, after, predicted)
        key = before.shape, *(_frame_hash(np.ascontiguousarray(a)) for a in inputs)
        return self._cache.get_or_compute(
            key, lambda: compute_field(before, after, predicted.astype(np.float32))
        )

    def _field(self, video: int, a: int, b: int) -> np.ndarray:
        """From the cache, or computed."""
        needed = slice(max(min(a, b) - 1, 0), max(a, b) + 1)  # frames that the flow depends on
        key = self.size_hw, self.deltas, b - a, *self._hashes[video][needed]
        frames = self._videos[video]
        return self._cache.get_or_compute(
            key, lambda: compute_field(frames[a], frames[b], self._predicted_flow(video, a, b))
        )

    def _predicted_flow(self, video: int, a: int, b: int) -> np.ndarray | None:
        """The flow ``[h, w, 2]`` that other flows predict; None for the first frame."""
        if abs(b - a) > 1:
            hops = _hops(a, b, self.deltas)
            return reduce(composed, (self._field(video, *hop)[..., :2] for hop in hops))
        if min(a, b) == 0:
            return None
        frames = self._videos[video]
        return _halved(_search(frames[a - 1], frames[b - 1], COARSE_SCALE))


@lru_cache(maxsize=2)
def _workers(kind: Literal["now", "ahead"], process: int) -> ThreadPoolExecutor:
    """Two threads, forward and backward; a forked process has none of its parent's.

    What is needed now does not wait behind what later windows need.
    """
    return ThreadPoolExecutor(2, f"motes-flow-{kind}")


def _hops(a: int, b: int, deltas: Sequence[int]) -> list[tuple[int, int]]:
    """From frame a to frame b in steps of smaller deltas, the longest first."""
    whole, sign, hops = abs(b - a), 1 if b > a else -1, []
    for delta in sorted((d for d in {1, *deltas} if d < whole), reverse=True):
        while delta <= abs(b - a):
            hops.append((a, a + sign * delta))
            a += sign * delta
    return hops


def composed(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The flow over two steps, float32 ``[h, w, 2]``, from the flow of each."""
    first = first.astype(np.float32)
    return first + _content_after(second.astype(np.float32), first)


def compute_field(
    before: np.ndarray, after: np.ndarray, predicted: np.ndarray | None
) -> np.ndarray:
    """Flow between two frames, and its appearance cost.

    Args:
        before: uint8 ``[H, W]``.
        after: uint8 ``[H, W]``.
        predicted: Flow ``[h, w, 2]`` from which the search may start; None: from a coarse search.

    Returns:
        float16 ``[h, w, 3]``, see `FlowFields.flow`.
    """
    flow = _halved(_search(before, after, 0, _initial_flow(before, after, predicted)))
    before, after = _halved(before), _halved(after)
    flow = _refined(before, after, flow)
    return np.dstack([flow, _appearance_cost(before, after, flow)]).astype(np.float16)


def sample_fields(
    fields: Sequence[np.ndarray], index: Tensor, xy: Tensor, size_hw: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Sample fields bilinearly; beyond the edges as at the edge.

    Args:
        fields: Of one size, ``[h, w, 3]`` each.
        index: int64 ``[...]``, numbers of fields.
        xy: ``[..., 2]``, pixels of the frames.
        size_hw: Height and width of the frames.

    Returns:
        Displacements ``[..., 2]`` in pixels, and appearance costs ``[...]``.
    """
    table = torch.from_numpy(np.stack(fields)).to(xy.device)
    (h, w), (H, W) = table.shape[1:3], size_hw
    cells = (xy + 0.5) * xy.new_tensor([w / W, h / H]) - 0.5
    values, fraction = neighbourhood(table, index.reshape(-1), cells.reshape(-1, 2), 0)
    samples = blend(values.float(), fraction).view(*xy.shape[:-1], 3)
    return samples[..., :2], samples[..., 2]


def _initial_flow(
    before: np.ndarray, after: np.ndarray, predicted: np.ndarray | None
) -> np.ndarray:
    """Where a search starts, ``[H, W, 2]``: the predicted flow, or the coarse one where better."""
    coarse = _search(before, after, COARSE_SCALE)
    if predicted is None:
        return coarse
    size = before.shape[::-1]
    coarse, before, after = _halved(coarse), _halved(before), _halved(after)
    of_predicted, of_coarse = (_difference(before, after, f) for f in (predicted, coarse))
    better = (of_coarse + COARSE_MARGIN < of_predicted)[..., None]
    return cv2.resize(np.where(better, coarse, predicted), size)


def _content_after(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Values of an image at the ends of a flow ``[h, w, 2]``; a cell is two pixels wide."""
    ends = _cells(flow.shape[0], flow.shape[1]) + flow / 2
    x, y = cv2.split(ends)
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@lru_cache(maxsize=4)
def _cells(h: int, w: int) -> np.ndarray:
    """Position (x, y) of each cell, float32 ``[h, w, 2]``."""
    y, x = np.mgrid[:h, :w].astype(np.float32)
    return np.dstack([x, y])


def _difference(before: np.ndarray, after: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Grey levels between both ends of a flow, ``[h, w]``, averaged over squares."""
    difference = cv2.absdiff(before, _content_after(after, flow))
    return cv2.blur(difference, (DIFFERENCE_SIDE, DIFFERENCE_SIDE))


def _appearance_cost(before: np.ndarray, after: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """One minus the correlation of the squares around both ends of a flow, ``[h, w]``."""
    after = _content_after(after, flow)
    mean, mean_after = _mean(before), _mean(after)
    variance = _mean(before * before) - mean * mean
    variance_after = _mean(after * after) - mean_after * mean_after
    covariance = _mean(before * after) - mean * mean_after
    contrast = (variance.clip(0) + VARIANCE_FLOOR) * (variance_after.clip(0) + VARIANCE_FLOOR)
    return 1 - (covariance + VARIANCE_FLOOR) / np.sqrt(contrast)


def _mean(values: np.ndarray) -> np.ndarray:
    return cv2.blur(values, (CORRELATION_SIDE, CORRELATION_SIDE))


def _search(
    before: np.ndarray, after: np.ndarray, scale: int, initial: np.ndarray | None = None
) -> np.ndarray:
    """The flow ``[H, W, 2]``, searched down to frames of 1 / 2^scale of the size.

    No scale is coarser than a patch: OpenCV would choose another by the width alone, and crash.
    """
    scale = min(scale, (min(before.shape) // PATCH_SIDE).bit_length() - 1)
    search = _SEARCHES.get(("search", scale, before.shape), _new_search)
    search = _configured(search, scale)
    return search.calc(before, after, initial)  # type: ignore[arg-type]


def _refined(before: np.ndarray, after: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """A flow ``[h, w, 2]``, whose cells are two pixels wide, after variational refinement."""
    refinement = _SEARCHES.get(("refinement", before.shape), _new_refinement)
    return refinement.calc(before, after, flow / 2) * 2


S = TypeVar("S")


class _Searches(local):
    """The searches and refinements of a thread; their buffers are used again.

    A new search would map and clear them at each call, a third of its time.
    """

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[object, ...], Any] = OrderedDict()

    def get(self, key: tuple[object, ...], make: Callable[[], S]) -> S:
        """The search (or refinement) of a kind for frames of a size; made if there is none."""
        if key not in self._made:
            self._made[key] = make()
        self._made.move_to_end(key)
        if len(self._made) > MAX_SEARCHES:
            self._made.popitem(last=False)
        found: S = self._made[key]
        return found


_SEARCHES = _Searches()


def _new_search() -> cv2.DISOpticalFlow:
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


def _new_refinement() -> cv2.VariationalRefinement:
    refinement = cv2.VariationalRefinement.create()
    refinement.setFixedPointIterations(HALVED_REFINEMENTS)
    refinement.setAlpha(SMOOTHNESS)
    refinement.setGamma(GRADIENT_CONSTANCY)
    return refinement


def _configured(search: cv2.DISOpticalFlow, scale: int) -> cv2.DISOpticalFlow:
    """Set everything again: for small frames, OpenCV changes patches and scales in `calc`."""
    search.setFinestScale(scale)
    search.setPatchSize(PATCH_SIDE)
    search.setPatchStride(PATCH_STRIDE)
    search.setGradientDescentIterations(ITERATIONS)
    search.setVariationalRefinementIterations(COARSE_REFINEMENTS if scale else FINE_REFINEMENTS)
    return search


def _halved(image: np.ndarray) -> np.ndarray:
    """Means over 2 x 2 pixels, float32; tracking is as accurate at this resolution."""
    H, W = image.shape[:2]
    size = (W + 1) // 2, (H + 1) // 2
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
