"""Training data of motes-s: synthetic clips with candidates, rendered once and kept in a folder.

A clip and its candidates depend only on the settings and the number of the clip.  Each file holds a
hash of its settings; a file with other settings, or one that was cut off, is rendered again when it
is needed.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from motes.common.files import replacing
from motes.common.registry import suggest
from motes.data.sample import Sample, collate
from motes.errors import FileError, InputError
from motes.features.candidates import (
    KINDS,
    WORST_ERROR,
    Candidates,
    FlowWindow,
    empty_tracks,
    find_candidates,
    half_frames,
)
from motes.features.flow_fields import frame_hashes, grey
from motes.synthetic import SyntheticConfig, Textures, synthesize
from motes.train.batches import Batch, numpy_generator
from motes.train.config import Stage
from motes.train.limits import check_limits
from motes.train.settings import amend

log = logging.getLogger("motes.train")

FORMAT = 1
"""Version of the files; clips of other versions are rendered again."""

FIRST_SEED = 10_000_000
"""Seed of clip 0 in the synthetic engine."""

MIN_QUERIES = 16
"""Crops with fewer queries are drawn again."""

TRIES = 50
"""Number of crops that are drawn before a clip counts as unusable."""


FIRST_HELD_OUT = 900_000
"""Number of the first clip that is only for measuring."""

HELD_OUT_CLIPS = 8
"""Number of these that are rendered beforehand."""

GOLDEN = 0.6180339887498949
"""Multiples of it, modulo 1, spread evenly over 0..1: so do the kinds over any stretch of clips."""


@dataclass(frozen=True)
class ClipKind:
    """One kind of clips in a mix.

    Attributes:
        look: Fields of the synthetic engine's configuration to change.
        weight: How many clips are of this kind, relative to the others.
    """

    look: dict[str, Any] = field(default_factory=dict)
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_limits("rendered: kinds", self, weight=(1e-6, 1e6))


@dataclass(frozen=True)
class RenderedOptions:
    """Settings of the source.

    Attributes:
        folder: Where clips are kept.
        clips: Number of clips; about 8 MB each.
        anchors: Number of query frames per track: the first visible one, and random ones.
        anchor_frames: Number of different query frames in a clip: the first one, and others at even
            distances from a random one on; 0: any.  The direct step takes time for each of them.
        candidates: Kinds of candidates to compute; the others count as missing.
        look: Configuration of the synthetic engine; with kind "mixed", layers and solids alternate.
        kinds: A mix of clips that differ in some fields of `look`; empty: all alike.
        jitter: Share of the tracks whose candidates are shifted together, by about a pixel.
        ready_only: Draw only from clips that exist, while ``motes train --render`` renders others;
            such a run does not repeat exactly.
    """

    folder: str
    clips: int = 1000
    anchors: int = 4
    anchor_frames: int = 0
    candidates: tuple[str, ...] = KINDS
    look: SyntheticConfig = field(default_factory=SyntheticConfig)
    kinds: tuple[ClipKind, ...] = ()
    jitter: float = 0.0
    ready_only: bool = False

    def __post_init__(self) -> None:
        at_least_one = (1, FIRST_HELD_OUT)
        check_limits("rendered", self, clips=at_least_one, anchors=at_least_one)
        check_limits("rendered", self, anchor_frames=(0, FIRST_HELD_OUT))
        if unknown := [kind for kind in self.candidates if kind not in KINDS]:
            raise suggest(unknown[0], KINDS, "kind of candidate")
        _ = self.looks  # refuses unknown fields

    @property
    def looks(self) -> list[SyntheticConfig]:
        """The look of each kind of clips.

        Raises:
            InputError: A kind changes a field that there is not.
        """
        where = "data.sources.options.kinds.look"
        return [amend(self.look, kind.look, where) for kind in self.kinds] or [self.look]

    def look_of(self, number: int) -> SyntheticConfig:
        """The configuration of a clip."""
        weights = np.array([kind.weight for kind in self.kinds] or [1.0])
        place = (number * GOLDEN) % 1 * weights.sum()
        kind = int(np.searchsorted(weights.cumsum()[:-1], place, side="right"))
        look = self.looks[kind]
        if look.kind != "mixed":
            return look
        return replace(look, kind="layers" if number % 2 else "solids")

    def clip_settings(self) -> dict[str, Any]:
        """The settings that, with its number, determine a clip."""
        settings = {"format": FORMAT, "anchors": (self.anchors, self.anchor_frames)}
        looks = [asdict(look) for look in self.looks]
        weights = [kind.weight for kind in self.kinds]
        return {**settings, "candidates": self.candidates, "looks": looks, "weights": weights}


@dataclass(frozen=True)
class RenderedClip:
    """T frames with N tracks, each queried in A frames; K candidates for each query.

    Attributes:
        video: uint8 ``[T, 3, H, W]``.
        xy: float32 ``[N, T, 2]``, pixels.
        visible: bool ``[N, T]``.
        valid: bool ``[N, T]``.
        anchors: int16 ``[A, N]``, the frames of the queries.
        candidates: float32 ``[A, N, T, K, 2]``, pixels.
        error: float16 ``[A, N, T, K]``, pixels.
    """

    video: np.ndarray
    xy: np.ndarray
    visible: np.ndarray
    valid: np.ndarray
    anchors: np.ndarray
    candidates: np.ndarray
    error: np.ndarray


class ClipCache:
    """Clips by number, rendered when they are first needed.

    Args:
        options: Settings of the clips, and their folder.
        make: Renders the clip of a number.
    """

    def __init__(self, options: RenderedOptions, make: Callable[[int], RenderedClip]) -> None:
        self.folder, self._make = Path(options.folder).expanduser(), make
        settings = json.dumps(options.clip_settings(), sort_keys=True)
        self.settings = hashlib.sha256(settings.encode()).hexdigest()

    def get(self, number: int) -> RenderedClip:
        """A clip, from its file or rendered.

        Raises:
            FileError: The folder cannot be written.
        """
        path = self._path(number)
        if path.exists():
            try:
                return self._read(path)
            except FileError as error:
                log.warning("%s; rendered again", error)
        clip = self._make(number)
        self._write(path, clip)
        return clip

    def ready(self, count: int) -> list[int]:
        """Numbers of the first `count` clips that have a file."""
        return [number for number in range(count) if self._path(number).exists()]

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.npz"

    def _read(self, path: Path) -> RenderedClip:
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            settings = str(arrays.pop("settings"))
            clip = RenderedClip(**arrays)
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
            raise FileError(f"{path}: not a whole clip ({type(error).__name__})") from None
        if settings != self.settings:
            raise FileError(f"{path}: made with other settings")
        return clip

    def _write(self, path: Path, clip: RenderedClip) -> None:
        arrays = {name: getattr(clip, name) for name in RenderedClip.__annotations__}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"cannot make the folder {self.folder}: {error.strerror}") from None
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, settings=np.array(self.settings), **arrays)


def render(options: RenderedOptions, textures: Textures, number: int) -> RenderedClip:
    """Render a clip and compute its candidates."""
    config = options.look_of(number)
    textures = textures.looking_like(config)
    sample = synthesize(config, [FIRST_SEED + number], "cpu", textures)[0]
    generator = torch.Generator().manual_seed(number)
    usable = sample.visible & sample.valid
    usable &= _anchor_frames(len(usable), options.anchor_frames, generator)[:, None]
    sample = sample.points(usable.any(0))
    anchors = _draw_anchors(usable[:, usable.any(0)].T, options.anchors, generator)
    candidates = all_candidates(sample, anchors, options.candidates)
    A, N = anchors.shape
    return RenderedClip(
        sample.video.numpy(),
        sample.xy.transpose(0, 1).numpy(),
        sample.visible.T.numpy(),
        sample.valid.T.numpy(),
        anchors.numpy().astype(np.int16),
        candidates.xy[0].unflatten(0, (A, N)).numpy(),
        candidates.error[0].unflatten(0, (A, N)).half().numpy(),
    )


def _anchor_frames(frames: int, count: int, generator: torch.Generator) -> Tensor:
    """Bool ``[T]``: which frames can be query frames; see `RenderedOptions.anchor_frames`."""
    allowed = torch.full((frames,), not count)
    others = torch.arange(max(count - 1, 0)) + torch.rand((), generator=generator)
    allowed[(others * frames / max(count - 1, 1)).long()] = True
    allowed[0] = True
    return allowed


def _draw_anchors(usable: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Frames int64 ``[A, N]`` of bool ``[N, T]``: the first usable one, the others at random."""
    weights = usable.float()
    drawn = [torch.multinomial(weights, 1, generator=generator)[:, 0] for _ in range(count - 1)]
    return torch.stack([weights.argmax(1), *drawn])


