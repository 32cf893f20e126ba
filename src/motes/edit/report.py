"""Chart of the camera's path before and after stabilisation."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import cv2
import numpy as np

from motes.common.files import replacing
from motes.edit.fits import apply_motion
from motes.edit.stabilisation import Stabilisation
from motes.errors import InputError
from motes.rendering.text import BOLD, draw_text

SUFFIXES = (".png", ".jpg")
PANEL = (960, 260)  # W, H
MARGIN = 60
BEFORE_COLOR, AFTER_COLOR = (170, 172, 178), (214, 92, 26)
TEXT_COLOR, FRAME_COLOR = (28, 30, 34), (225, 226, 228)


def check_report(path: str | PathLike[str]) -> None:
    """Raise `InputError` unless the suffix of the chart is known."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: expected a name that ends in {' or '.join(SUFFIXES)}")


def draw_report(result: Stabilisation, path: str | PathLike[str]) -> None:
    """Draw the path of the frame's centre over time: across, down, and its rotation.

    Args:
        result: What `stabilise` returned.
        path: The picture, ``.png`` or ``.jpg``.

    Raises:
        InputError: The suffix is unknown.
        FileError: The file cannot be written.
    """
    check_report(path)
    before, after = (_curves(m, result.size) for m in (result.before, result.after))
    labels = ("x of the centre, pixels", "y of the centre, pixels", "rotation, degrees")
    panels = [_panel(*curves) for curves in zip(labels, before.T, after.T, strict=True)]
    page = np.concatenate([_legend(result), *panels])
    with replacing(path) as temporary:
        suffix = Path(path).suffix.lower()
        temporary.write_bytes(cv2.imencode(suffix, page[..., ::-1])[1].tobytes())


def _curves(path: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Where the centre of the first frame goes, and how it turns: ``[T, 3]``."""
    x, y = (size[0] - 1) / 2, (size[1] - 1) / 2
    moved = apply_motion(path, np.array([[x, y], [x + 1, y]]))
    across = moved[:, 1] - moved[:, 0]
    angle = np.degrees(np.unwrap(np.arctan2(across[:, 1], across[:, 0])))
    return np.column_stack([moved[:, 0] - [x, y], angle])


def _legend(result: Stabilisation) -> np.ndarray:
    page = np.full((70, PANEL[0] + 2 * MARGIN, 3), 255, np.uint8)
    before, after = result.jitter()
    draw_text(page, f"before (jitter {before:.2f} px)", (MARGIN, 46), 22, BEFORE_COLOR, BOLD)
    draw_text(page, f"after (jitter {after:.2f} px)", (MARGIN + 320, 46), 22, AFTER_COLOR, BOLD)
    return page


def _panel(label: str, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    W, H = PANEL
    page = np.full((H + MARGIN, W + 2 * MARGIN, 3), 255, np.uint8)
    both = np.concatenate([before, after])
    low, high = both.min(), max(both.max(), both.min() + 1)
    cv2.rectangle(page, (MARGIN, 0), (MARGIN + W, H), FRAME_COLOR, 1)
    for curve, color in ((before, BEFORE_COLOR), (after, AFTER_COLOR)):
        x = MARGIN + np.linspace(0, W, len(curve))
        y = H - 10 - (curve - low) / (high - low) * (H - 20)
        line = np.rint(np.column_stack([x, y]) * 16).astype(np.int32)
        cv2.polylines(page, [line], False, color, 2, cv2.LINE_AA, 4)
    draw_text(page, f"{label}: {low:.1f} to {high:.1f}", (MARGIN, H + 28), 18, TEXT_COLOR)
    return page
