"""What every model is made of: features, predictions, states, schedules, and windows in order."""

from dataclasses import dataclass, replace

import pytest
import torch

from motes.errors import InputError
from motes.models.base import (
    FeatureMaps,
    Features,
    PointModel,
    Prediction,
    Schedule,
    State,
    Trace,
    concat_predictions,
)


@dataclass(frozen=True)
class Named(Features):
    """Features with a tensor, a tuple of tensors and something else."""

    grey: torch.Tensor
    levels: tuple[torch.Tensor, ...]
    size: tuple[int, int] = (6, 4)


def features(B=2, T=3):
    numbers = torch.arange(float(B * T)).view(B, T)
    return Named(numbers, (numbers[..., None] + 0.25, numbers.to(torch.uint8)))


def values(found):
    return [v.flatten().tolist() for v in found.tensors]


def test_features_are_cut_and_turned_by_frames():
    given = features()
    assert len(given) == 3
    assert values(given[1:]) == [[1, 2, 4, 5], [1.25, 2.25, 4.25, 5.25], [1, 2, 4, 5]]
    assert values(given.reversed())[0] == [2, 1, 0, 5, 4, 3]
    assert given[1:].size == (6, 4)
    assert given.nbytes == 6 * 4 + 6 * 4 + 6


@pytest.mark.parametrize(
    ("length", "numbers"), [(2, [0, 1, 2]), (3, [0, 1, 2]), (5, [0, 1, 2, 2, 2])]
)
def test_features_are_padded_with_the_last_frame(length, numbers):
    padded = features(B=1).padded(length)
    assert values(padded) == [numbers, [n + 0.25 for n in numbers], numbers]


def test_videos_of_features():
    first, second = features().videos()
    assert (values(first)[0], values(second)[0]) == ([0, 1, 2], [3, 4, 5])
    one = features(B=1)
    many = one.expanded(2)
    assert many.grey.tolist() == [[0, 1, 2]] * 2
    assert many.grey.data_ptr() == one.grey.data_ptr()


def test_features_are_joined_by_frames():
    given = features()
    assert values(Features.concat([given[:1], given[1:2], given[2:]])) == values(given)
    assert Features.concat([given]) is given


def prediction(T=2, N=2, confidence=True, first=0.0):
    number = first + torch.arange(float(T * N)).view(1, T, N)
    xy = torch.stack([number, number + 0.5], -1)
    return Prediction(xy, number / 10, number / 20 if confidence else None)


@pytest.mark.parametrize("confidence", [False, True])
def test_predictions_are_cut_by_frames_and_points(confidence):
    given = replace(prediction(confidence=confidence), aux="trace")
    assert values(given[1:])[0] == [2, 2.5, 3, 3.5]
    assert given[1:].aux == "trace"
    assert values(given.points(torch.tensor([1])))[0] == [1, 1.5, 3, 3.5]
    assert values(given.reversed())[0] == [2, 2.5, 3, 3.5, 0, 0.5, 1, 1.5]
    assert len(given.points(torch.tensor([1])).tensors) == 2 + confidence


def test_the_score_is_visibility_times_confidence():
    given, without = prediction(), prediction(confidence=False)
    assert torch.equal(given.score, given.visibility * given.confidence)
    assert torch.equal(given.reported_confidence, given.confidence)
    assert without.score is without.reported_confidence is without.visibility


def test_of_two_predictions_each_point_takes_one():
    one, other = prediction(T=1), prediction(T=1, first=5)
    found = one.where(torch.tensor([[[True, False]]]), other)
    assert found.xy.tolist() == [[[[0, 0.5], [6, 6.5]]]]
    assert found.visibility.tolist() == [[[0, pytest.approx(0.6)]]]
    assert found.confidence.tolist() == [[[0, pytest.approx(0.3)]]]


def test_predictions_of_more_points_and_frames():
    given = prediction(T=1)
    grown = given.grown(2)
    assert grown.xy.tolist() == [[[[0, 0.5], [1, 1.5], [0, 0], [0, 0]]]]
    assert grown.confidence.shape == (1, 1, 4)
    traces = [Trace(t, (), ()) for t in (0, 4)]
    parts = [replace(given, aux=trace) for trace in traces]
    joined = concat_predictions([parts[0], given, parts[1]])
    assert values(joined)[0] == [0, 0.5, 1, 1.5] * 3
    assert joined.aux == tuple(traces)
    assert concat_predictions([given, given]).aux is None


@dataclass(frozen=True)
class Counting(State):
    seen: torch.Tensor  # [B, N]
    pair: tuple[torch.Tensor, ...]  # [B, N, 2] each
    first: int = 3


def test_states_lose_and_get_points():
    state = Counting(torch.tensor([[1.0, 2, 3]]), (torch.ones(1, 3, 2),))
    assert state.select(torch.tensor([2, 0])).seen.tolist() == [[3, 1]]
    grown = state.grow(2)
    assert grown.seen.tolist() == [[1, 2, 3, 0, 0]]
    assert grown.pair[0].sum(-1).tolist() == [[2, 2, 2, 0, 0]]
    assert grown.first == 3


