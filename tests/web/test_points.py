"""Which spans are tracked for which keys."""

import numpy as np
import pytest

from motes import InputError, Tracks
from motes.web.points import Key, Point, Track, cross_fade, spans_around, spans_of, together

T = 20


def point(*frames, direction="forward", id=1):
    keys = tuple(Key(t, t, 0) for t in frames)
    return Point(id, "p", keys, direction, Track.empty(keys[0], T))


def ends(spans):
    """First and last frame of each span; None where it is open."""
    pairs = [(s.first, s.last) for s in spans]
    return [tuple(None if k is None else int(k[0, 0]) for k in pair) for pair in pairs]


@pytest.mark.parametrize(
    ("frames", "direction", "expected"),
    [
        ([5], "forward", [(5, None)]),
        ([5], "backward", [(None, 5)]),
        ([5], "both", [(5, None), (None, 5)]),
        ([5, 9, 12], "forward", [(5, 9), (9, 12), (12, None)]),
        ([5, 9], "both", [(5, 9), (9, None), (None, 5)]),
    ],
)
def test_spans_of(frames, direction, expected):
    assert ends(spans_of(point(*frames, direction=direction))) == expected


@pytest.mark.parametrize(
    ("t", "expected"),
    [(5, [(5, 9), (None, 5)]), (9, [(5, 9), (9, 12)]), (12, [(9, 12), (12, None)])],
)
def test_spans_around_a_key(t, expected):
    assert ends(spans_around(point(5, 9, 12, direction="both"), t)) == expected


def test_spans_around_a_key_that_was_removed():
    assert ends(spans_around(point(5, 12), 9)) == [(5, 12)]


def test_points_of_one_frame_are_tracked_together():
    points = [point(5, id=1), point(5, id=2), point(7, id=3), point(2, 5, id=4)]
    spans = together(span for p in points for span in spans_of(p))
    assert [(s.ids, *ends([s])) for s in spans] == [
        ((1, 2, 4), (5, None)),
        ((3,), (7, None)),
        ((4,), (2, 5)),
    ]
    assert spans[0].first.tolist() == [[5, 5, 0], [5, 5, 0], [5, 5, 0]]
    assert [s.frames(T) for s in spans] == [15, 13, 8]


def test_keys_are_replaced_sorted_and_removed():
    changed = point(5, 9).with_key(Key(7, 1, 2)).with_key(Key(9, 3, 4))
    assert changed.keys == (Key(5, 5, 0), Key(7, 1, 2), Key(9, 3, 4))
    assert changed.track.xy[[7, 9]].tolist() == [[1, 2], [3, 4]]
    assert [k.t for k in changed.without_key(7).keys] == [5, 9]
    with pytest.raises(InputError, match="found none"):
        changed.without_key(8)
    with pytest.raises(InputError, match="another key"):
        point(5).without_key(5)


def test_cross_fade():
    def tracks(x, visible):
        xy = np.full((1, 5, 2), x, np.float32)
        return Tracks(xy, np.full((1, 5), visible), np.ones((1, 5)), size=(9, 9))

    found = cross_fade(tracks(0, True), tracks(8, False))
    assert found.xy[0, :, 0].tolist() == [0, 2, 4, 6, 8]
    assert found.visible[0].tolist() == [True, True, True, False, False]
