import numpy as np
import pytest

from motes.errors import InputError
from motes.rendering import Painter, Style, looks

BLACK = np.zeros((48, 64, 3), np.uint8)
RED = (255, 0, 0)


def paint(tracks, number, frame=BLACK, **options):
    return Painter(tracks, Style(**{"color": "#ff0000", "look": "dots", **options}))(frame, number)


def still(build, x, y, T=3, **fields):
    return build(np.tile(np.array([x, y]), (1, T, 1)), **fields)


@pytest.mark.parametrize("scale", [0.5, 1, 2, 3])
@pytest.mark.parametrize("at", [(30, 20), (30.5, 20.25), (17.3, 33.8)])
def test_a_point_is_drawn_where_it_is_to_a_fraction_of_a_pixel(build, at, scale):
    picture = paint(still(build, *at), 1, width=4, scale=scale)
    H, W = picture.shape[:2]
    assert picture.shape == (48 * scale, 64 * scale, 3)
    red = picture[..., 0] / picture[..., 0].sum()
    centre = (red.sum(0) @ np.arange(W), red.sum(1) @ np.arange(H))
    expected = (np.array(at) + 0.5) * scale - 0.5
    np.testing.assert_allclose(centre, expected, atol=0.06)


@pytest.mark.parametrize("scale", [0.5, 1, 2])
def test_a_point_has_the_size_of_its_trail(build, scale):
    picture = paint(still(build, 30, 20), 1, width=6, scale=scale)
    area = picture[..., 0].sum() / 255
    assert area == pytest.approx(np.pi * (1.35 * 6 * scale) ** 2, rel=0.2)


def test_footage_shines_through_and_a_dark_rim_surrounds(build):
    white = np.full_like(BLACK, 255)
    solid, faint = (paint(still(build, 30, 20), 1, white, width=6, opacity=o) for o in (1, 0.5))
    assert solid[20, 30, 1] == 0
    assert 30 < faint[20, 30, 1] < 150
    assert solid[20, 36:42].max(-1).min() < 180
    assert (solid[20, 52:] == 255).all()


@pytest.mark.parametrize("frame", [0, 128, 255])
def test_a_visible_point_is_filled_and_a_hidden_one_hollow(build, frame):
    footage = np.full_like(BLACK, frame)
    tracks = still(build, 30, 20, visible=np.array([[True, True, False]]))
    assert paint(tracks, 1, footage, width=6)[20, 30].tolist() == list(RED)
    hollow = paint(tracks, 2, footage, width=6).astype(int)
    assert np.ptp(hollow[20, 30]) < 30  # no colour in the middle
    assert (hollow[20, :, 0] - hollow[20, :, 2]).max() > 120  # but around it
    assert (paint(tracks, 2, footage, hidden=False) == footage).all()


@pytest.mark.parametrize("look", ["trails", "labels"])
def test_the_tail_fades_and_narrows(build, look):
    x = 6.0 + 4 * np.arange(12)
    tracks = build(np.stack([x, np.full(12, 24)], -1)[None])
    picture = paint(tracks, 11, look=look, tail=10, width=5).astype(int)
    along = picture[24, 12:46, 0]  # behind the head, towards its past
    assert (np.diff(along) >= -4).all()
    assert along[-1] > 200
    assert along[0] < 60
    assert (picture[:, 3:6] == 0).all()  # the path before the tail is not drawn
    breadth = (picture[..., 0] > picture[24, :, 0] / 2).sum(0)
    assert breadth[42] > breadth[16]


def test_tails_end_where_points_begin(build):
    x = 6.0 + 4 * np.arange(12)
    tracks = build(np.stack([x, np.full(12, 24)], -1)[None], queries=[[8, x[8], 24]],
                   visible=np.arange(12)[None] >= 8)  # fmt: skip
    picture = paint(tracks, 11, look="trails", tail=12, width=2)
    assert (picture[:, : int(x[8]) - 6] == 0).all()
    assert picture[24, int(x[9]), 0] > 100


def test_a_tail_has_a_gap_where_the_point_was_hidden(build):
    x = 6.0 + 4 * np.arange(12)
    visible = np.ones((1, 12), bool)
    visible[0, 5:8] = False  # x = 26 .. 34
    tracks = build(np.stack([x, np.full(12, 24)], -1)[None], visible)
    along = paint(tracks, 11, look="trails", tail=12, width=2)[24, :, 0]
    assert (along[25:35] == 0).all()
    assert along[20] > 50
    assert along[40] > 150


