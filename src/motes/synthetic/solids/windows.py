"""Windows: the pixels that a body can cover; rays are cast only there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from motes.synthetic.solids.rigid import NEAREST, View


@dataclass(frozen=True)
class Window:
    """The same number of rows and columns in each of t consecutive frames.

    Attributes:
        frames: The frames.
        top: First row in each, int64 ``[t]``.
        left: First column in each, int64 ``[t]``.
        size: Rows and columns.
    """

    frames: slice
    top: Tensor
    left: Tensor
    size: tuple[int, int]

    def pixels(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Columns ``[t, 1, w]`` and rows ``[t, h, 1]``."""
        h, w = self.size
        x = self.left.to(device)[:, None, None] + torch.arange(w, device=device)
        y = self.top.to(device)[:, None, None] + torch.arange(h, device=device)[:, None]
        return x, y


def everything(frames: int, size: tuple[int, int]) -> Window:
    """All of every frame."""
    start = torch.zeros(frames, dtype=torch.int64)
    return Window(slice(0, frames), start, start, size)


def around(view: View, centre: Tensor, radius: float, size: tuple[int, int]) -> Window | None:
    """The window that a ball can cover.

    Args:
        view: The camera.
        centre: Centre of the ball in the world, ``[T, 3]``.
        radius: Radius of the ball.
        size: Height and width of the frames.

    Returns:
        None if the ball is in no frame.
    """
    low, high = _bounds(view, centre, radius, size)
    seen = (low < high).all(-1, keepdim=True)
    touched = seen[:, 0].nonzero()
    if len(touched) == 0:
        return None
    frames = slice(int(touched[0]), int(touched[-1]) + 1)
    w, h = torch.where(seen, high - low, 0).amax(0).tolist()
    limit = torch.tensor([size[1] - w, size[0] - h])
    left, top = torch.where(seen, low, 0)[frames].minimum(limit).unbind(-1)
    return Window(frames, top, left, (h, w))


def _bounds(
    view: View, centre: Tensor, radius: float, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """First and last-but-one column and row of a ball's bounding cube, two int64 ``[T, 2]``."""
    limit = torch.tensor([size[1], size[0]])
    local = ((centre - view.position)[:, None] @ view.rotation)[:, 0]
    near, far = local[:, 2:] - radius, local[:, 2:] + radius
    sides = local[:, :2] - radius, local[:, :2] + radius
    corners = torch.stack([side / depth for side in sides for depth in (near, far)])
    corners = (corners * view.focal[:, None] + view.centre).nan_to_num().clamp(-1e6, 1e6)
    low = corners.amin(0).floor().long().clamp_min(0)
    high = (corners.amax(0).ceil().long() + 1).minimum(limit)
    inside = near <= NEAREST  # the camera is inside the ball, or close to it
    low, high = torch.where(inside, 0, low), torch.where(inside, limit, high)
    return low, torch.where(far > NEAREST, high, 0)
