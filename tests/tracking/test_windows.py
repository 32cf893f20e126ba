"""The window engine, with a model whose predictions tell which window they come from."""

from dataclasses import dataclass, replace

import pytest
import torch

from motes.models.base import FeatureMaps, Features, PointModel, Prediction, Schedule, State
from motes.tracking import windows


@dataclass(frozen=True)
class Memory(State):
    total: torch.Tensor  # [B, N], how many frames have been seen


class Teller(PointModel):
    """Predicts x = frame number, y = start of the window; counts frames in its state."""

    def __init__(self, window, step, shifted=False):
        super().__init__()
        self.schedule = Schedule(window, step, 1 if shifted else step, full_last=shifted)

    def encode(self, video):
        return FeatureMaps((video.mean((2, 3, 4), keepdim=True),))

    def start(self, queries, num_frames=None, schedule=None):
        return Memory(torch.zeros_like(queries[..., 0]))

    def advance(self, state, features, queries, start, iterations=None, cache=None):
        numbers = features.levels[0][..., 0, 0]  # [B, T, 1]: each frame holds its number
        assert torch.equal(numbers[0, :, 0], torch.arange(start, start + len(features)).float())
        B, N, _ = queries.shape
        x = numbers.expand(B, -1, N)
        xy = torch.stack([x, torch.full_like(x, start)], -1)
        return Prediction(xy, x, None), Memory(state.total + len(features))


def frames(T):
    return torch.arange(T).float().view(1, T, 1, 1, 1).expand(1, T, 3, 4, 4)


def stream(model, T, chunk, queries):
    state, parts = windows.begin(model, queries), []
    for t in range(0, T, chunk):
        part, state = windows.push(model, state, model.encode(frames(T)[:, t : t + chunk]))
        parts.append(part)
    held = state.seen - state.first
    assert sum(map(len, state.features)) == held
    part, state = windows.close(model, state)
    xy = [p.xy for p in [*parts, part] if p is not None]
    return torch.cat(xy, 1), held


@pytest.mark.parametrize(
    ("window", "step", "shifted"), [(2, 1, False), (8, 4, False), (8, 4, True)]
)
@pytest.mark.parametrize("T", [1, 3, 4, 5, 8, 9, 11, 12, 13, 16, 30])
@pytest.mark.parametrize("chunk", [1, 3, 8, 16])
def test_streaming_equals_the_whole_video(window, step, shifted, T, chunk):
    model, queries = Teller(window, step, shifted), torch.zeros(1, 2, 3)
    whole = model(frames(T), queries)
    found, held = stream(model, T, chunk, queries)
    assert torch.equal(found, whole.xy)
    assert torch.equal(found[0, :, 0, 0], torch.arange(T).float())
    assert held <= window + step + chunk  # memory does not grow with T


def test_frames_come_out_as_soon_as_they_are_final():
    model, queries = Teller(8, 4), torch.zeros(1, 1, 3)
    state, out = windows.begin(model, queries), []
    for t in range(20):
        part, state = windows.push(model, state, model.encode(frames(20)[:, t : t + 1]))
        out.append(0 if part is None else part.xy.shape[1])
    assert out == [0] * 7 + [4, 0, 0, 0] * 3 + [4]
    assert state.seen == 20


@pytest.mark.parametrize("by_confidence", [False, True])
@pytest.mark.parametrize("latency", [1, 2, 3, 4])
@pytest.mark.parametrize("T", [1, 7, 8, 9, 21])
def test_frames_come_out_in_order_within_the_latency(by_confidence, latency, T):
    model = Teller(8, 4)
    schedule = replace(model.schedule, by_confidence=by_confidence).with_latency(latency)
    state, numbers = windows.begin(model, torch.zeros(1, 1, 3), schedule), []
    for t in range(T):
        features = model.encode(frames(T)[:, t : t + 1])
        part, state = windows.push(model, state, features)
        numbers += [] if part is None else part.xy[0, :, 0, 0].tolist()
        assert t + 1 - len(numbers) < latency
    part, _ = windows.close(model, state)
    assert numbers + ([] if part is None else part.xy[0, :, 0, 0].tolist()) == list(range(T))


class Confident(Teller):
    """Point 0 is more visible in the first window, point 1 in later ones."""

    def advance(self, state, features, queries, start, iterations=None, cache=None):
        prediction, state = super().advance(state, features, queries, start)
        visibility = torch.tensor([0.9, 0.2] if start == 0 else [0.3, 0.8])
        return replace(prediction, visibility=visibility.expand(1, len(features), 2)), state


def test_in_an_overlap_the_more_confident_window_counts():
    model, queries = Confident(8, 4), torch.zeros(1, 2, 3)
    schedule = replace(model.schedule, by_confidence=True)
    state = windows.begin(model, queries, schedule)
    first, state = windows.push(model, state, model.encode(frames(12)))
    rest, _ = windows.close(model, state)
    window = torch.cat([first.xy, rest.xy], 1)[0, :, :, 1]  # start of the window that counts
    assert window[:, 0].tolist() == [0] * 8 + [4] * 4
    assert window[:, 1].tolist() == [0] * 4 + [4] * 8


class Noting(Teller):
    """Notes what `advance` is given: start, iterations, cache, and frames counted in the state."""

    def __init__(self, window, step):
        super().__init__(window, step)
        self.given = []

    def advance(self, state, features, queries, start, iterations=None, cache=None):
        self.given.append((start, iterations, cache, state.total[0].tolist()))
        return super().advance(state, features, queries, start)