def all_candidates(sample: Sample, anchors: Tensor, kinds: Sequence[str] = KINDS) -> Candidates:
    """Candidates for each track from each of its anchors, int64 ``[A, N]``.

    Returns:
        ``[1, A N, T, K]``, pixels of the sample, of all K kinds; those that are not in `kinds` are
        missing: their error is infinite.
    """
    N, t = sample.num_points, anchors.flatten()
    xy = sample.xy[t, torch.arange(N).repeat(len(anchors))]
    queries = torch.cat([t[:, None].float(), xy], 1)[None]
    frames = grey(sample.video[None].float() / 255)
    window = FlowWindow(frames, half_frames(frames), frame_hashes(frames), 0)
    started = torch.ones(queries.shape[:2], dtype=torch.bool)
    tracks = empty_tracks(kinds, queries, 0)
    T = sample.num_frames
    found, _ = find_candidates(kinds, window, tracks, queries, started, started, max_anchors=T)
    places = [KINDS.index(kind) for kind in kinds]
    everything = Candidates(
        found.xy[..., :1, :].repeat(1, 1, 1, len(KINDS), 1),
        torch.full((*found.error.shape[:-1], len(KINDS)), torch.inf),
    )
    everything.xy[..., places, :] = found.xy
    everything.error[..., places] = found.error.clamp(max=WORST_ERROR)
    return everything


