"""Dense optical flow, chained over steps of several lengths: a classical tracker, no weights.

The flow is DIS (Kroeger et al., 2016); the chain is that of MFT (Neoral, Serych and Matas, "MFT:
Long-Term Tracking of Every Pixel", 2024), see `motes.features.flow_chain`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from motes.coordinates import ResizeRule
from motes.features.flow_chain import follow
from motes.features.flow_fields import REMEMBERED, Fields, fingerprints, grey, remember
from motes.features.overlap import frames_first
from motes.models.base import Features, PointModel, Prediction, State
from motes.models.preset import Preset


@dataclass(frozen=True)
class FlowConfig:
    """Settings of the tracker."""

    deltas: tuple[int, ...] = (1, 2, 6, 16)  # lengths of the steps in frames
    at_once: int = 8  # frames that are waited for; steps between them are looked up together
    tolerance: float = 4.0  # error in pixels of the input at which the confidence is one half


@dataclass(frozen=True)
class FlowState(State):
    """Where the points were in the last K frames.

    Attributes:
        xy: ``[B, N, K, 2]``, pixels.
        certainty: ``[B, N, K]``, 1 / (1 + error in pixels); 0 where nothing is known.
    """

    xy: Tensor
    certainty: Tensor


class DenseFlow(PointModel):
    """Follows each point with the flow of the whole frame; points do not see each other."""

    joint = False
    point_bytes = 1_000
    remembers = REMEMBERED

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.config = config
        self.step = config.at_once
        # One frame more than the longest step needs: its flow begins at that of the frame before.
        self.window = 1 + max(config.deltas) + self.step

    @property
    def final(self) -> int:
        """What was found is not looked for again."""
        return self.window or self.step

    def remember(self, size: int) -> None:
        """Keep no more than so many bytes of flow."""
        remember(size)

    def encode(self, video: Tensor) -> Features:
        """Grey frames, uint8 ``[B, T, H, W]``, and their fingerprints ``[B, T]``."""
        frames = grey(video)
        return Features((frames, fingerprints(frames)))

    def start(self, queries: Tensor) -> FlowState:
        """Nothing is known."""
        B, N = queries.shape[:2]
        xy = queries.new_zeros(B, N, self.final - self.step, 2)
        return FlowState(xy, xy[..., 0])

    def advance(
        self,
        state: FlowState,
        features: Features,
        queries: Tensor,
        start: int,
        iterations: int | None = None,
    ) -> tuple[Prediction, FlowState]:
        """Go on from the frames that are known; see `PointModel.advance`."""
        xy, certainty = self._known(state, queries, start)
        (frames, prints), T = features.levels, len(features)
        error = 1 / certainty[:, :, :T] - 1
        xy, error = follow(Fields(frames, prints, self.config.deltas), xy[:, :, :T], error)
        sure = frames_first((1 / (1 + (error / self.config.tolerance) ** 2))[..., None], T)[..., 0]
        state = FlowState(xy[:, :, self.step :], 1 / (1 + error[:, :, self.step :]))
        return Prediction(frames_first(xy, T), sure, sure), state

    def _known(self, state: FlowState, queries: Tensor, start: int) -> tuple[Tensor, Tensor]:
        """What is known of all frames of a window: from the one before, and from the queries."""
        missing = self.final - state.xy.shape[2]
        certainty = torch.nn.functional.pad(state.certainty, (0, missing))
        frame = torch.arange(start, start + self.final, device=queries.device)
        asked = queries[..., :1].long() == frame  # [B, N, S]
        rest = queries[:, :, None, 1:].expand(-1, -1, self.final, -1)
        before = torch.cat([state.xy, rest[:, :, :missing]], 2)
        xy = torch.where((asked | (certainty == 0))[..., None], rest, before)
        return xy, torch.where(asked, 1.0, certainty)


FLOW = Preset(
    name="flow",
    summary="dense optical flow (DIS), chained over steps of several lengths (classical, CPU)",
    build=DenseFlow,
    config=FlowConfig(),
    resize=ResizeRule(long_side=512),
)
