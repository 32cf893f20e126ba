"""What every CoTracker does, on models small enough to be quick."""

import os
import subprocess
import sys
from dataclasses import replace
from shutil import which

import pytest
import torch

from motes.errors import InputError
from motes.models import cotracker, cotracker2, cotracker3
from motes.tracking import windows
from motes.tracking.load import compile_model, presets

TINY = {
    "encoder_widths": (4, 6, 8, 8),
    "encoder_mixed": 12,
    "channels": 10,
    "levels": 2,
    "width": 16,
    "heads": 2,
    "depth": 1,
    "iterations": 2,
}
V1 = cotracker.CoTrackerConfig(**TINY, radius=1, frequencies=4)
V2 = cotracker2.CoTracker2Config(**TINY, radius=1, frequencies=4, virtual_tracks=4)
V3 = cotracker3.CoTracker3Config(
    **TINY, radius=1, match_hidden=8, match_out=6, octaves=2, virtual_tracks=4, time_rows=8
)
MODELS = {
    "v1": (cotracker.CoTracker, V1),
    "v2": (cotracker2.CoTracker2, V2),
    "v3-online": (cotracker3.CoTracker3, replace(V3, window=8)),
    "v3-offline": (cotracker3.CoTracker3, replace(V3, window=None)),
}
WINDOWED = [name for name, (_, config) in MODELS.items() if config.window]


def make(name):
    torch.manual_seed(0)
    build, config = MODELS[name]
    model = build(config).eval()
    with torch.no_grad():  # motion that shows, without making much of rounding errors
        if name.startswith("v3"):
            torch.nn.init.normal_(model.motion.weight, std=0.05)
        else:
            model.transformer.input.weight[:, 2 : model.embed.out_channels] *= 0.01
            model.update.weight[:2] *= 0.1
    return model


def inputs(T, N, B=1, H=32, W=40, seed=1):
    g = torch.Generator().manual_seed(seed)
    video = torch.rand(B, T, 3, H, W, generator=g)
    queries = torch.rand(B, N, 3, generator=g) * torch.tensor([T, W - 1.0, H - 1.0])
    queries[..., 0] = queries[..., 0].floor()
    return video, queries


def close(a, b, atol=1e-4):
    torch.testing.assert_close(a.xy, b.xy, atol=atol, rtol=0)
    torch.testing.assert_close(a.visibility, b.visibility, atol=atol, rtol=0)
    assert (a.confidence is None) == (b.confidence is None)


@pytest.fixture(autouse=True)
def inference():
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("T", "N"), [(1, 3), (3, 2), (4, 2), (8, 4), (9, 3), (21, 5), (12, 0), (21, 4)]
)
def test_shapes(name, T, N):
    model = make(name)
    video, queries = inputs(T, N)
    found = model(video, queries)
    assert found.xy.shape == (1, T, N, 2) and found.xy.dtype == torch.float32
    assert found.visibility.shape == (1, T, N)
    assert found.xy.isfinite().all() and found.aux is None


@pytest.mark.parametrize("name", MODELS)
def test_short_videos_are_tracked(name):
    """Also those of at most half a window, for which the published models answer zeros."""
    video, queries = inputs(2, 3)
    queries[..., 0] = 0
    moved = make(name)(video, queries).xy - queries[:, None, :, 1:]
    assert 0 < moved.abs().max() < 40


@pytest.mark.parametrize("name", MODELS)
def test_queries_in_the_last_frame(name):
    video, queries = inputs(13, 3)
    queries[..., 0] = 12
    assert make(name)(video, queries).xy.isfinite().all()


