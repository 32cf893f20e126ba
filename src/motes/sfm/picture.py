"""A picture of a reconstruction: the cloud and the camera's path, from above and from the side."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from motes.rendering.text import BOLD, draw_text
from motes.sfm.reconstruction import Reconstruction

PANEL = 620
GAP, HEADING = 20, 64
PATH_COLOR, START_COLOR = (230, 60, 30), (20, 120, 220)
TEXT_COLOR = (28, 30, 34)
SHOWN = 70
"""Percentage of the points that fit into a panel; the far background is left out."""


def draw_cloud(scene: Reconstruction, path: Path) -> None:
    """Draw the points in their colours and the path of the camera, as ``.png``.

    Args:
        scene: The reconstruction.
        path: The file.
    """
    axes = _axes(scene)
    panels = [_panel(scene, axes[[0, 1]]), _panel(scene, axes[[0, 2]])]
    gap = np.full((PANEL, GAP, 3), 255, np.uint8)
    row = np.concatenate([panels[0], gap, panels[1]], 1)
    heading = np.full((HEADING, row.shape[1], 3), 255, np.uint8)
    draw_text(heading, "from above", (10, 42), 24, TEXT_COLOR, BOLD)
    draw_text(heading, "from the side", (PANEL + GAP + 10, 42), 24, TEXT_COLOR, BOLD)
    page = np.concatenate([heading, row])
    path.write_bytes(cv2.imencode(".png", page[..., ::-1])[1].tobytes())


def _axes(scene: Reconstruction) -> np.ndarray:
    """Right, forward and up of the mean camera, as rows ``[3, 3]`` of the world."""
    u, _, v = np.linalg.svd(scene.rotations.sum(0))
    mean = u @ v
    return np.asarray(mean[[0, 2, 1]] * [[1], [1], [-1]])


def _panel(scene: Reconstruction, axes: np.ndarray) -> np.ndarray:
    """Points and path along two axes, the second one up."""
    points, path = scene.points @ axes.T, scene.centres @ axes.T
    middle = np.median(np.concatenate([points, path]), axis=0)
    reach = np.percentile(np.abs(points - middle).max(1), SHOWN) if len(points) else 1.0
    reach = max(float(reach), float(np.abs(path - middle).max()), 1e-9) * 1.05
    scale = PANEL / 2 / reach

    def placed(xy: np.ndarray) -> list[tuple[int, int]]:
        inside = ((xy - middle) * [scale, -scale] + PANEL / 2).clip(-PANEL, 2 * PANEL)
        return [(int(x), int(y)) for x, y in inside]

    page = np.full((PANEL, PANEL, 3), 246, np.uint8)
    for at, color in zip(placed(points), scene.colors.tolist(), strict=True):
        cv2.circle(page, at, 2, color, cv2.FILLED, cv2.LINE_AA)
    line = np.array(placed(path), np.int32)
    cv2.polylines(page, [line], False, PATH_COLOR, 2, cv2.LINE_AA)
    cv2.circle(page, placed(path[:1])[0], 5, START_COLOR, cv2.FILLED, cv2.LINE_AA)
    return page