@pytest.mark.parametrize(
    ("latency", "counted"),
    [
        (None, [(0, 0), (4, 8), (8, 16)]),
        (2, [(0, 0), (0, 0), (0, 0), (0, 0), (2, 8), (4, 16), (6, 24), (8, 32)]),
    ],
)
def test_what_each_window_is_given(latency, counted):
    """The last window is made by `close`; with a latency, the first ones are not full."""
    model, cache = Noting(8, 4), object()
    schedule = model.schedule.with_latency(latency) if latency else None
    state = windows.begin(model, torch.zeros(1, 1, 3), schedule)
    for t in range(15):
        features = model.encode(frames(15)[:, t : t + 1])
        _, state = windows.push(model, state, features, 3, cache)
    windows.close(model, state, 3, cache)
    assert model.given == [(start, 3, cache, [total]) for start, total in counted]


def test_points_join_and_leave_between_windows():
    model, queries = Teller(8, 4), torch.tensor([[[0.0, 1, 1], [0, 2, 2]]])
    _, state = windows.push(model, windows.begin(model, queries), model.encode(frames(9)))
    state = windows.grow(state, torch.tensor([[[9.0, 3, 3]]]))
    assert state.queries[0].tolist() == [[0, 1, 1], [0, 2, 2], [9, 3, 3]]
    assert state.memory.total.tolist() == [[8, 8, 0]]
    assert state.pending.xy[0, :, :, 0].tolist() == [[t, t, 0] for t in range(4, 8)]
    state = windows.select(state, torch.tensor([2, 0]))
    assert state.queries[0].tolist() == [[9, 3, 3], [0, 1, 1]]
    assert state.memory.total.tolist() == [[0, 8]]
    assert state.pending.xy[0, :, :, 0].tolist() == [[0, t] for t in range(4, 8)]
    part, _ = windows.close(model, state)
    assert part.xy.shape == (1, 5, 2, 2)


@pytest.mark.parametrize(
    ("start", "stop", "lengths", "numbers"),
    [
        (0, 6, [2, 1, 3], range(6)),
        (2, 3, [1], [2]),
        (1, 5, [1, 1, 2], range(1, 5)),
        (-3, 1, [1], [0]),
        (4, 99, [2], [4, 5]),
        (3, 3, [], []),
        (7, 9, [], []),
    ],
)
def test_cutting_stretches(start, stop, lengths, numbers):
    parts = [FeatureMaps((part,)) for part in torch.arange(6.0)[None].split([2, 1, 3], 1)]
    found = windows.cut(parts, start, stop)
    assert [len(part) for part in found] == lengths
    assert [int(v) for part in found for v in part.levels[0][0]] == list(numbers)


def test_frames_are_copied_once_a_window(monkeypatch):
    """Not once a frame that comes in: 8 for each window of 8, which begin 4 frames apart."""
    copied, concat = [], Features.concat

    def count(parts):
        copied.append(sum(map(len, parts)))
        return concat(parts)

    monkeypatch.setattr(Features, "concat", count)
    stream(Teller(8, 4), 40, 1, torch.zeros(1, 1, 3))
    assert copied == [8] * 9


def test_a_model_without_windows_is_refused():
    model = Teller(None, 1)
    with pytest.raises(ValueError, match="a schedule with windows"):
        windows.push(model, windows.begin(model, torch.zeros(1, 1, 3)), model.encode(frames(1)))


def test_an_empty_stream():
    model = Teller(8, 4)
    part, _ = windows.close(model, windows.begin(model, torch.zeros(1, 1, 3)))
    assert part is None


def test_memory_follows_when_points_leave_and_join():
    memory = Memory(torch.tensor([[1.0, 2, 3]]))
    assert memory.select(torch.tensor([2, 0])).total.tolist() == [[3, 1]]
    assert memory.grow(2).total.tolist() == [[1, 2, 3, 0, 0]]


class Preparing(Teller):
    """Notes which frames it is told to prepare."""

    cache_bytes, look_back = 10, 2

    def __init__(self):
        super().__init__(6, 3)
        self.prepared = []

    def prepare_ahead(self, frames, new, cache):
        numbers = torch.cat([part.levels[0] for part in frames], 1).flatten().int().tolist()
        self.prepared.append((numbers[:-new], numbers[-new:]))


@dataclass
class Cache:
    limit: int = 10
    cancelled: int = 0

    def cancel_ahead(self):
        self.cancelled += 1


def test_new_frames_are_prepared_with_those_before_them():
    model = Preparing()
    state = windows.begin(model, torch.tensor([[[4.0, 0, 0], [9, 0, 0]]]))
    for t in range(0, 12, 3):
        part = model.encode(frames(12)[:, t : t + 3])
        _, state = windows.push(model, state, part, cache=Cache())
    assert model.prepared == [([1, 2], [3, 4, 5]), ([4, 5], [6, 7, 8]), ([7, 8], [9, 10, 11])]


@pytest.mark.parametrize("options", [{}, {"cache": Cache(9)}, {"cache": Cache(), "ahead": False}])
def test_nothing_is_prepared_without_room_for_it_or_when_told_so(options):
    model = Preparing()
    state = windows.begin(model, torch.zeros(1, 1, 3))
    windows.push(model, state, model.encode(frames(3)), **options)
    assert not model.prepared


def test_nothing_is_prepared_without_points():
    model = Preparing()
    windows.push(
        model, windows.begin(model, torch.zeros(1, 0, 3)), model.encode(frames(3)), cache=Cache()
    )
    assert not model.prepared


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_an_error_cancels_what_runs_ahead(error):
    cache = Cache()
    with windows.cancelling(cache), windows.cancelling(None):
        pass
    assert not cache.cancelled
    with pytest.raises(error), windows.cancelling(cache), windows.cancelling(None):
        raise error
    assert cache.cancelled == 1