@dataclass(frozen=True)
class Rendered:
    """Random windows of rendered clips, cropped and augmented.

    Attributes:
        options: Settings of the clips.
        cache: The clips.
    """

    options: RenderedOptions
    cache: ClipCache

    @staticmethod
    def of(options: RenderedOptions) -> Rendered:
        """Open a folder of clips.

        Raises:
            FileError: The photographs cannot be read.
        """
        textures = Textures.of(options.look)
        return Rendered(
            options, ClipCache(options, lambda number: render(options, textures, number))
        )

    def draw(self, generator: torch.Generator, stage: Stage) -> Batch:
        """A window with queries and candidates, as a batch of one; see `Source`.

        The window has one frame more than the stage defines: the last is the first frame of the
        clip.  Some points have their query there; otherwise this frame is not used.
        """
        rng = numpy_generator(generator)
        number = self._number(rng)
        clip = self.cache.get(number)
        for _ in range(TRIES):
            cut = _cut(clip, stage, rng)
            if len(cut.pairs) >= MIN_QUERIES:
                return _batch(clip, cut, stage, self.options.jitter, rng)
        raise InputError(f"clip {number}: fewer than {MIN_QUERIES} queries in {TRIES} crops")

    def held_out(self, number: int) -> Sample:
        """A whole clip that is never drawn; see `HoldsOut`."""
        clip = self.cache.get(FIRST_HELD_OUT + number)
        xy = np.ascontiguousarray(clip.xy.swapaxes(0, 1))
        known = (torch.from_numpy(np.ascontiguousarray(v.T)) for v in (clip.visible, clip.valid))
        return Sample(torch.from_numpy(clip.video), torch.from_numpy(xy), *known)

    def _number(self, rng: np.random.Generator) -> int:
        ready = self.cache.ready(self.options.clips) if self.options.ready_only else []
        return int(rng.choice(ready)) if ready else int(rng.integers(self.options.clips))

    def render(self, part: int, parts: int) -> Iterator[int]:
        """Render the missing ones of `share`.

        Yields:
            The number of each clip, when it exists.
        """
        for number in self.share(part, parts):
            self.cache.get(number)
            yield number

    def share(self, part: int, parts: int) -> list[int]:
        """Numbers of every `parts`-th clip from `part` on; those for measuring come early."""
        first, clips = min(HELD_OUT_CLIPS, self.options.clips), self.options.clips
        held_out = range(FIRST_HELD_OUT, FIRST_HELD_OUT + HELD_OUT_CLIPS)
        return [*range(first), *held_out, *range(first, clips)][part::parts]