@pytest.mark.parametrize("name", MODELS)
def test_batch(name):
    """The other videos of a batch change nothing."""
    model = make(name)
    video, queries = inputs(13, 4, B=3)
    together = model(video, queries)
    for b in range(3):
        alone = model(video[b : b + 1], queries[b : b + 1])
        torch.testing.assert_close(together.xy[b : b + 1], alone.xy, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", MODELS)
def test_one_video_many_queries(name):
    """Features that are expanded along the batch give the same as copies."""
    model = make(name)
    video, queries = inputs(13, 4, B=3)
    features = model.encode(video[:1])
    close(
        model.track(features.expanded(3), queries),
        model(video[:1].expand(3, -1, -1, -1, -1), queries),
    )


@pytest.mark.parametrize("name", WINDOWED)
@pytest.mark.parametrize("chunk", [1, 3, 8, 16])
def test_stream(name, chunk):
    """Frames in pieces of any length give what the whole video gives."""
    model = make(name)
    video, queries = inputs(21, 6)
    state, parts = windows.begin(model, queries), []
    for start in range(0, 21, chunk):
        features = model.encode(video[:, start : start + chunk])
        part, state = windows.push(model, state, features)
        parts.append(part)
    parts.append(windows.close(model, state)[0])
    streamed = windows.concat_predictions([p for p in parts if p is not None])
    close(streamed, model(video, queries))


@pytest.mark.parametrize("name", WINDOWED)
@pytest.mark.parametrize("step", [1, 3, 8])
def test_other_steps(name, step):
    """Windows may follow each other closer, or not overlap at all (streams of low latency)."""
    model = make(name)
    schedule = replace(model.schedule, step=step)
    video, queries = inputs(13, 3)
    queries[..., 0] = 0
    features = model.encode(video)
    first, _ = model.advance(model.start(queries), features[:8], queries, 0)
    found = model.track(features, queries, schedule=schedule).xy
    torch.testing.assert_close(found[:, :step], first.xy[:, :step], atol=1e-4, rtol=0)
    assert found.isfinite().all() and found.shape == (1, 13, 3, 2)


@pytest.mark.parametrize("name", WINDOWED)
def test_points_that_join_later(name):
    """State grown in mid-stream is as if the points had been there, waiting for their frame."""
    model = make(name)
    video, queries = inputs(16, 4)
    queries[0, :, 0] = torch.tensor([0, 2, 9, 11])
    features = model.encode(video)
    early = model.start(queries[:, :2])
    _, early = model.advance(early, features[:8], queries[:, :2], 0)
    whole = model.start(queries)
    _, whole = model.advance(whole, features[:8], queries, 0)
    a, _ = model.advance(early.grow(2), features[4:12], queries, 4)
    b, _ = model.advance(whole, features[4:12], queries, 4)
    if name == "v1":  # elsewhere points that wait are seen, or see, already
        close(a, b)
    torch.testing.assert_close(a.xy.shape, b.xy.shape)
    again, _ = model.advance(
        early.grow(2).select(torch.arange(2)), features[4:12], queries[:, :2], 4
    )
    same, _ = model.advance(early, features[4:12], queries[:, :2], 4)
    close(again, same)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("video", "queries", "words"),
    [
        ((1, 4, 3, 30, 40), (1, 2, 3), "multiples of 4"),
        ((1, 4, 1, 32, 40), (1, 2, 3), r"\[B, T, 3, H, W\]"),
        ((1, 0, 3, 32, 40), (1, 2, 3), r"\[B, T, 3, H, W\]"),
        ((2, 4, 3, 32, 40), (1, 2, 3), r"\[2, N, 3\]"),
        ((1, 4, 3, 32, 40), (1, 2, 2), r"\[1, N, 3\]"),
    ],
)
def test_bad_shapes(name, video, queries, words):
    with pytest.raises(InputError, match=words):
        make(name)(torch.zeros(video), torch.zeros(queries))


def test_displacements_are_from_the_next_and_from_the_previous_frame():
    track = torch.tensor([[[[1.0, 5.0], [3.0, 4.0], [6.0, 4.0]]]])
    from_next, from_previous = cotracker3.displacements(track)[0, 0].split(2, -1)
    assert from_next.tolist() == [[-2, 1], [-3, 0], [0, 0]]
    assert from_previous.tolist() == [[0, 0], [2, -1], [3, 0]]


