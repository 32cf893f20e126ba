"""CoTracker3, joint point tracking with virtual tracks.

Karaev et al., "CoTracker3: Simpler and Better Point Tracking by Pseudo-Labelling Real Videos",
2024, arXiv 2410.11831.

    features of all frames, pyramid; patches around the queries
    for each window: start where the last window ended
        repeat: match patches -> tokens -> transformer -> move points, update scores

Offline and online are one architecture: offline refines the whole video at once, online a window
of 16 frames at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from motes.coordinates import ResizeRule
from motes.errors import InputError
from motes.features.attention import init_linear
from motes.features.correlation import PatchCorrelation, query_patches
from motes.features.embeddings import OctaveEmbedding, resize_time, time_table
from motes.features.encoder import FrameEncoder, encode_video
from motes.features.flow_chain import follow
from motes.features.flow_fields import REMEMBERED, Fields, fingerprints, grey, inside, remember
from motes.features.overlap import frames_first, hold, query_in_window
from motes.features.transformer import ProxyTransformer
from motes.models.base import Features, PointModel, Prediction, State, Trace
from motes.models.naming import rename_with
from motes.models.preset import Preset, Support, WeightsInfo

SURE = 3.0
"""Logit of the scores of a point that comes home exactly, going there and back with the flow."""


@dataclass(frozen=True)
class CoTracker3Config:
    """Sizes of a CoTracker3; the defaults are those of the published online model."""

    window: int | None = 16  # frames refined together; None: the whole video
    time_rows: int = 16  # rows of the time table; other numbers of frames stretch it
    stride: int = 4  # pixels per cell of the finest feature map
    encoder_widths: tuple[int, ...] = (64, 96, 128, 128)  # at 1/2, 1/4, 1/8, 1/16 of the frame
    encoder_mixed: int = 256  # where these are joined
    channels: int = 128  # of the feature maps
    levels: int = 4  # of the pyramid
    radius: int = 3  # patches are 7 x 7
    match_hidden: int = 384  # MLP that embeds the match of two patches
    match_out: int = 256  # numbers per level that it gives
    octaves: int = 10  # of the displacement embedding
    width: int = 384  # of the transformer
    heads: int = 8
    depth: int = 3  # rounds of time and space attention
    virtual_tracks: int = 64
    unit: tuple[int, int] = (512, 384)  # pixels (x, y) that count as 1 in displacements
    iterations: int = 6
    first_guess: Literal["still", "flow"] = "still"  # a point rests, or follows dense optical flow
    deltas: tuple[int, ...] = (1, 3, 8)  # lengths of the flow's steps in frames


@dataclass(frozen=True)
class CoTracker3State(State):
    """What the next window needs to know; K frames overlap.

    Attributes:
        met: bool ``[B, N]``: the frame of the query has come.
        support: Features around the query, per level ``[B, N, (2r+1)^2, C]``; zero until met.
        xy: ``[B, N, K, 2]``, cells of the feature map.
        scores: ``[B, N, K, 2]``, logits of visibility and confidence.
    """

    met: Tensor
    support: tuple[Tensor, ...]
    xy: Tensor
    scores: Tensor


class Estimate(NamedTuple):
    """Tracks in the middle of refinement: cells ``[B, N, S, 2]``, logits ``[B, N, S, 2]``."""

    xy: Tensor
    scores: Tensor


class CoTracker3(PointModel):
    """Joint point tracker; points help each other through virtual tracks."""

    times: Tensor

    def __init__(self, config: CoTracker3Config) -> None:
        super().__init__()
        c = self.config = config
        self.window = c.window
        self.step = c.window // 2 if c.window else 1
        self.stride = c.stride
        self.iterations = c.iterations
        self.point_bytes = 120 * c.width
        self.remembers = REMEMBERED if c.first_guess == "flow" else 0
        self.encoder = FrameEncoder(c.encoder_widths, c.encoder_mixed, c.channels, c.stride)
        self.match = PatchCorrelation(c.radius, c.levels, c.match_hidden, c.match_out)
        self.embed = OctaveEmbedding(4, c.octaves)
        token = 2 + self.match.out_channels + self.embed.out_channels
        self.transformer = ProxyTransformer(token, c.width, c.heads, c.depth, c.virtual_tracks)
        self.motion = nn.Linear(self.transformer.out_channels, 2)
        self.scoring = nn.Linear(self.transformer.out_channels, 2)
        for head in (self.motion, self.scoring):
            init_linear(head)
            nn.init.trunc_normal_(head.weight, std=0.001)
        self.register_buffer("times", time_table(c.time_rows, token), persistent=False)

    @property
    def iterated(self) -> tuple[nn.Module, ...]:
        """The transformer."""
        return (self.transformer,)

    def windowed(self) -> CoTracker3:
        """The offline model in windows as long as its time table, half of which overlap."""
        if self.window is not None:
            return self
        model = copy(self)
        model.window, model.stitched = self.config.time_rows, True
        model.step = model.window // 2
        return model

    def remember(self, size: int) -> None:
        """Keep no more than so many bytes of flow."""
        if self.remembers:
            remember(size)

    def encode(self, video: Tensor) -> Features:
        """Normalised features, per pyramid level ``[B, T, h, w, C]``.

        Where the first guess follows the flow, grey frames ``[B, T, H, W, 1]`` come last.
        """
        levels = encode_video(self.encoder, video, self.config.levels, normalised=True)
        frames = (grey(video)[..., None],) if self.config.first_guess == "flow" else ()
        return Features((*levels, *frames))

    def start(self, queries: Tensor) -> CoTracker3State:
        """No query has been met."""
        c = self.config
        B, N = queries.shape[:2]
        none = self.motion.weight.new_zeros(B, N, (2 * c.radius + 1) ** 2, c.channels)
        overlap = queries.new_zeros(B, N, self.window - self.step if self.window else 0, 2)
        met = torch.zeros(B, N, dtype=torch.bool, device=queries.device)
        return CoTracker3State(met, (none,) * c.levels, overlap, overlap)

    def advance(
        self,
        state: CoTracker3State,
        features: Features,
        queries: Tensor,
        start: int,
        iterations: int | None = None,
    ) -> tuple[Prediction, CoTracker3State]:
        """Refine one window; see `PointModel.advance`."""
        frames = len(features)
        now = self._first_guess(state, queries, self.window or frames)
        if self.config.first_guess == "flow":
            now = self._follow_flow(now, state, features, queries, start)
            features = Features(features.levels[:-1])
        state = self._meet(state, features, queries, start)
        history = []
        for _ in range(iterations or self.iterations or 1):
            now = self._refine(now, features, state.support)
            history.append(now)
        if self.window:
            overlap = slice(self.step, self.window)
            state = replace(state, xy=now.xy[:, :, overlap], scores=now.scores[:, :, overlap])
        return self._predict(history, start, frames), state

    def _first_guess(self, state: CoTracker3State, queries: Tensor, length: int) -> Estimate:
        """Where the last window left a point; at the query, if it had not been met by then."""
        xy = (queries[:, :, None, 1:] / self.stride).expand(-1, -1, length, -1)
        scores = torch.zeros_like(xy)
        if not state.xy.shape[2]:
            return Estimate(xy, scores)
        met = state.met[..., None, None]
        xy = torch.where(met, hold(state.xy, length), xy)
        return Estimate(xy, torch.where(met, hold(state.scores, length), scores))

    def _follow_flow(
        self,
        guess: Estimate,
        state: CoTracker3State,
        features: Features,
        queries: Tensor,
        start: int,
    ) -> Estimate:
        """Let points go with dense optical flow from where they are known.

        That is the frame of the query, or those that the window before has refined.
        """
        *_, frames = features.levels
        T, S, known = len(features), guess.xy.shape[2], min(state.xy.shape[2], len(features))
        xy, scores = guess.xy[:, :, :T] * self.stride, guess.scores[:, :, :T]
        t, here = query_in_window(queries, start, T)
        frame = torch.arange(T, device=xy.device)
        asked = (here & ~state.met)[..., None] & (frame == t[..., None])  # [B, N, T]
        held = state.met[..., None] & (frame < known)
        error = torch.where(held, doubt(scores.detach().amin(-1)), torch.inf)
        grey_frames = frames[..., 0]
        fields = Fields(grey_frames, fingerprints(grey_frames), self.config.deltas)
        moved, error = follow(fields, xy, error.where(~asked, 0.0))
        found = (error.isfinite() & ~held)[..., None]
        believed = trust(moved, error, frames.shape[2:4])[..., None]
        return Estimate(
            hold(torch.where(found, moved / self.stride, guess.xy[:, :, :T]), S),
            hold(torch.where(found, believed, scores), S),
        )

    def _meet(
        self, state: CoTracker3State, features: Features, queries: Tensor, start: int
    ) -> CoTracker3State:
        """Take the features around queries whose frame is in this window."""
        t, here = query_in_window(queries, start, len(features))
        new = here & ~state.met
        found = query_patches(
            features.levels, t, queries[..., 1:] / self.stride, self.config.radius
        )
        pairs = zip(found, state.support, strict=True)
        support = tuple(torch.where(new[..., None, None], a, b) for a, b in pairs)
        return replace(state, met=state.met | new, support=support)

    def _refine(self, now: Estimate, features: Features, support: tuple[Tensor, ...]) -> Estimate:
        """One iteration.  Positions pass no gradient from one iteration to the next."""
        xy = now.xy.detach()
        tokens = self._tokens(xy, now.scores, features, support)
        tokens = self.transformer(tokens)
        return Estimate(xy + self.motion(tokens).float(), now.scores + self.scoring(tokens).float())

    def _tokens(
        self, xy: Tensor, scores: Tensor, features: Features, support: tuple[Tensor, ...]
    ) -> Tensor:
        """What is known of each point in each frame, ``[B, N, S, D]``."""
        match = self.match(features.levels, support, xy)
        steps = self.embed(displacements(xy) * self.stride / xy.new_tensor(self.config.unit * 2))
        tokens = torch.cat([scores.to(match.dtype), match, steps.to(match.dtype)], -1)
        return tokens + resize_time(self.times, xy.shape[2]).to(match.dtype)

    def _predict(self, history: list[Estimate], start: int, frames: int) -> Prediction:
        """The last estimate in pixels and probabilities, for the frames that exist."""
        xy = [frames_first(e.xy, frames) * self.stride for e in history]
        visible, sure = zip(
            *(frames_first(e.scores, frames).unbind(-1) for e in history), strict=True
        )
        aux = Trace(start, tuple(xy), visible, sure) if self.training else None
        return Prediction(xy[-1], visible[-1].sigmoid(), sure[-1].sigmoid(), aux)


def trust(xy: Tensor, error: Tensor, size: Sequence[int]) -> Tensor:
    """First guess at the scores of points that followed the flow, logits ``[B, N, T]``.

    Args:
        xy: ``[B, N, T, 2]``, pixels.
        error: ``[B, N, T]``, pixels.
        size: Height and width of the frames; what has left them is hidden.
    """
    return torch.where(inside(xy, size), SURE - torch.log1p(error**2), -SURE)


def doubt(scores: Tensor) -> Tensor:
    """The error in pixels that `trust` would have given these logits."""
    return (SURE - scores).clamp(0, 8).expm1().sqrt()


def displacements(xy: Tensor) -> Tensor:
    """From the next and from the previous frame, ``[B, N, S, 4]``; 0 where there is none."""
    step = xy[:, :, :-1] - xy[:, :, 1:]
    return torch.cat([F.pad(step, (0, 0, 0, 1)), F.pad(-step, (0, 0, 1, 0))], -1)


rename = rename_with(
    (r"^updateformer\.vis_conf_head", "scoring"),
    (r"^updateformer\.flow_head", "motion"),
    (r"^corr_mlp", "match"),
    (r"^time_emb$", None),
)
"""From the keys of the official checkpoints to those of the module."""


def configure(config: CoTracker3Config, tensors: Mapping[str, Tensor]) -> CoTracker3Config:
    """Take the length of the window, or of the time table, from a checkpoint.

    Raises:
        InputError: An offline checkpoint is loaded as an online model, or the other way round.
    """
    if "time_emb" not in tensors:
        return config
    rows = tensors["time_emb"].shape[1]
    if rows in (OFFLINE_ROWS, ONLINE_ROWS) and rows != config.time_rows:
        kind = "offline" if rows == OFFLINE_ROWS else "online"
        raise InputError(
            f"expected time_emb with {config.time_rows} rows, got {rows}: "
            f"this is the checkpoint of an {kind} model"
        )
    return replace(config, time_rows=rows, window=config.window and rows)


OFFLINE_ROWS, ONLINE_ROWS = 60, 16


def _preset(name: str, summary: str, config: CoTracker3Config, filename: str) -> Preset:
    return Preset(
        name=name,
        summary=summary,
        build=CoTracker3,
        config=config,
        resize=ResizeRule(size=(384, 512), corners=True),
        visible_above=0.6,
        score_with_confidence=True,
        support=Support(global_grid=5, local_grid=5, below=8),
        weights=WeightsInfo("CC-BY-NC-4.0", filename, repo="facebook/cotracker3"),
        rename=rename,
        configure=configure,
    )


OFFLINE = CoTracker3Config(window=None, time_rows=OFFLINE_ROWS)
ONLINE = CoTracker3Config(window=ONLINE_ROWS, time_rows=ONLINE_ROWS)

PRESETS = (
    _preset(
        "cotracker3-offline",
        "CoTracker3, whole video at once, trained on real video too",
        OFFLINE,
        "scaled_offline.pth",
    ),
    _preset(
        "cotracker3-online",
        "CoTracker3, window by window, trained on real video too",
        ONLINE,
        "scaled_online.pth",
    ),
    _preset(
        "cotracker3-baseline-offline",
        "CoTracker3, whole video at once, trained on synthetic video",
        OFFLINE,
        "baseline_offline.pth",
    ),
    _preset(
        "cotracker3-baseline-online",
        "CoTracker3, window by window, trained on synthetic video",
        ONLINE,
        "baseline_online.pth",
    ),
)

SMALL = CoTracker3Config(
    encoder_widths=(32, 48, 64, 64),
    encoder_mixed=96,
    channels=64,
    match_hidden=192,
    match_out=128,
    width=192,
    heads=6,
    virtual_tracks=32,
    unit=(256, 256),
    iterations=4,
)

COTRACKER3_S = Preset(
    name="cotracker3-s",
    summary="CoTracker3 of a quarter of the size, window by window",
    build=CoTracker3,
    config=SMALL,
    resize=ResizeRule(size=(256, 256)),
    visible_above=0.5,
    score_with_confidence=True,
    support=Support(global_grid=5, local_grid=4, local_extent=32.0, below=8),
    weights=WeightsInfo("Apache-2.0", "cotracker3-s.safetensors", embedded=True),
)
"""Our own size.  256 x 256 is what TAP-Vid scores at, and encodes in a third of the time of
384 x 512, which is most of the cost when the points are few."""

EXTRA_SMALL = CoTracker3Config(
    encoder_widths=(16, 24, 32, 32),
    encoder_mixed=48,
    channels=32,
    radius=2,
    match_hidden=64,
    match_out=48,
    octaves=6,
    width=96,
    heads=4,
    depth=2,
    virtual_tracks=16,
    unit=(64, 64),
    iterations=3,
    first_guess="flow",
)

COTRACKER3_XS = Preset(
    name="cotracker3-xs",
    summary="CoTracker3 with 1.1 million parameters that starts from dense optical flow",
    build=CoTracker3,
    config=EXTRA_SMALL,
    resize=ResizeRule(size=(256, 256)),
    visible_above=0.5,
    score_with_confidence=True,
    support=Support(global_grid=5, local_grid=4, local_extent=32.0, below=8),
    weights=WeightsInfo("Apache-2.0", "cotracker3-xs.safetensors", embedded=True),
)
"""What a laptop can train in two hours.  The flow finds the coarse motion; the network corrects its
drift and says what is hidden."""
