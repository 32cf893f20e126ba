import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from motes.errors import InputError
from motes.models.base import Prediction
from motes.models.taptr import TAPTR, TAPTR_V2, TAPTR_V2_S, Taptr, TaptrConfig
from motes.models.taptr_keys import rename_taptr
from motes.tracking import windows
from motes.tracking.tracker import Tracker

FROZEN = Path(__file__).with_name("taptr_frozen.npz")
"""Outputs of this implementation when it agreed with the reference (tests/parity/test_taptr.py).

Made by ``python tests/models/test_taptr.py``.
"""

SMALL = TaptrConfig(
    widths=(8, 16, 24),
    width=32,
    heads=2,
    samples=2,
    hidden=64,
    encoder_layers=1,
    decoder_layers=2,
)
CONFIGS = {
    "taptrv2": TAPTR_V2.config,
    "small": SMALL,
    "proxies": replace(SMALL, proxies=4),
    "cost_volume": replace(SMALL, cost_volume=True),
}
QUERIES = torch.tensor([[[0, 10.5, 20.0], [2, 40.0, 12.25], [5, 50.0, 30.0], [8, 20.0, 5.0]]])


def filled(config: TaptrConfig) -> Taptr:
    """A model whose weights depend only on their names."""
    model = Taptr(config).eval()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            value.copy_(torch.from_numpy(weights(name, tuple(value.shape))))
    return model


def weights(name: str, shape: tuple[int, ...]) -> np.ndarray:
    draw = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    if len(shape) > 1:
        moving = ".offsets." in name or (".positions." in name and ".4." in name)
        return draw / np.sqrt(np.prod(shape[1:])) * (0.05 if moving else 1.0)
    positive = name.endswith((".weight", "running_var"))
    return 1 + 0.1 * np.abs(draw) if positive else 0.02 * draw


def video(T: int, B: int = 1, H: int = 48, W: int = 64) -> Tensor:
    """Smooth waves that move."""
    t, y, x = np.mgrid[:T, :H, :W].astype(np.float64)
    waves = [np.sin(0.2 * x + 0.1 * y * (c + 1) - 0.5 * t + b) for b in range(B) for c in range(3)]
    frames = np.stack(waves).reshape(B, 3, T, H, W).swapaxes(1, 2)
    return torch.from_numpy(0.5 + 0.5 * frames).float()


@pytest.fixture(scope="module")
def small() -> Taptr:
    return filled(SMALL)


@torch.inference_mode()
def run(model: Taptr, T: int = 10, queries: Tensor = QUERIES) -> Prediction:
    return model(video(T, len(queries)), queries)


@pytest.mark.parametrize("name", CONFIGS)
def test_outputs_equal_the_frozen_ones(name: str) -> None:
    stored, found = np.load(FROZEN), run(filled(CONFIGS[name]))
    np.testing.assert_allclose(found.xy[0], stored[f"{name}_xy"], atol=1e-3)
    np.testing.assert_allclose(found.visibility[0], stored[f"{name}_visibility"], atol=1e-4)


@pytest.mark.parametrize(
    ("T", "starts"),
    [
        (1, [0]),
        (8, [0]),
        (9, [0, 1]),
        (12, [0, 4]),
        (14, [0, 4, 6]),
        (30, [0, 4, 8, 12, 16, 20, 22]),
    ],
)
def test_the_last_window_is_moved_back(small: Taptr, T: int, starts: list[int]) -> None:
    assert small.schedule.starts(T) == starts


@pytest.mark.parametrize("T", [1, 3, 8, 9])
def test_any_number_of_frames(small: Taptr, T: int) -> None:
    queries = QUERIES[:, :1]
    found = run(small, T, queries)
    assert found.xy.shape == (1, T, 1, 2)
    assert found.visibility.shape == (1, T, 1)
    torch.testing.assert_close(found.xy[:, 0], queries[..., 1:])
    assert found.xy.isfinite().all()


