"""CoTracker, the first version: windows, attention over time and over points in turns.

Karaev et al., "CoTracker: It is Better to Track Together", arXiv 2307.07635v1.

    features of all frames, pyramid
    for each window: the points whose query has come; start where the last window ended
        repeat: match -> tokens -> transformer -> move points, update their features
        visibility from the features

Points attend to each other directly, and take part from the window of their query on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from motes.coordinates import ResizeRule
from motes.features.correlation import point_correlation
from motes.features.embeddings import embed_place
from motes.features.transformer import AxialTransformer
from motes.models.base import Features, Prediction
from motes.models.cotracker2 import CoTracker2, CoTracker2State
from motes.models.naming import rename_with
from motes.models.preset import Preset, Support, WeightsInfo


@dataclass(frozen=True)
class CoTrackerConfig:
    """Sizes of a CoTracker; the defaults are those of the first published model."""

    window: int = 8  # frames refined together; even
    stride: int = 4  # pixels per cell of the finest feature map
    encoder_widths: tuple[int, ...] = (64, 96, 128, 128)  # at 1/2, 1/4, 1/8, 1/16 of the frame
    encoder_mixed: int = 256  # where these are joined
    channels: int = 128  # of the feature maps
    levels: int = 4  # of the pyramid
    radius: int = 3  # patches are 7 x 7
    frequencies: int = 32  # of the displacement embedding
    width: int = 384  # of the transformer
    heads: int = 8
    depth: int = 6  # rounds of time and space attention
    iterations: int = 6


class CoTracker(CoTracker2):
    """Joint point tracker in which every point attends to every other.

    It shares its parts, features and hand-over between windows with its successor.
    """

    def _transformer(self, c: CoTrackerConfig) -> AxialTransformer:
        return AxialTransformer(self.token, c.width, c.heads, c.depth)

    def advance(
        self,
        state: CoTracker2State,
        features: Features,
        queries: Tensor,
        start: int,
        iterations: int | None = None,
    ) -> tuple[Prediction, CoTracker2State]:
        """Refine one window; see `PointModel.advance`.

        Videos of a batch are refined one by one, because different numbers of points take part.
        Points whose query has not come yet are at (0, 0) with visibility 0.5.
        """
        xy, visibility = self._first_guess(state, queries)
        marks = self._new_marks(state, queries, start, len(features))
        state = self._meet(state, features, queries, start)
        rounds = iterations or self.iterations or 1
        history, logits = (
            [torch.zeros_like(xy) for _ in range(rounds)],
            torch.zeros_like(visibility),
        )
        for b, video in enumerate(features.videos()):
            order = queries[b, :, 0].long().argsort(stable=True)
            order = order[state.met[b, order]]
            if not len(order):
                continue
            own, at, mark, seen = (
                v[b : b + 1, order] for v in (state.feature, xy, marks, visibility)
            )
            tracks, scores = self._refine(video, own, at, mark, seen, rounds)
            for full, part in zip((*history, logits), (*tracks, scores), strict=True):
                full[b, order] = part[0]
        overlap = slice(self.step, self.window)
        state = replace(state, xy=history[-1][:, :, overlap], visibility=logits[:, :, overlap])
        return self._predict(history, logits, start, len(features)), state

    def _new_marks(
        self, state: CoTracker2State, queries: Tensor, start: int, frames: int
    ) -> Tensor:
        """1 in frames from the query on that are new to the point, ``[B, N, S, 1]``."""
        frame = torch.arange(self.config.window, device=queries.device)
        begun = queries[..., :1].long() <= start + frame
        fresh = ~state.met[..., None] | (frame >= self.config.window - self.step)
        return (begun & fresh & (frame < frames))[..., None].float()

    def _refine(
        self,
        video: Features,
        feature: Tensor,
        xy: Tensor,
        marks: Tensor,
        visibility: Tensor,
        rounds: int,
    ) -> tuple[list[Tensor], Tensor]:
        """All iterations for the points of one video, in order of their query frames.

        Returns:
            Positions after each iteration, and logits of visibility.
        """
        own = feature[:, :, None].expand(-1, -1, self.config.window, -1)
        h, w = video.levels[0].shape[2:4]
        fixed = embed_place(xy[:, :, 0], (w, h), self.token)[:, :, None] + self.times
        inputs = scrambled(marks, visibility)
        history = []
        for _ in range(rounds):
            xy = xy.detach()
            match = point_correlation(video.levels, own, xy, self.config.radius, "zero")
            parts = [self.embed(xy - xy[:, :, :1]), match, own, inputs]
            tokens = torch.cat([p.to(own.dtype) for p in parts], -1) + fixed.to(own.dtype)
            change = self.update(self.transformer(tokens))
            xy = xy + change[..., :2].float()
            own = own + self.refine(change[..., 2:])
            history.append(xy)
        return history, self.scoring(own).float()


def scrambled(marks: Tensor, visibility: Tensor) -> Tensor:
    """Marks and visibility ``[1, N, S, 1]`` as the two inputs ``[1, N, S, 2]`` of each token.

    The published model joins them along the points and reads the numbers off in another order, so
    that a token sees the marks and visibilities of other points and frames.  Its weights were
    trained that way, so it is kept; the order of the points matters for it.
    """
    _, N, S, _ = marks.shape
    return torch.cat([marks, visibility], 1).reshape(1, N, S, 2)


_rename = rename_with(
    (r"\.proj\.", ".to_out."),
    (r"^updateformer\.flow_head", "update"),
    (r"^norm\.", "refine.norm."),
    (r"^ffeat_updater\.0", "refine.linear"),
    (r"^vis_predictor\.0", "scoring"),
)


def rename(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """From the keys of the official checkpoints to those of the module.

    The fused projection to queries, keys and values is divided.
    """
    divided = {}
    for key, value in tensors.items():
        if ".qkv." in key:
            third = len(value) // 3
            divided[key.replace("qkv", "to_q")] = value[:third]
            divided[key.replace("qkv", "to_kv")] = value[third:]
        else:
            divided[key] = value
    return _rename(divided)


def _preset(name: str, stride: int, window: int) -> Preset:
    filename = f"cotracker_stride_{stride}_wind_{window}.pth"
    return Preset(
        name=name,
        summary=f"CoTracker, stride {stride}, windows of {window} frames",
        build=CoTracker,
        config=CoTrackerConfig(stride=stride, window=window),
        resize=ResizeRule(size=(384, 512)),
        visible_above=0.9,
        support=Support(global_grid=6, below=36),
        weights=WeightsInfo("CC-BY-NC-4.0", filename, repo="facebook/cotracker"),
        rename=rename,
    )


PRESETS = (
    _preset("cotracker", 4, 8),
    _preset("cotracker-stride4-wind12", 4, 12),
    _preset("cotracker-stride8-wind16", 8, 16),
)
