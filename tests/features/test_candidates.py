"""Candidates: what several classical trackers say."""

import pytest
import torch
import torch.nn.functional as F

from motes.features.anchors import MAX_ANCHORS
from motes.features.candidates import (
    DELTAS,
    KINDS,
    FlowWindow,
    double,
    empty_tracks,
    find_candidates,
    halve,
    sources,
)
from motes.features.flow_fields import frame_hashes
from motes.features.rings import centre_of_rings, ring
from planes import moving

SPEED = torch.tensor([2.0, 1.0])


def flow_window(frames, start=0):
    halves = F.avg_pool2d(frames.float(), 2).byte()
    return FlowWindow(frames, halves, frame_hashes(frames), start)


def candidates(frames, *queries, kinds=KINDS):
    """Candidates of queries (t, x, y) in one window."""
    queries = torch.tensor([queries], dtype=torch.float32)
    started = torch.ones(queries.shape[:2], dtype=torch.bool)
    window = flow_window(frames)
    return find_candidates(
        kinds, window, empty_tracks(kinds, queries, 0), queries, started, started
    )[0]


@pytest.fixture(scope="module")
def plane():
    return moving(9)


def test_all_kinds_follow_the_texture_in_both_directions(plane):
    found = candidates(plane, (4, 40.0, 30.0))
    truth = torch.tensor([40.0, 30.0]) + (torch.arange(9.0)[:, None] - 4) * SPEED
    torch.testing.assert_close(
        found.xy[0, 0], truth[:, None].expand(-1, len(KINDS), -1), atol=0.4, rtol=0
    )
    assert found.error.max() < 1.5
    assert found.error[0, 0, 4, :4].max() == 0


def test_a_source_serves_both_rings_and_half_frames_their_flow():
    assert [s.kinds for s in sources(("ring_24", "half"))] == [("half",), ("ring_24",)]
    assert [s.tracks for s in sources(KINDS)] == [1, 1, 1, 1, 12]
    assert {s.deltas for s in sources(("flow", "half", "direct"))} == {DELTAS}


def test_candidates_come_in_the_order_of_the_kinds(plane):
    some = candidates(plane, (0, 40.0, 30.0), kinds=("direct", "flow"))
    every = candidates(plane, (0, 40.0, 30.0))
    torch.testing.assert_close(some.xy, every.xy[..., [KINDS.index("direct"), 0], :])


def test_the_direct_step_is_taken_from_few_frames_only(plane):
    queries = [(t, 40.0, 30.0) for t in range(MAX_ANCHORS + 1)]
    found = candidates(plane, *queries, kinds=("direct",))
    missing = found.error[0, :, -1, 0].isinf()
    assert missing.tolist() == [False] * MAX_ANCHORS + [True]


def test_windows_go_on_from_each_other():
    """Two windows that share 17 frames say what one long window says."""
    plane, kinds, queries = (
        moving(19),
        ("flow", "half", "direct"),
        torch.tensor([[[0, 40.0, 30.0]]]),
    )
    started, not_started = torch.ones(1, 1, dtype=torch.bool), torch.zeros(1, 1, dtype=torch.bool)
    tracks = empty_tracks(kinds, queries, 18)
    _, tracks = find_candidates(
        kinds, flow_window(plane[:, :18]), tracks, queries, started, started
    )
    assert tracks.anchors.bases == (max(DELTAS),)
    second = flow_window(plane[:, 1:], 1)
    found, after = find_candidates(kinds, second, tracks.after(1), queries, started, not_started)
    whole = candidates(plane, (0, 40.0, 30.0), kinds=kinds)
    torch.testing.assert_close(found.xy, whole.xy[:, :, 1:], atol=0.05, rtol=0)
    assert after.anchors.numbers == (0,)


def test_a_window_must_hold_the_base_of_the_direct_step(plane):
    kinds, queries = ("direct",), torch.tensor([[[0, 40.0, 30.0]]])
    started = torch.ones(1, 1, dtype=torch.bool)
    none = empty_tracks(kinds, queries, 7)
    _, tracks = find_candidates(kinds, flow_window(plane[:, :7]), none, queries, started, started)
    second = flow_window(plane[:, 1:8], 1)
    with pytest.raises(ValueError, match="frame 0"):
        find_candidates(kinds, second, tracks.after(1), queries, started, ~started)


def test_a_query_frame_that_no_point_uses_is_forgotten(plane):
    queries = torch.tensor([[[0, 40.0, 30.0], [2, 40.0, 30.0]]])
    started = torch.ones(1, 2, dtype=torch.bool)
    kinds, window = ("direct",), flow_window(plane)
    none = empty_tracks(kinds, queries, 0)
    _, tracks = find_candidates(kinds, window, none, queries, started, started)
    assert tracks.anchors.numbers == (0, 2)
    one, later = empty_tracks(kinds, queries[:, 1:], 0), flow_window(plane, 2)
    one = type(one)(one.xy, one.inverse_error, tracks.anchors)
    _, after = find_candidates(kinds, later, one, queries[:, 1:], started[:, 1:], ~started[:, 1:])
    assert after.anchors.numbers == (2,)


def test_points_before_their_query_have_no_candidate(plane):
    queries, kinds = torch.tensor([[[20, 40.0, 30.0]]]), ("flow", "direct")
    unmet = torch.zeros(1, 1, dtype=torch.bool)
    none = empty_tracks(kinds, queries, 0)
    found, _ = find_candidates(kinds, flow_window(plane), none, queries, unmet, unmet)
    assert found.error.isinf().all()
    assert found.xy[0, 0, 3].tolist() == [[40, 30]] * 2


def test_halves_and_doubles_are_inverses():
    xy = torch.tensor([[0.0, 0.0], [7.25, -0.5]])
    torch.testing.assert_close(double(halve(xy)), xy)
    assert halve(torch.tensor([0.5, 2.5])).tolist() == [0, 1]


def test_a_ring_with_one_lost_point_still_finds_its_centre():
    centre = torch.tensor([[[50.0, 40.0]]])
    start = ring(centre, 12.0, (100, 100))
    turn = torch.tensor([[0.9, -0.2], [0.2, 0.9]])
    moved = (start - centre[..., None, :]) @ turn.T + torch.tensor([55.0, 43.0])
    moved[..., 0, :] += 20
    error = torch.full((1, 1, 1, 6), 0.1)
    xy, found = centre_of_rings(centre, start, moved[:, :, None], error, 12.0)
    torch.testing.assert_close(xy[0, 0, 0], torch.tensor([55.0, 43.0]), atol=0.5, rtol=0)
    assert found[0, 0, 0] > 1


def test_rings_stay_in_the_frame():
    points = ring(torch.tensor([[1.0, 2.0]]), 24.0, (30, 40))
    assert points.amin() >= 0 and (points <= torch.tensor([39.0, 29.0])).all()