@pytest.mark.parametrize("size", [(150, 206), (47, 63), (33, 64)])
def test_frames_of_any_size(small: Taptr, size: tuple[int, int]) -> None:
    """Maps are rounded up; positions are those of the frames, not of the maps."""
    H, W = size
    queries = torch.tensor([[[0, W - 1.0, H - 1.0], [0, 10.0, 20.0]]])
    frames = video(9, H=H, W=W)
    with torch.inference_mode():
        features = small.encode(frames)
        found = small(frames, queries)
    assert features.size == (W, H)
    assert features.levels[0].shape[-3:-1] == (-(-H // 4), -(-W // 4))
    torch.testing.assert_close(found.xy[:, 0], queries[..., 1:], atol=0.5, rtol=0)
    assert found.xy.isfinite().all()


def test_short_videos_are_padded_with_their_last_frame(small: Taptr) -> None:
    frames = video(3)
    still = torch.cat([frames, frames[:, -1:].expand(-1, 5, -1, -1, -1)], 1)
    with torch.inference_mode():
        short, long = small(frames, QUERIES[:, :1]), small(still, QUERIES[:, :1])
    torch.testing.assert_close(short.xy, long.xy[:, :3])


def test_no_queries(small: Taptr) -> None:
    found = run(small, 9, torch.zeros(1, 0, 3))
    assert found.xy.shape == (1, 9, 0, 2)


def test_up_to_the_query_frame_a_point_is_visible_at_the_query(small: Taptr) -> None:
    found = run(small, 10, torch.tensor([[[9, 20.0, 5.0], [4, 30.0, 30.0]]]))
    torch.testing.assert_close(found.xy[0, :, 0], torch.tensor([[20.0, 5.0]]).expand(10, 2))
    torch.testing.assert_close(found.xy[0, :5, 1], torch.tensor([[30.0, 30.0]]).expand(5, 2))
    assert (found.visibility[0, :, 0] > 0.5).all()
    assert (found.xy[0, 5:, 1] != 30).all()


@pytest.mark.parametrize("config", ["small", "proxies", "cost_volume"])
def test_videos_of_a_batch_do_not_influence_each_other(config: str) -> None:
    model = filled(CONFIGS[config])
    queries = torch.cat([QUERIES, QUERIES.flip(1) + torch.tensor([1.0, 0, 0])])
    queries[1, :, 0] = queries[1, :, 0].clamp(max=9)
    together = run(model, 10, queries)
    for b in range(2):
        with torch.inference_mode():
            alone = model(video(10, 2)[b : b + 1], queries[b : b + 1])
        torch.testing.assert_close(together.xy[b], alone.xy[0], atol=1e-3, rtol=0)
        torch.testing.assert_close(together.visibility[b], alone.visibility[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("config", ["small", "proxies", "cost_volume"])
def test_results_do_not_depend_on_the_order_of_points(config: str) -> None:
    model, order = filled(CONFIGS[config]), torch.tensor([2, 0, 3, 1])
    found, shuffled = run(model), run(model, 10, QUERIES[:, order])
    torch.testing.assert_close(shuffled.xy, found.xy[:, :, order], atol=1e-4, rtol=0)


@torch.inference_mode()
def streamed(model: Taptr, T: int) -> tuple[Prediction, list[int]]:
    """The prediction from one frame at a time, and the number of stored elements after each."""
    features = model.encode(video(T))
    state, parts, sizes = windows.begin(model, QUERIES), [], []
    for t in range(T):
        part, state = windows.push(model, state, features[t : t + 1])
        parts.append(part)
        kept = [v for v in vars(state.memory).values() if isinstance(v, Tensor)]
        kept += [part.levels[0] for part in state.features]
        sizes.append(sum(v.numel() for v in kept))
    part, _ = windows.close(model, state)
    parts = [p for p in [*parts, part] if p is not None]
    return Prediction(torch.cat([p.xy for p in parts], 1), parts[0].visibility), sizes


@pytest.mark.parametrize("T", [5, 8, 14, 20])
def test_a_stream_equals_the_whole_video(small: Taptr, T: int) -> None:
    torch.testing.assert_close(streamed(small, T)[0].xy, run(small, T).xy, atol=1e-3, rtol=0)


def test_the_state_of_a_stream_does_not_grow(small: Taptr) -> None:
    _, sizes = streamed(small, 40)
    assert max(sizes[8:24]) == max(sizes[24:])


@torch.inference_mode()
def test_a_point_may_join_later(small: Taptr) -> None:
    """A point that has not started influences no other, so it can be added later."""
    features, new = small.encode(video(16)), 3
    assert QUERIES[0, new, 0] == 8
    state, early = windows.begin(small, QUERIES[:, :new]), []
    for t in range(16):
        if t == 9:
            state = windows.grow(state, QUERIES[:, new:])
        part, state = windows.push(small, state, features[t : t + 1])
        early.append(part)
    part, _ = windows.close(small, state)
    joined = torch.cat([p.xy[:, :, :1] for p in [*early, part] if p is not None], 1)
    expected = small.track(features, QUERIES).xy
    torch.testing.assert_close(joined, expected[:, :, :1], atol=1e-3, rtol=0)
    torch.testing.assert_close(part.xy[:, -6:, new], expected[:, -6:, new], atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("frames", "training", "handing"),
    [
        (None, False, 6),
        (24, False, 6),
        (25, False, 6),
        (48, False, 3),
        (72, False, 2),
        (72, True, 6),
    ],
)
def test_long_videos_update_later_frames_less_often(
    small: Taptr, frames: int | None, training: bool, handing: int
) -> None:
    model = small.train(training)
    states = [replace(model.start(QUERIES), num_frames=frames, first=4 * i) for i in range(6)]
    assert sum(model._updates_later_frames(state) for state in states) == handing
    model.eval()


def test_training_gives_a_trace_of_every_layer() -> None:
    model = filled(SMALL).train()
    found = model(video(10), QUERIES)
    trace = found.aux
    assert len(trace.xy) == len(trace.positions) == len(trace.classes) == len(trace.moved) == 2
    assert trace.positions[0].shape == (1, 10, 4, 4)
    assert trace.classes[0].shape == (1, 10, 4, 3)
    assert trace.size == (64, 48)
    torch.testing.assert_close(trace.xy[-1], found.xy)
    torch.testing.assert_close(trace.visibility[-1].sigmoid(), found.visibility)
    sum(x.sum() for x in (*trace.positions, *trace.moved, trace.classes[-1])).backward()
    idle = {name for name, p in model.named_parameters() if p.grad is None}
    assert idle == {"decoder.classes.0.weight", "decoder.classes.0.bias"}


def test_a_clip_in_which_nothing_moves_can_be_trained_on() -> None:
    model = filled(SMALL).train()
    queries = torch.tensor([[[9, 20.0, 5.0]]])
    trace = model(video(10), queries).aux
    assert trace.xy[0].shape == (1, 10, 1, 2)


def test_bfloat16_is_close(small: Taptr) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        found = run(small)
    assert found.xy.dtype == torch.float32
    assert (found.xy - run(small).xy).abs().median() < 0.1


@pytest.mark.parametrize(
    ("frames", "queries", "message"),
    [
        ((8, 3, 32, 64), (1, 4, 3), r"expected \[B, T, 3, H, W\]"),
        ((1, 8, 3, 32, 64), (1, 4, 2), r"expected \[1, N, 3\]"),
    ],
)
def test_inputs_that_do_not_fit(
    small: Taptr, frames: tuple[int, ...], queries: tuple[int, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        small(torch.zeros(frames), torch.zeros(queries))


def test_heads_listed_twice() -> None:
    """If the two entries differ, the one without a prefix is used."""
    plain, prefixed = torch.zeros(3, 256), torch.ones(3, 256)
    both = {"transformer.decoder.class_embed.0.weight": prefixed, "class_embed.0.weight": plain}
    assert list(rename_taptr(both).items()) == [("decoder.classes.0.weight", plain)]
    one = {"transformer.decoder.class_embed.0.weight": prefixed}
    assert list(rename_taptr(one)) == ["decoder.classes.0.weight"]


def test_names_of_taptr() -> None:
    """Key names of the first version."""
    C, names = 256, "transformer.decoder."
    official = {
        f"{names}corr_block.fmap_mappers.3.weight": torch.zeros(C, C, 1, 1),
        f"{names}corr_query_proj.2.bias": torch.zeros(C),
        f"{names}layers.5.corr_fuser.0.weight": torch.zeros(C, 452),
        f"{names}layers.0.cross_attn.attention_weights.weight": torch.zeros(128, C),
    }
    with torch.device("meta"):
        expected = Taptr(TAPTR.config).state_dict()
    for name, value in rename_taptr(official).items():
        assert expected[name].shape == value.shape, name


@pytest.mark.parametrize(
    ("preset", "low", "high"),
    [(TAPTR_V2, 40_040_803, 40_040_803), (TAPTR_V2_S, 6_000_000, 8_000_000)],
)
def test_number_of_parameters(preset, low: int, high: int) -> None:
    with torch.device("meta"):
        model = preset.build(preset.config)
    assert low <= sum(p.numel() for p in model.parameters()) <= high


def test_through_the_tracker(small: Taptr) -> None:
    """Any size, any frame, backward, and from a session that encodes once."""
    tracker = Tracker(small, replace(TAPTR_V2_S, config=SMALL))
    frames = (video(11, H=60, W=50)[0].permute(0, 2, 3, 1) * 255).byte().numpy()
    queries = [(0, 10, 20), (10, 30, 40), (6, 49, 59)]
    tracks = tracker.track(frames, queries, backward=True)
    assert tracks.xy.shape == (3, 11, 2)
    for n, (t, x, y) in enumerate(queries):
        assert tracks.xy[n, t].tolist() == [x, y]
        assert tracks.visible[n, t]
    again = tracker.session(frames).track(queries, backward=True)
    np.testing.assert_allclose(again.xy, tracks.xy, atol=1e-3)


if __name__ == "__main__":
    found = {name: run(filled(config)) for name, config in CONFIGS.items()}
    xy = {f"{name}_xy": p.xy[0].numpy() for name, p in found.items()}
    visibility = {f"{name}_visibility": p.visibility[0].numpy() for name, p in found.items()}
    np.savez_compressed(FROZEN, **xy, **visibility)
