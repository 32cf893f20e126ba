"""Position of a point, from the motion of points on a ring around it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

RING_POINTS = 6
"""Number of points of a ring."""

REWEIGHTINGS = 4
"""Rounds in which points that disagree with the fit lose weight."""

FULL_WEIGHT_ERROR = 0.3
"""Error in pixels that is added to that of each point, so that weights stay finite."""

RIDGE = (1e-6, 0.3, 0.3)
"""Ridge regularisation of the offset and of the linear part, as a share of the weights."""


def ring(xy: Tensor, radius: float, size: tuple[int, int]) -> Tensor:
    """Points on a circle around each point, clamped to the frame.

    Args:
        xy: ``[..., 2]``, pixels.
        radius: Pixels.
        size: Height and width of the frame.

    Returns:
        ``[..., 6, 2]``.
    """
    angle = torch.arange(RING_POINTS, device=xy.device) * (2 * math.pi / RING_POINTS)
    points = xy[..., None, :] + torch.stack([angle.cos(), angle.sin()], -1) * radius
    H, W = size
    return torch.minimum(points.clamp(min=0), xy.new_tensor([W - 1, H - 1]))


def centre_of_rings(
    centre: Tensor, start: Tensor, xy: Tensor, error: Tensor, radius: float
) -> tuple[Tensor, Tensor]:
    """Fit an affine motion to the points of a ring, robustly, and apply it to the centre.

    Args:
        centre: ``[B, N, 2]``, the query.
        start: ``[B, N, 6, 2]``, the ring in the frame of the query.
        xy: ``[B, N, S, 6, 2]``, the ring in S frames.
        error: ``[B, N, S, 6]``, errors of these in pixels.
        radius: Radius of the ring in pixels.

    Returns:
        Position of the centre ``[B, N, S, 2]`` and its error ``[B, N, S]``, the weighted root mean
        square of residuals and errors.
    """
    displacement = xy - start[:, :, None]
    basis = torch.cat([torch.ones_like(start[..., :1]), (start - centre[:, :, None]) / radius], -1)
    ridge = torch.diag(xy.new_tensor(RIDGE))
    floor = 1e-6 * torch.eye(3, device=xy.device)
    precision = weight = 1 / (error + FULL_WEIGHT_ERROR) ** 2  # [B, N, S, 6]
    for _ in range(REWEIGHTINGS):
        total = weight.sum(-1)[..., None, None]
        normal = torch.einsum("bnri,bnrj,bnsr->bnsij", basis, basis, weight) + ridge * total + floor
        right = torch.einsum("bnri,bnsr,bnsrk->bnsik", basis, weight, displacement)
        motion = torch.linalg.solve(normal, right)  # [B, N, S, 3, 2]
        fitted = torch.einsum("bnri,bnsik->bnsrk", basis, motion)
        residual = torch.linalg.vector_norm(displacement - fitted, dim=-1)
        weight = precision / (1 + residual**2)
    squared = (weight * (residual**2 + error.clamp(max=1e3) ** 2)).sum(-1) / weight.sum(-1)
    return centre[:, :, None] + motion[..., 0, :], squared.sqrt()