def test_query_masks_are_one_where_a_window_is_new():
    """Windows of 8 frames, 4 apart: the first 4 frames of the second have been refined before."""
    model, queries = make("v2"), torch.tensor([[[0, 9.0, 9.0], [6, 9.0, 9.0]]])
    first, second = (
        model._query_mask(model.start(queries), queries, s)[0, :, :, 0] for s in (0, 4)
    )
    assert first.tolist() == [[1] * 8, [0] * 6 + [1] * 2]
    assert second.tolist() == [[0] * 4 + [1] * 4, [0] * 4 + [1] * 4]


def test_the_first_version_masks_by_point():
    """A point that starts in a window is new in all of its frames."""
    model, queries = make("v1"), torch.tensor([[[0, 9.0, 9.0], [5, 9.0, 9.0]]])
    state = replace(model.start(queries), started=torch.tensor([[True, False]]))
    mask = model._new_frames(state, queries, 4, 8)[0, :, :, 0]
    assert mask.tolist() == [[0] * 4 + [1] * 4, [0] + [1] * 7]
    assert model._new_frames(state, queries, 4, 6)[0, 0, :, 0].tolist() == [0] * 4 + [1, 1, 0, 0]


@pytest.mark.parametrize("name", MODELS)
def test_training(name):
    """Every iteration of every window is there for the losses, and every parameter learns."""
    with torch.inference_mode(False), torch.enable_grad():
        model = make(name).train()
        found = model(*inputs(13, 5))
        starts = model.schedule.starts(13)
        assert [trace.start for trace in found.aux] == starts
        for trace in found.aux:
            frames = min(13 - trace.start, model.schedule.window or 13)
            assert [tuple(v.shape) for v in trace.xy] == [(1, frames, 5, 2)] * 2
            assert trace.visibility[-1].shape == (1, frames, 5)
        torch.testing.assert_close(found.aux[-1].xy[-1][:, -1], found.xy[:, -1])
        values = [v for t in found.aux for v in (*t.xy, *t.visibility, *t.confidence)]
        sum(v.square().mean() for v in values).backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not [n for n in idle if not n.endswith("bias")], idle


@pytest.mark.parametrize("name", MODELS)
def test_bfloat16(name):
    """Half precision inside, single precision coordinates outside."""
    model = make(name)
    video, queries = inputs(13, 4)
    exact = model(video, queries)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(video, queries)
    assert rough.xy.dtype == torch.float32
    assert (rough.xy - exact.xy).abs().median() < 0.5


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("cotracker", 24_149_859),
        ("cotracker-stride4-wind12", 24_149_859),
        ("cotracker-stride8-wind16", 24_149_859),
        ("cotracker2", 45_458_787),
        ("cotracker2.1", 45_458_787),
        ("cotracker3-offline", 25_385_700),
        ("cotracker3-online", 25_385_700),
        ("cotracker3-baseline-offline", 25_385_700),
        ("cotracker3-baseline-online", 25_385_700),
    ],
)
def test_sizes(name, parameters):
    preset = presets()[name]
    with torch.device("meta"):
        model = preset.build(preset.config)
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.skipif(not which("g++"), reason="no C++ compiler")
@torch.inference_mode()
def test_compiled():
    model, (video, queries) = make("v3-online"), inputs(20, 3)
    expected = model(video, queries)
    compile_model(model, "v3-online", torch.device("cpu"))
    found = model(video, queries)
    close(found, expected, 1e-3)
    assert model.transformer._compiled_call_impl


BROKEN = """
import torch
from motes import InputError
from motes.tracking.load import compile_model

class Part(torch.nn.Module):
    def forward(self, x):
        return x.sin() + 1

class Model:
    iterated = (Part(),)

compile_model(Model, "small", torch.device("cpu"))
try:
    Model.iterated[0](torch.zeros(4))
except InputError as error:
    print(error)
"""


def test_a_broken_compiler(tmp_path):
    """One line instead of torch's traceback."""
    environment = {**os.environ, "CXX": "false", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", BROKEN]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout.startswith("compile: torch cannot compile this model here"), done.stderr
    assert done.stdout.count("\n") == 1


def test_no_compiler(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(InputError, match="expected a C\\+\\+ compiler"):
        compile_model(make("v3-online"), "v3-online", torch.device("cpu"))
