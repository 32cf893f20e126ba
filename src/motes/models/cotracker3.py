"""CoTracker3, joint point tracking with virtual tracks.

Karaev et al., "CoTracker3: Simpler and Better Point Tracking by Pseudo-Labelling Real Videos",
2024, arXiv 2410.11831.

    features of all frames, pyramid; patches around the queries
    for each window: start from the estimates of the last window
        repeat: correlate patches -> tokens -> transformer -> update positions and logits

Offline and online are one architecture: offline refines the whole video at once, online a window
of 16 frames at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from motes.coordinates import ResizeRule
from motes.errors import InputError
from motes.features.attention import init_linear
from motes.features.correlation import PatchCorrelation
from motes.features.embeddings import OctaveEmbedding, resize_time, time_table
from motes.features.transformer import ProxyTransformer
from motes.models.base import FeatureMaps, Prediction, Schedule
from motes.models.cotracker_base import (
    CoTrackerBase,
    CoTrackerState,
    EncoderConfig,
    Estimate,
    half_overlapping,
)
from motes.models.naming import rename_with
from motes.models.preset import Preset, Support, WeightsInfo


@dataclass(frozen=True)
class CoTracker3Config(EncoderConfig):
    """Sizes of a CoTracker3; the defaults are those of the published online model."""

    window: int | None = 16  # frames refined together; None: the whole video
    time_rows: int = 16  # rows of the time table; other numbers of frames stretch it
    match_hidden: int = 384  # MLP that embeds the correlation of two patches
    match_out: int = 256  # numbers per level that it returns
    octaves: int = 10  # of the displacement embedding
    width: int = 384  # of the transformer
    heads: int = 8
    depth: int = 3  # rounds of time and space attention
    virtual_tracks: int = 64
    unit: tuple[int, int] = (512, 384)  # pixels (x, y) that count as 1 in displacements
    iterations: int = 6


class CoTracker3(CoTrackerBase):
    """Joint point tracker; points exchange information through virtual tracks."""

    normalised = True
    num_logits = 2  # visibility and confidence

    times: Tensor

    def __init__(self, config: CoTracker3Config) -> None:
        c = self.config = config
        super().__init__(c, c.window, c.iterations)
        self.point_bytes = 120 * c.width
        self.support_radius = c.radius
        self.match = PatchCorrelation(c.radius, c.levels, c.match_hidden, c.match_out)
        self.embed = OctaveEmbedding(4, c.octaves)
        token = self.num_logits + self.match.out_channels + self.embed.out_channels
        self.transformer = ProxyTransformer(token, c.width, c.heads, c.depth, c.virtual_tracks)
        self.motion = nn.Linear(self.transformer.out_channels, 2)
        self.scoring = nn.Linear(self.transformer.out_channels, self.num_logits)
        for head in (self.motion, self.scoring):
            init_linear(head)
            nn.init.trunc_normal_(head.weight, std=0.001)
        self.register_buffer("times", time_table(c.time_rows, token), persistent=False)

    @property
    def iterated(self) -> tuple[nn.Module, ...]:
        """The transformer."""
        return (self.transformer,)

    def windowed(self) -> Schedule:
        """The offline model in windows as long as its time table."""
        if self.schedule.window is not None:
            return self.schedule
        return half_overlapping(self.config.time_rows, by_confidence=True)

    def advance(
        self,
        state: CoTrackerState,
        features: FeatureMaps,
        queries: Tensor,
        start: int,
        iterations: int | None = None,
        cache: None = None,
    ) -> tuple[Prediction, CoTrackerState]:
        """Refine one window; see `PointModel.advance`."""
        estimate = self.initial_estimate(state, queries, start, len(features))
        return self.refine(estimate, state, features, queries, start, iterations)

    def refine(
        self,
        estimate: Estimate,
        state: CoTrackerState,
        features: FeatureMaps,
        queries: Tensor,
        start: int,
        iterations: int | None,
    ) -> tuple[Prediction, CoTrackerState]:
        """Refine one window from an initial estimate; the rest as in `advance`."""
        state = self.add_queries(state, features, queries, start)
        history = []
        for _ in range(iterations or self.iterations or 1):
            estimate = self.update(estimate, features, state.support)
            history.append(estimate)
        positions, logits = zip(*history, strict=True)
        return self.finish(state, positions, logits, start, len(features))

    def update(
        self, estimate: Estimate, features: FeatureMaps, support: tuple[Tensor, ...]
    ) -> Estimate:
        """One iteration.  Positions pass no gradient from one iteration to the next."""
        xy, logits = estimate.xy.detach(), estimate.logits
        tokens = self.transformer(self._tokens(xy, logits, features, support))
        return Estimate(xy + self.motion(tokens).float(), logits + self.scoring(tokens).float())

    def _tokens(
        self, xy: Tensor, logits: Tensor, features: FeatureMaps, support: tuple[Tensor, ...]
    ) -> Tensor:
        """Input of the transformer for each point and frame, ``[B, N, S, D]``."""
        match = self.match(features.levels, support, xy)
        steps = self.embed(displacements(xy) * self.stride / xy.new_tensor(self.config.unit * 2))
        tokens = torch.cat([logits.to(match.dtype), match, steps.to(match.dtype)], -1)
        return tokens + resize_time(self.times, xy.shape[2]).to(match.dtype)


def displacements(xy: Tensor) -> Tensor:
    """Displacements from the next and from the previous frame, ``[B, N, S, 4]``; 0 at the ends."""
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
        bfloat16=True,
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
