"""Cameras in the worlds of other programs: which axis points up, and where a camera looks."""

from __future__ import annotations

import numpy as np

LOOK_BACK = np.diag([1.0, -1.0, -1.0])
"""From a camera with y up that looks along -z to one with y down that looks along z, and back."""

Y_UP = np.diag([1.0, -1.0, -1.0])
"""From the world of COLMAP (y down, z forward) to that of Nuke (y up, z backward), and back."""

Z_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""From the world of COLMAP (y down, z forward) to that of Blender (z up, y forward)."""


def to_world(
    rotations: np.ndarray, centres: np.ndarray, axes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cameras of COLMAP in another world.

    Args:
        rotations: ``[K, 3, 3]``, from the world of COLMAP to cameras that look along z, y down.
        centres: ``[K, 3]``, in the world of COLMAP.
        axes: `Y_UP` or `Z_UP`.

    Returns:
        Rotations ``[K, 3, 3]`` from cameras that look along -z, y up, to the other world, and the
        centres there.
    """
    return axes @ np.swapaxes(rotations, 1, 2) @ LOOK_BACK, centres @ axes.T


def from_world(
    rotations: np.ndarray, centres: np.ndarray, axes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of `to_world`."""
    return np.swapaxes(axes.T @ rotations @ LOOK_BACK, 1, 2), centres @ axes


def to_zxy_degrees(rotation: np.ndarray) -> np.ndarray:
    """Angles ``(x, y, z)`` in degrees of a rotation ``Ry Rx Rz``, Nuke's rotation order ZXY."""
    x = np.arcsin(np.clip(-rotation[1, 2], -1, 1))
    y = np.arctan2(rotation[0, 2], rotation[2, 2])
    z = np.arctan2(rotation[1, 0], rotation[1, 1])
    return np.degrees([x, y, z])


def from_zxy_degrees(angles: np.ndarray) -> np.ndarray:
    """The inverse of `to_zxy_degrees`."""
    x, y, z = np.radians(angles)
    rx = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    ry = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    rz = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return np.asarray(ry @ rx @ rz)
