"""A moving textured square that is covered for some frames."""

import cv2
import numpy as np
import pytest

from motes.edit.recovery import recovered
from motes.edit.surface import Surface
from motes.tracks import Tracks
from motes.video import open_video

SIDE, COVERED = 48, range(4, 8)


def texture(seed, shape=(SIDE, SIDE)):
    noise = np.random.default_rng(seed).uniform(0, 255, (*shape, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return (128 + 6 * (smooth - 128)).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def clip():
    """Frames, and the true positions [N, T, 2] of a lattice on the square."""
    background, square, cover = texture(0, (120, 200)), texture(1), texture(2, (70, 70))
    frames, corners = [], [(20 + 7 * t, 30 + t) for t in range(12)]
    for t, (x, y) in enumerate(corners):
        frame = background.copy()
        frame[y : y + SIDE, x : x + SIDE] = square
        if t in COVERED:
            frame[20:90, x - 12 : x + 58] = cover
        frames.append(frame)
    lattice = np.stack(np.meshgrid(np.arange(7, 42, 3), np.arange(7, 42, 3)), -1).reshape(-1, 1, 2)
    return np.stack(frames), (lattice + np.array(corners)).astype(np.float32)


def tracked(xy, case):
    """Tracks of a tracker that loses the square, or stays on its cover."""
    xy, visible = xy.copy(), np.ones(xy.shape[:2], bool)
    if case == "lost":
        visible[:, COVERED.start :] = False
        xy[:, COVERED.start :] = xy[:, COVERED.start, None]
    if case == "drifts":
        xy[:, COVERED.stop :] = xy[:, COVERED.stop - 1, None]
    return Surface(Tracks(xy, visible, size=(200, 120)), 0)


@pytest.mark.parametrize("case", ["followed", "lost", "drifts"])
def test_visible_points_match_the_reference_frame(clip, case):
    frames, truth = clip
    found = recovered(tracked(truth, case), open_video(frames))
    shown = [t for t in range(12) if t not in COVERED]
    error = np.linalg.norm(found.tracks.xy - truth, axis=2)[:, shown]
    assert found.visible[:, COVERED.start : COVERED.stop].mean() < 0.2
    assert found.visible[:, shown].mean() > 0.8
    assert error[found.visible[:, shown]].max() < 0.5


def test_backward_from_a_later_reference_frame(clip):
    frames, truth = clip
    last = tracked(truth[:, ::-1], "lost")
    tracks = Tracks(last.tracks.xy[:, ::-1], last.tracks.visible[:, ::-1], size=(200, 120))
    found = recovered(Surface(tracks, 11), open_video(frames))
    assert found.visible[:, : COVERED.start].mean() > 0.8
    error = np.linalg.norm(found.tracks.xy - truth, axis=2)
    assert error[:, 0][found.visible[:, 0]].max() < 0.5


def test_few_points_are_not_changed(clip):
    frames, truth = clip
    surface = tracked(truth[:4], "lost")
    assert recovered(surface, open_video(frames)) is surface


def test_points_on_a_plain_surface_are_not_changed(clip):
    _, truth = clip
    surface = tracked(truth, "lost")
    found = recovered(surface, open_video(np.full((12, 120, 200, 3), 90, np.uint8)))
    np.testing.assert_array_equal(found.visible, surface.visible)


@pytest.mark.parametrize("visible", [True, False])
def test_visible_points_that_slid_on_a_plain_part_are_put_back(clip, visible):
    frames, truth = (part.copy() for part in clip)
    frames, truth = frames[: COVERED.start], truth[:, : COVERED.start]
    plain = truth[:, 0, 1] < truth[:, 0, 1].min() + 18
    for frame, (x, y) in zip(frames, truth[0].astype(int) - 7, strict=True):
        frame[y : y + 34, x : x + SIDE] = 140
    xy, shown = truth.copy(), np.ones(truth.shape[:2], bool)
    xy[plain, 2:] -= (15, 0)
    shown[plain, 2:] = visible
    surface = Surface(Tracks(xy, shown, size=(200, 120)), 0, "similarity")
    found = recovered(surface, open_video(frames))
    assert (found.visible[plain, 2:] == visible).all()
    error = np.linalg.norm(found.tracks.xy - truth, axis=2)
    assert error[found.visible].max() < 1.0
