import cv2
import numpy as np
import pytest

from motes.edit.fits import apply_motion
from motes.edit.region import lattice, lattice_spacing, track_region
from motes.edit.surface import Surface, _LocalFit
from motes.errors import InputError
from motes.synthetic.shots import film, follow, moving_card
from motes.tracks import Tracks
from motes.video import open_video


@pytest.fixture(scope="module")
def tracked(card, tracker, masks):
    scene, frames = card
    return scene, track_region(tracker, open_video(frames), masks(scene, 4), 4)


def test_a_marker_stays_within_a_pixel_of_the_surface(tracked, masks):
    scene, tracks = tracked
    surface = Surface(tracks, 4, "mesh")
    inner = cv2.erode(masks(scene, 4).astype(np.uint8), np.ones((9, 9)), borderValue=0)
    marks = np.argwhere(inner)[::89, ::-1].astype(float)
    xy, visible, _ = follow(scene, marks, 4, tracks.num_frames)
    for i in range(tracks.num_frames):
        inside = visible[:, i] & ((xy[:, i] > 0) & (xy[:, i] < (239, 179))).all(1)
        source = surface.source(i, (slice(0, 180), slice(0, 240)))
        x, y = xy[inside, i].astype(np.float32).T
        found = cv2.remap(source, x[None], y[None], cv2.INTER_LINEAR)[0]
        error = np.linalg.norm(found - marks[inside], axis=1)
        assert np.sqrt((error**2).mean()) < 1


def moved(matrix, N=20, T=3, hidden=None):
    """A lattice that moves by a matrix from frame 0 on."""
    start = np.stack(np.meshgrid(np.arange(N) * 5.0 + 60, np.arange(N) * 5.0 + 40), -1)
    start = start.reshape(-1, 2)
    xy = np.stack([start, *[apply_motion(np.array(matrix, float), start)] * (T - 1)], 1)
    visible = np.ones(xy.shape[:2], bool)
    if hidden is not None:
        visible[hidden(xy[:, 1]), 1:] = False
    return Tracks(xy, visible, size=(320, 240))


FULL = (slice(0, 240), slice(0, 320))


@pytest.mark.parametrize("kind", ["translation", "similarity", "affine", "homography", "mesh"])
def test_the_source_is_the_inverse_of_the_motion(kind):
    matrix = [[1, 0, 12], [0, 1, -7], [0, 0, 1]]
    source = Surface(moved(matrix), 0, kind).source(1, FULL)
    np.testing.assert_allclose(source[100, 150], (138, 107), atol=0.02)
    np.testing.assert_allclose(source[90, 80], (68, 97), atol=0.02)


def test_a_surface_is_hidden_where_its_points_are():
    surface = Surface(moved(np.eye(3), hidden=lambda xy: xy[:, 0] < 100), 0)
    source = surface.source(2, FULL)
    visible = surface.visibility(2, source)
    assert visible[90, 70] == 0
    assert visible[90, 130] == 1
    assert surface.visible_share(2) == pytest.approx((155 - 95) / 100)


@pytest.mark.parametrize("kind", ["homography", "mesh"])
def test_a_few_points_that_follow_the_occluder_do_not_move_the_surface(kind):
    tracks = moved(np.eye(3), T=5)
    xy, visible = tracks.xy.copy(), tracks.visible.copy()
    wrong = np.arange(0, 400, 27)  # 15 points, not on one line
    visible[:, 2] = np.isin(np.arange(400), wrong)
    xy[wrong, 2] += (40, 5)
    surface = Surface(Tracks(xy, visible, size=tracks.size), 0, kind)
    assert surface.path.known.tolist() == [True, True, False, True, True]
    np.testing.assert_allclose(surface.source(2, FULL)[90, 80], (80, 90), atol=0.01)


def test_points_outside_of_the_frame_do_not_hide_the_surface():
    left = [[1, 0, -100], [0, 1, 0], [0, 0, 1]]
    surface = Surface(moved(left, hidden=lambda xy: xy[:, 0] < 0), 0)
    visible = surface.visibility(2, surface.source(2, FULL))
    assert visible[90, 0] == visible[90, 40] == 1
    gone = [[1, 0, -1000], [0, 1, 0], [0, 0, 1]]
    surface = Surface(moved(gone), 0)
    assert surface.window(1, surface.points) is None
    assert surface.visible_share(1) == 1


def test_a_point_that_moves_unlike_its_neighbours_is_ignored():
    tracks = moved(np.eye(3))
    xy = tracks.xy.copy()
    xy[210, 1:] += 15
    wrong = Surface(Tracks(xy, tracks.visible, size=tracks.size), 0)
    x, y = xy[210, 0].astype(int)
    assert np.abs(wrong.source(1, FULL)[y, x] - (x, y)).max() < 0.5


def test_points_on_another_object_hide_the_surface_there():
    tracks = moved(np.eye(3))
    xy = tracks.xy.copy()
    left = xy[:, 0, 0] < 90
    xy[left, 1:] += (30, 20)  # a hand in front of the left part
    surface = Surface(Tracks(xy, tracks.visible, size=tracks.size), 0)
    source = surface.source(1, FULL)
    np.testing.assert_allclose(source[90, 130], (130, 90), atol=0.1)
    assert surface.visibility(1, source)[90, 130] == 1
    assert surface.visibility(1, source)[90, 70] < 0.05


def test_the_local_fit_reproduces_affine_maps():
    xy = np.random.default_rng(0).uniform(0, 100, (200, 2))
    values = xy @ [[0.1, 0.02], [-0.03, 0.05]] + [3, -2]
    window = (slice(0, 100), slice(0, 100))
    fit = _LocalFit(window, 7.0)
    cells = fit(xy, values, np.ones(200))
    expected = fit.cells @ [[0.1, 0.02], [-0.03, 0.05]] + [3, -2]
    assert np.abs(cells - expected).max() < 0.15


@pytest.mark.parametrize(
    ("kind", "reference", "message"),
    [("mesh", 7, "frame in 0..2"), ("bend", 0, "kind of motion")],
)
def test_bad_input(kind, reference, message):
    with pytest.raises(InputError, match=message):
        Surface(moved(np.eye(3)), reference, kind)


@pytest.mark.parametrize(
    ("area", "spacing", "count"), [((1, 1), 3, 1), ((30, 30), 3, 100), ((200, 300), 7, 1247)]
)
def test_lattices(area, spacing, count):
    mask = np.zeros((240, 320), bool)
    mask[: area[0], : area[1]] = True
    assert lattice_spacing(mask) == spacing
    assert len(lattice(mask, 3)) == count


def test_a_small_region_has_its_centre():
    mask = np.zeros((240, 320), bool)
    mask[100:102, 200] = True
    assert lattice(mask, 3).txy.tolist() == [[3, 200, 101]]


def test_an_occluder_hides_the_card(tracker, masks):
    scene = moving_card("slide", (160, 120), occluder=True)
    frames = film(scene, 10, samples=1)
    tracks = track_region(tracker, open_video(frames), masks(scene, 0), 0)
    surface = Surface(tracks, 0, "homography")
    box = np.argwhere(masks(scene, 0))[:, ::-1]
    window = surface.window(9, box)
    source = surface.source(9, window)
    visible = surface.visibility(9, source)[masks(scene, 9)[window]]
    covered = surface.visibility(9, source)[masks(scene, 9, 2)[window]]
    assert visible.mean() > 0.75
    assert covered.mean() < 0.3