@dataclass(frozen=True)
class _Cut:
    """Position of a window in a clip.

    Attributes:
        first: Number of its first frame.
        corner: Pixel (x, y) of the clip at the top left of the window.
        pairs: int64 ``[P, 2]``, track and anchor of each query in the window.
    """

    first: int
    corner: np.ndarray
    pairs: np.ndarray


def _cut(clip: RenderedClip, stage: Stage, rng: np.random.Generator) -> _Cut:
    """Draw a window; its queries are those in its frames and those in the clip's first frame."""
    T, _, H, W = clip.video.shape
    (h, w), S = stage.size, stage.frames
    if S > T or h > H or w > W:
        got = f"{T} frames of {W}x{H}"
        raise InputError(f"rendered clips: expected at least {S} frames of {w}x{h}, got {got}")
    first = int(rng.integers(0, T - S + 1))
    corner = np.array([rng.integers(0, W - w + 1), rng.integers(0, H - h + 1)])
    anchors = clip.anchors.astype(np.int64)
    xy = clip.xy[np.arange(anchors.shape[1]), anchors] - corner  # [A, N, 2]
    inside = (xy >= 0).all(-1) & (xy < np.array([w, h]) - 1).all(-1)
    held = ((anchors >= first) & (anchors < first + S)) | (anchors == 0)
    anchor, track = np.nonzero(inside & held)
    return _Cut(first, corner, np.stack([track, anchor], 1))


@dataclass(frozen=True)
class _Window:
    """The part of a batch that is augmented: N queries in S + 1 frames, see `Rendered.draw`.

    Attributes:
        video: float32 ``[S + 1, 3, h, w]`` in 0..1.
        xy: float32 ``[N, S, 2]``, pixels.
        visible: bool ``[N, S]``.
        valid: bool ``[N, S]``.
        t: int64 ``[N]``, frame of each query.
        query: float32 ``[N, 2]``.
        candidates: float32 ``[N, S, K, 2]``.
        error: float32 ``[N, S, K]``.
    """

    video: Tensor
    xy: Tensor
    visible: Tensor
    valid: Tensor
    t: Tensor
    query: Tensor
    candidates: Tensor
    error: Tensor

    def positions(self, change: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """All positions, with the same change."""
        return {name: change(getattr(self, name)) for name in ("xy", "query", "candidates")}

    def mirrored(self, axis: int) -> _Window:
        """Mirrored along axis x (0) or y (1)."""
        last = self.video.shape[3 - axis] - 1
        sign, shift = torch.ones(2), torch.zeros(2)
        sign[axis], shift[axis] = -1, last
        video = self.video.flip(3 - axis)
        return replace(self, video=video, **self.positions(lambda p: p * sign + shift))

    def transposed(self) -> _Window:
        """With x and y exchanged."""
        return replace(self, video=self.video.mT, **self.positions(lambda p: p.flip(-1)))

    def reversed(self) -> _Window:
        """The S frames in the opposite order."""
        S = self.xy.shape[1]
        flipped = ("xy", "visible", "valid", "candidates", "error")
        return replace(
            self,
            video=torch.cat([self.video[:S].flip(0), self.video[S:]]),
            t=torch.where(self.t < S, S - 1 - self.t, self.t),
            **{name: getattr(self, name).flip(1) for name in flipped},
        )


def _batch(
    clip: RenderedClip, cut: _Cut, stage: Stage, jitter: float, rng: np.random.Generator
) -> Batch:
    """The window with `stage.points` queries, augmented."""
    enough = len(cut.pairs) >= stage.points
    chosen = rng.choice(len(cut.pairs), stage.points, replace=not enough)
    window = _window(clip, cut, cut.pairs[chosen], stage)
    window = _changed(_jittered(window, jitter, rng), rng)
    window = replace(window, video=_coloured(window.video, rng))
    return _as_batch(window)


def _window(clip: RenderedClip, cut: _Cut, pairs: np.ndarray, stage: Stage) -> _Window:
    (track, anchor), S = pairs.T, stage.frames
    (h, w), (x, y) = stage.size, cut.corner
    frames = np.arange(cut.first, cut.first + S)
    t = clip.anchors[anchor, track].astype(np.int64)
    inside = (t >= cut.first) & (t < cut.first + S)
    xy = clip.xy[track][:, frames] - cut.corner
    in_crop = (xy >= 0).all(-1) & (xy < np.array([w, h]) - 1).all(-1)
    valid = clip.valid[track][:, frames]
    video = clip.video[np.append(frames, 0), :, y : y + h, x : x + w]

    def tensor(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values))

    return _Window(
        tensor(video).float() / 255,
        tensor(np.where(valid[..., None], xy, 0).astype(np.float32)),
        tensor(clip.visible[track][:, frames] & valid & in_crop),
        tensor(valid),
        tensor(np.where(inside, t - cut.first, S)),
        tensor((clip.xy[track, t] - cut.corner).astype(np.float32)),
        tensor((clip.candidates[anchor, track][:, frames] - cut.corner).astype(np.float32)),
        tensor(clip.error[anchor, track][:, frames].astype(np.float32)),
    )


