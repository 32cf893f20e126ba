"""Entry points of torch.hub, under the names that users of CoTracker know.

    model = torch.hub.load("path/to/motes", "cotracker3_offline", source="local")
    tracks, visible = model(video, grid_size=10)      # video: float [B, T, 3, H, W], 0 to 255

The networks are those of motes. The weights of CoTracker are not ours (CC-BY-NC 4.0): fetch them
once with ``motes fetch cotracker3-offline``, or name a file with ``weights=``. `motes_default` and
`flow` need no download.
"""

from __future__ import annotations

from os import PathLike
from typing import Any

import torch
from torch import Tensor

dependencies = ["torch", "numpy", "cv2", "av", "safetensors"]


class Predictor:
    """A tracker with the call of the published CoTracker predictors.

    Attributes:
        tracker: What does the work; see `motes.Tracker`.
    """

    def __init__(self, tracker: Any) -> None:
        self.tracker = tracker

    def to(self, device: str | torch.device) -> Predictor:
        """Move the model; returns this predictor."""
        self.tracker.model.to(device)
        return self

    def __call__(
        self,
        video: Tensor,
        queries: Tensor | None = None,
        segm_mask: Tensor | None = None,
        grid_size: int = 0,
        grid_query_frame: int = 0,
        backward_tracking: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Track points.

        Args:
            video: ``[B, T, 3, H, W]``, 0 to 255.
            queries: ``[B, N, 3]`` (t, x, y) in pixels.
            segm_mask: ``[B, 1, H, W]``; a grid is kept where it is positive.
            grid_size: Side of a grid, instead of queries; 0: a dense grid over the frame.
            grid_query_frame: Frame of the grid.
            backward_tracking: Whether to track towards the start, too.

        Returns:
            Positions ``[B, T, N, 2]`` in pixels and visibility, bool ``[B, T, N]``.
        """
        found = [
            self.tracker.track(
                clip.round().clamp(0, 255).byte(),
                None if queries is None else queries[b].cpu().numpy(),
                grid=grid_size or None if queries is None else None,
                dense=None if grid_size or queries is not None else 1,
                mask=None if segm_mask is None else segm_mask[b, 0].cpu().numpy() > 0,
                at=grid_query_frame,
                backward=backward_tracking,
            )
            for b, clip in enumerate(video)
        ]
        xy = torch.stack([torch.tensor(t.xy).transpose(0, 1) for t in found])
        visible = torch.stack([torch.tensor(t.visible).T for t in found])
        return xy.to(video.device), visible.to(video.device)


def _official(
    name: str, mode: str, weights: str | PathLike[str] | None, **options: Any
) -> Predictor:
    import motes

    return Predictor(motes.load(name, weights=weights, compat=mode, **options))


def cotracker3_offline(weights: str | PathLike[str] | None = None, **options: Any) -> Predictor:
    """CoTracker3, which sees the whole video; options are those of `motes.load`."""
    return _official("cotracker3-offline", "official", weights, **options)


def cotracker3_online(weights: str | PathLike[str] | None = None, **options: Any) -> Predictor:
    """CoTracker3 in windows of 16 frames."""
    return _official("cotracker3-online", "official-online", weights, **options)


def cotracker2(weights: str | PathLike[str] | None = None, **options: Any) -> Predictor:
    """CoTracker2."""
    return _official("cotracker2", "official", weights, **options)


def cotracker2_online(weights: str | PathLike[str] | None = None, **options: Any) -> Predictor:
    """CoTracker2, as its online predictor."""
    return _official("cotracker2", "official-online", weights, **options)


def cotracker2v1(weights: str | PathLike[str] | None = None, **options: Any) -> Predictor:
    """CoTracker 2.1."""
    return _official("cotracker2.1", "official", weights, **options)


def cotracker2v1_online(weights: str | PathLike[str] | None = None, **options: Any) -> Predictor:
    """CoTracker 2.1, as its online predictor."""
    return _official("cotracker2.1", "official-online", weights, **options)


def motes_default(**options: Any) -> Predictor:
    """The default model of motes, with its own weights."""
    import motes

    return Predictor(motes.load(**options))


def flow(**options: Any) -> Predictor:
    """The classical tracker of motes."""
    import motes

    return Predictor(motes.load("flow", **options))
