"""The fast functions that sample feature maps equal their readable references."""

import pytest
import torch

from motes.features.correlation import (
    PatchCorrelation,
    correlate,
    correlate_by_definition,
    map_index,
    point_correlation,
    stack,
)
from motes.features.sampling import patches, patches_by_grid_sample


def maps_and_points(h, w, seed=0, M=3, P=40, C=5):
    g = torch.Generator().manual_seed(seed)
    maps = torch.randn(M, h, w, C, generator=g)
    index = torch.randint(0, M, (P,), generator=g)
    span = torch.tensor([w + 20.0, h + 20.0])
    xy = torch.rand(P, 2, generator=g) * span - 10  # many lie outside
    xy[0] = torch.tensor([2.0, 1.0])  # whole numbers
    xy[1] = torch.tensor([w - 1.0, h - 1.0])
    xy[2] = torch.tensor([-1e6, 1e6])
    return maps, index, xy


@pytest.mark.parametrize("outside", ["border", "zero"])
@pytest.mark.parametrize("radius", [0, 1, 3])
@pytest.mark.parametrize("size", [(9, 12), (3, 4), (25, 33)])
def test_patches(size, radius, outside):
    maps, index, xy = maps_and_points(*size)
    fast = patches(maps, index, xy, radius, outside)
    slow = patches_by_grid_sample(maps, index, xy, radius, outside)
    near = torch.ones(len(xy), dtype=bool)
    near[2] = False  # a million pixels away the twin's own rounding shows
    torch.testing.assert_close(fast[near], slow[near], atol=2e-5, rtol=1e-5)
    assert fast.isfinite().all()


def test_map_of_one_pixel():
    maps, index, xy = maps_and_points(1, 1)
    found = patches(maps, index, xy, 1)
    torch.testing.assert_close(found, maps[index].flatten(1, 2).expand(-1, 9, -1))


def test_x_is_the_slow_index():
    maps = torch.arange(20.0).view(1, 4, 5, 1)  # value = 5 y + x
    found = patches(maps, torch.zeros(1, dtype=int), torch.tensor([[2.0, 1.0]]), 1)
    assert found.flatten().tolist() == [1, 6, 11, 2, 7, 12, 3, 8, 13]


def test_nan_positions_are_read_without_an_error():
    maps, index, xy = maps_and_points(6, 8)
    xy[5] = torch.nan
    assert patches(maps, index, xy, 3)[6:].isfinite().all()


def test_correlate():
    maps, index, xy = maps_and_points(9, 12, P=24)
    support = torch.randn(6, 49, maps.shape[-1])
    args = (maps, support, index.view(6, 4), xy.view(6, 4, 2), 3)
    torch.testing.assert_close(
        correlate(*args), correlate_by_definition(*args), atol=1e-4, rtol=1e-4
    )


@torch.inference_mode()
def test_patch_correlation_in_parts(monkeypatch):
    """The number of points per part changes nothing."""
    torch.manual_seed(0)
    match = PatchCorrelation(radius=3, levels=2, hidden=8, out=4)
    levels = [torch.randn(2, 3, 8, 9, 5), torch.randn(2, 3, 4, 4, 5)]
    support = [torch.randn(2, 6, 49, 5) for _ in levels]
    xy = torch.rand(2, 6, 4, 2) * 8  # one frame more than there is
    whole = match(levels, support, xy)
    assert whole.shape == (2, 6, 4, match.out_channels)
    monkeypatch.setattr("motes.features.correlation.WORKING_SET", 1)
    torch.testing.assert_close(match(levels, support, xy), whole)


@pytest.mark.parametrize("outside", ["border", "zero"])
def test_point_correlation(outside):
    """Equal to sampling the features before the dot products."""
    torch.manual_seed(0)
    levels = [torch.randn(1, 3, 8, 9, 16), torch.randn(1, 3, 4, 4, 16)]
    own, xy = torch.randn(1, 5, 3, 16), torch.rand(1, 5, 3, 2) * 12 - 2
    found = point_correlation(levels, own, xy, 1, outside)
    index = torch.arange(3).repeat(5)
    for level, part in enumerate(found.split(9, -1)):
        at = xy.view(-1, 2) / 2**level
        samples = patches_by_grid_sample(levels[level][0], index, at, 1, outside)
        expected = (samples @ own.view(-1, 16, 1))[..., 0] / 4
        torch.testing.assert_close(part.reshape(-1, 9), expected, atol=1e-5, rtol=1e-4)


def test_one_video_many_times_is_not_copied():
    level = torch.randn(1, 4, 3, 3, 2)
    shared = level.expand(5, -1, -1, -1, -1)
    assert stack(shared).data_ptr() == level.data_ptr()
    frame = torch.tensor([[0, 3, 9]]).expand(5, -1)
    assert map_index(shared, frame).tolist() == [[0, 3, 3]] * 5
    assert map_index(shared.clone(), frame)[1].tolist() == [4, 7, 7]
