import pytest
import torch
import torch.nn.functional as F

from motes.features.point_decoder import CostVolume, corner_pixels, displace, pointwise
from motes.features.pyramid import Pyramid

SIZES = ((9, 11), (5, 6))


def test_cost_volume_equals_samples_of_the_full_volume() -> None:
    """The specification computes the volume of every point and samples it (section 12)."""
    torch.manual_seed(0)
    B, S, N, C = 2, 3, 4, 8
    volume = CostVolume(C, len(SIZES), depth=1, radius=2)
    memory = Pyramid(torch.randn(B * S, sum(h * w for h, w in SIZES), C), SIZES)
    content, position = torch.randn(B, S, N, C), torch.rand(B, S, N, 4) * 1.4 - 0.2
    seen: list[torch.Tensor] = []
    volume.mix[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    volume(0, content, position, volume.prepare(content, memory))
    query = volume.query(content).flatten(0, 1)
    found = []
    for level, (key, maps) in enumerate(zip(volume.key, memory.maps(), strict=True)):
        whole = torch.einsum("mnc,mhwc->mnhw", query, key(maps)) / C**0.5
        found.append(sample(whole, corner_pixels(position[..., :2], SIZES[0]) / 2**level, 2))
    expected = torch.cat(found, -1).view(B, S, N, -1)
    torch.testing.assert_close(seen[0][..., C:], expected, atol=1e-4, rtol=1e-4)


def sample(whole: torch.Tensor, at: torch.Tensor, radius: int) -> torch.Tensor:
    """Grid samples ``[M, N, (2r+1)^2]`` of maps ``[M, N, h, w]``: x slow, y fast, border repeated."""
    M, N, h, w = whole.shape
    steps = torch.arange(-radius, radius + 1.0)
    offsets = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1).flatten(0, 1)
    pixels = at.reshape(M * N, 1, 2) + offsets
    grid = pixels * 2 / torch.tensor([w - 1, h - 1]) - 1
    planes = whole.reshape(M * N, 1, h, w)
    found = F.grid_sample(planes, grid[:, None], padding_mode="border", align_corners=True)
    return found.view(M, N, -1)


def test_only_updated_points_move_and_stay_inside() -> None:
    position = torch.tensor([0.5, 0.5, 0.3, 0.3]).expand(1, 1, 3, 4)
    step = torch.tensor([[[[0.1, -0.2], [0.1, -0.2], [9.0, -9.0]]]])
    moved = displace(position, step, torch.tensor([[[True, False, True]]]))
    expected = [[0.6, 0.3, 0.3, 0.3], [0.5, 0.5, 0.3, 0.3], [0.999, 0.001, 0.3, 0.3]]
    torch.testing.assert_close(moved[0, 0], torch.tensor(expected), atol=1e-5, rtol=0)


def test_corner_pixels_multiply_by_the_other_side() -> None:
    """As the released weights were trained (docs/taptr.md, quirks)."""
    assert corner_pixels(torch.tensor([1.0, 0.5]), (9, 11)).tolist() == [8.0, 5.0]


@pytest.mark.parametrize("at_once", [1, 4, 100])
def test_pointwise_results_do_not_depend_on_chunks(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("motes.features.point_decoder.QUERIES_PER_CHUNK", at_once)
    x, y = torch.randn(2, 3, 5, 4), torch.randn(2, 3, 5, 4)
    with torch.no_grad():
        torch.testing.assert_close(pointwise(torch.add, x, y), x + y)
