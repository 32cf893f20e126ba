import numpy as np
import pytest

from motes.errors import InputError
from motes.rendering.colors import SCHEMES, colorize, first_columns, oklch, parse_scheme


@pytest.mark.parametrize(
    ("lch", "rgb"),
    [
        ((1.0, 0.0, 0), (255, 255, 255)),
        ((0.0, 0.0, 0), (0, 0, 0)),
        ((0.59987, 0.0, 90), (128, 128, 128)),
        ((0.62796, 0.25768, 29.234), (255, 0, 0)),
        ((0.86644, 0.29483, 142.495), (0, 255, 0)),
        ((0.45201, 0.31321, 264.052), (0, 0, 255)),
    ],
)
def test_oklch_of_the_corners_of_srgb(lch, rgb):
    assert np.abs(oklch(*lch).astype(int) - rgb).max() <= 1


def test_oklch_gives_up_chroma_rather_than_lightness():
    impossible, grey = oklch(0.6, 0.5, np.arange(0, 360, 10)), oklch(0.6, 0, 0)
    weights = np.array([0.2126, 0.7152, 0.0722])
    luminance = (impossible / 255.0) ** 2.2 @ weights
    assert (luminance < 3 * (grey / 255.0) ** 2.2 @ weights).all()
    assert (np.ptp(impossible, axis=1) > 60).all()  # still colourful


@pytest.fixture
def grid(build):
    y, x = np.mgrid[0:48:8, 0:64:8]
    return build(np.stack([x.ravel(), y.ravel()], -1)[:, None].repeat(2, 1))


def test_position_gives_neighbours_like_colours_and_far_points_others(grid):
    colors = colorize(grid, "position")[:, 0].astype(int).reshape(6, 8, 3)
    across, down = np.abs(np.diff(colors, axis=1)).sum(-1), np.abs(np.diff(colors, axis=0)).sum(-1)
    assert across.max() < 320
    assert down.max() < 130
    flat = colors.reshape(-1, 3)
    distances = np.abs(flat[:, None] - flat).sum(-1)
    assert distances[np.triu_indices(len(flat), 1)].min() > 0  # no two are the same


def test_colour_by_point_stays_with_the_id(grid):
    whole = colorize(grid, "point")
    np.testing.assert_array_equal(colorize(grid[[3, 17]], "point"), whole[[3, 17]])
    assert len(np.unique(whole[:, 0], axis=0)) == grid.num_points


def test_speed_and_confidence_follow_the_number(build):
    x = np.cumsum([0, 0, 0, 4, 8, 8])
    tracks = build(
        np.stack([x, x * 0], -1)[None], confidence=np.array([[0, 0.2, 0.4, 0.6, 0.8, 1.0]])
    )
    slow, fast = colorize(tracks, "speed")[0, [1, 5]].astype(int)
    assert slow[2] > slow[0]
    assert fast[0] > fast[2]
    unsure, sure = colorize(tracks, "confidence")[0, [0, 5]].astype(int)
    assert unsure[0] > unsure[1]
    assert sure[1] > sure[0]


@pytest.mark.parametrize("scheme", [*SCHEMES, "#ff8800"])
@pytest.mark.parametrize(("N", "T"), [(0, 3), (1, 0), (1, 1), (3, 1), (2, 5)])
def test_every_scheme_takes_every_size(build, scheme, N, T):
    colors = colorize(build(np.zeros((N, T, 2))), scheme)
    assert colors.shape == (N, T, 3)
    assert colors.dtype == np.uint8


def test_a_single_colour(grid):
    assert colorize(grid, "#ff8800")[5, 1].tolist() == [255, 136, 0]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("sped", "did you mean 'speed'"), ("#ff88", "expected #rrggbb"), ("", "position")],
)
def test_an_unknown_scheme_says_what_there_is(name, hint):
    with pytest.raises(InputError, match=hint):
        parse_scheme(name)


@pytest.mark.parametrize(
    ("visible", "asked", "expected"),
    [
        ([0, 0, 1, 1], 7, 2),  # queried in its first visible frame
        ([0, 1, 1, 1], 7, 1),  # tracked backward too
        ([0, 0, 0, 1], 6, 1),  # queried where it was hidden
        ([0, 0, 0, 0], 7, 2),  # never visible
        ([1, 1, 1, 1], 3, 0),  # queried before these frames
        ([0, 0, 0, 0], 99, 4),  # queried after these frames: never first_column
    ],
)
def test_where_points_begin(build, visible, asked, expected):
    tracks = build(np.zeros((1, 4, 2)), np.array([visible], bool), queries=[[asked, 0, 0]], start=5)
    assert first_columns(tracks).tolist() == [expected]