def _jittered(window: _Window, share: float, rng: np.random.Generator) -> _Window:
    """Shift all candidates of some queries by about a pixel."""
    N = len(window.query)
    chosen = rng.random(N) < share
    shift = rng.normal(0, 1, (N, 2)) * rng.exponential(JITTER_SIZE, (N, 1)) * chosen[:, None]
    error = torch.hypot(
        window.error, torch.from_numpy(chosen * JITTER_ERROR).float()[:, None, None]
    )
    shifted = window.candidates + torch.from_numpy(shift).float()[:, None, None]
    return replace(window, candidates=shifted, error=error)


JITTER_SIZE, JITTER_ERROR = 0.8, 0.5
"""Mean length of a shift, and the error that is added for it, in pixels."""


def _changed(window: _Window, rng: np.random.Generator) -> _Window:
    """Mirror, exchange the axes, reverse time; each with probability 1/2."""
    h, w = window.video.shape[-2:]
    if rng.random() < 0.5:
        window = window.mirrored(0)
    if rng.random() < 0.5:
        window = window.mirrored(1)
    if rng.random() < 0.5 and h == w:
        window = window.transposed()
    return window.reversed() if rng.random() < 0.5 else window


def _coloured(video: Tensor, rng: np.random.Generator) -> Tensor:
    """Brightness, contrast, tint, flicker, grey and noise, at random."""
    if rng.random() < 0.8:
        gain = torch.from_numpy(rng.uniform(0.7, 1.3, (3, 1, 1)) * rng.uniform(0.7, 1.3)).float()
        mean = video.mean((0, 2, 3), keepdim=True)
        video = ((video - mean) * rng.uniform(0.7, 1.3) + mean) * gain
        if rng.random() < 0.5:
            video = video * torch.from_numpy(rng.uniform(0.9, 1.1, (len(video), 1, 1, 1))).float()
    if rng.random() < 0.15:
        video = video.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    if rng.random() < 0.3:
        noise = torch.from_numpy(rng.standard_normal(video.shape, np.float32))
        video = video + noise * rng.uniform(0, 0.04)
    return video.clamp(0, 1)


def _as_batch(window: _Window) -> Batch:
    """As a batch; the last frame has queries but no ground truth."""

    def frames_first(values: Tensor) -> Tensor:
        return torch.cat([values, torch.zeros_like(values[:, :1])], 1).transpose(0, 1).contiguous()

    video = (window.video * 255).round().to(torch.uint8)
    known = (frames_first(v) for v in (window.xy, window.visible, window.valid))
    queries = torch.cat([window.t[:, None].float(), window.query], 1)
    sample = collate([Sample(video, *known)])
    return Batch(sample, queries[None], (), window.candidates[None], window.error[None])