@pytest.mark.parametrize(
    ("schedule", "frames", "starts"),
    [
        (Schedule(), 9, [0]),
        (Schedule(8, 4), 1, [0]),
        (Schedule(8, 4), 8, [0]),
        (Schedule(8, 4), 9, [0, 4]),
        (Schedule(8, 4), 12, [0, 4]),
        (Schedule(8, 4), 13, [0, 4, 8]),
        (Schedule(8, 4, full_last=True), 8, [0]),
        (Schedule(8, 4, full_last=True), 9, [0, 1]),
        (Schedule(8, 4, full_last=True), 12, [0, 4]),
        (Schedule(8, 4, full_last=True), 13, [0, 4, 5]),
    ],
)
def test_windows_cover_every_frame(schedule, frames, starts):
    assert schedule.starts(frames) == starts
    assert schedule.released == (1 if schedule.full_last else schedule.step)


def test_a_schedule_with_latency():
    schedule = Schedule(8, 4, 4, full_last=True)
    assert schedule.with_latency(4) == replace(schedule, step=4, final=8, early=True)
    assert schedule.with_latency(1) == replace(schedule, step=1, final=8, early=True)
    assert Schedule(None, 1).with_latency(1).final == 1
    for latency in (0, 5):
        with pytest.raises(InputError, match=f"latency: expected 1 to 4 frames, got {latency}"):
            schedule.with_latency(latency)


class Noting(PointModel):
    """Predicts the number of the window's first frame; notes what it is given."""

    multiple = 4

    def __init__(self, schedule):
        super().__init__()
        self.schedule, self.given, self.asked = schedule, [], []

    def new_cache(self, limit):
        return f"cache of {limit}"

    def encode(self, video):
        return FeatureMaps((video.mean((2, 3, 4))[..., None],))

    def start(self, queries, num_frames=None, schedule=None):
        self.asked.append((num_frames, schedule))
        return 0

    def advance(self, state, features, queries, start, iterations=None, cache=None):
        self.given.append((state, len(features), start, iterations, cache))
        at = torch.full((1, len(features), queries.shape[1]), float(start))
        return Prediction(torch.stack([at, at], -1), at), state + 1


def test_a_video_is_tracked_window_by_window():
    model, queries = Noting(Schedule(4, 2)), torch.zeros(1, 1, 3)
    found = model(torch.zeros(1, 7, 3, 8, 4), queries, 5)
    assert found.visibility.flatten().tolist() == [0, 0, 2, 2, 4, 4, 4]
    none = "cache of 0"
    assert model.given == [(0, 4, 0, 5, none), (1, 4, 2, 5, none), (2, 3, 4, 5, none)]
    assert model.asked == [(7, model.schedule)]
    whole = Schedule()
    model.given.clear()
    found = model.track(model.encode(torch.zeros(1, 7, 3, 8, 4)), queries, 2, whole, "mine")
    assert model.given == [(0, 7, 0, 2, "mine")]
    assert model.asked[1] == (7, whole)


def test_only_some_models_have_windows():
    assert Noting(Schedule(4, 2)).windowed() == Schedule(4, 2)
    with pytest.raises(InputError, match="Noting tracks only whole videos; this is too long"):
        Noting(Schedule()).windowed()
    assert PointModel.new_cache(Noting(Schedule()), 9) is None


@pytest.mark.parametrize(
    ("video", "queries", "message"),
    [
        ((1, 2, 3, 8), (1, 1, 3), r"video: expected \[B, T, 3, H, W\], got \[1, 2, 3, 8\]"),
        ((1, 2, 1, 8, 8), (1, 1, 3), r"video: expected \[B, T, 3, H, W\]"),
        ((1, 0, 3, 8, 8), (1, 1, 3), r"video: expected \[B, T, 3, H, W\]"),
        ((1, 2, 3, 9, 8), (1, 1, 3), "H and W as multiples of 4, got 9x8"),
        ((1, 2, 3, 8, 9), (1, 1, 3), "H and W as multiples of 4, got 8x9"),
        ((1, 2, 3, 8, 8), (1, 3), r"queries: expected \[1, N, 3\], got \[1, 3\]"),
        ((1, 2, 3, 8, 8), (1, 1, 2), r"queries: expected \[1, N, 3\]"),
        ((2, 2, 3, 8, 8), (1, 1, 3), r"queries: expected \[2, N, 3\], got \[1, 1, 3\]"),
    ],
)
def test_shapes_that_do_not_fit(video, queries, message):
    with pytest.raises(InputError, match=message):
        Noting(Schedule())(torch.zeros(video), torch.zeros(queries))
    Noting(Schedule()).check(torch.zeros(1, 1, 3, 4, 8), torch.zeros(1, 0, 3))