@pytest.mark.parametrize("look", list(looks()))
def test_nothing_is_drawn_before_a_point_begins_nor_outside_the_tracks(build, look):
    tracks = still(
        build, 30, 20, T=4, visible=np.array([[0, 0, 1, 1]], bool), queries=[[7, 30, 20]], start=5
    )
    footage = np.random.default_rng(0).integers(0, 256, BLACK.shape, np.uint8)
    for number in (0, 5, 6, 9):
        np.testing.assert_array_equal(paint(tracks, number, footage, look=look), footage)
    assert (paint(tracks, 7, footage, look=look) != footage).any()


def test_far_pixels_are_untouched_and_the_frame_is_not_changed(moving):
    footage = np.full_like(BLACK, 200)
    picture = paint(moving, 7, footage, look="trails")
    assert (footage == 200).all()
    assert (picture[44:] == 200).all()
    assert (picture[20:24] == 200).all()


def test_a_still_point_has_no_tail(build):
    tracks = still(build, 30, 20, T=9)
    np.testing.assert_array_equal(paint(tracks, 8, look="trails"), paint(tracks, 8, look="dots"))


def test_opacity_holds_where_strokes_overlap(build):
    back_and_forth = np.array([10, 50, 10, 50, 10, 50.0])
    tracks = build(np.stack([back_and_forth, np.full(6, 24)], -1)[None])
    picture = paint(tracks, 5, look="trails", opacity=0.5)
    assert 120 <= picture[..., 0].max() <= 130


@pytest.mark.parametrize("background", range(0, 256, 51))
def test_every_colour_stands_out_on_every_grey(build, background):
    x, y = np.meshgrid(np.arange(6, 64, 10), np.arange(6, 48, 10))
    tracks = build(np.stack([x.ravel(), y.ravel()], -1)[:, None].astype(float))
    footage = np.full_like(BLACK, background)
    picture = Painter(tracks, Style(look="dots", width=2))(footage, 0).astype(int)
    for n, (px, py) in enumerate(tracks.xy[:, 0].astype(int)):
        around = picture[py, px - 4 : px + 5]
        assert np.abs(around - picture[py, px]).sum(-1).max() > 130, n


@pytest.mark.parametrize(
    ("background", "expected"),
    [("normal", (200, 100, 50)), ("dim", (90, 45, 22)), ("mono", None)],
)
def test_backgrounds(moving, background, expected):
    footage = np.full_like(BLACK, (200, 100, 50))
    corner = paint(moving, 0, footage, background=background)[-1, -1]
    if expected:
        np.testing.assert_allclose(corner, expected, atol=1)
    else:
        assert np.ptp(corner) == 0


def test_every_look_is_different(moving):
    pictures = {look: paint(moving, 7, look=look) for look in looks()}
    assert len({p.tobytes() for p in pictures.values()}) == len(pictures)
    assert all(p.any() for p in pictures.values())


def test_labels_name_the_points_by_id(build):
    one, other = (still(build, 30, 20, ids=[n]) for n in (3, 888))
    assert (paint(one, 0, look="labels") > 0).sum() < (paint(other, 0, look="labels") > 0).sum()


@pytest.mark.parametrize("look", list(looks()))
@pytest.mark.parametrize(
    ("xy", "size"),
    [
        (np.zeros((0, 2, 2)), (64, 48)),  # no points
        (np.full((1, 2, 2), 3e7), (64, 48)),  # far outside
        (np.array([[[-0.5, -0.5], [2e9, -2e9]]]), (64, 48)),  # an absurd jump
        (np.zeros((1, 1, 2)), (1, 1)),  # the smallest video
        (np.array([[[16.2, 3.1], [16.9, 3.0]]]), (33, 7)),  # odd sides
    ],
)
def test_any_tracks_can_be_drawn(build, look, xy, size):
    W, H = size
    picture = paint(build(xy, size=size), xy.shape[1] - 1, np.zeros((H, W, 3), np.uint8), look=look)
    assert picture.shape == (H, W, 3)
    assert picture.dtype == np.uint8


def test_a_frame_of_another_size_is_refused(moving):
    with pytest.raises(InputError, match="expected 64x48 pixels, as the tracks have, got 32x48"):
        paint(moving, 0, np.zeros((48, 32, 3), np.uint8))
