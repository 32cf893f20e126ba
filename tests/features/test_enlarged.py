import pytest
import torch
from torch import nn

from motes.features import enlarged
from motes.features.enlarged import conv_by_joining, conv_of_joined


@pytest.fixture
def no_map_is_small(monkeypatch):
    monkeypatch.setattr(enlarged, "SMALL_MAP", 0)


SIZES = {
    "as in the encoder": [(24, 32), (12, 16), (6, 8), (3, 4)],
    "odd": [(21, 33), (13, 17), (7, 9), (3, 5)],
    "several bands": [(50, 150), (26, 76), (13, 38), (1, 2)],
    "nothing to enlarge": [(12, 16), (12, 16)],
    "all to enlarge": [(6, 8), (3, 4)],
}


@pytest.mark.parametrize("case", SIZES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03)])
@pytest.mark.usefixtures("no_map_is_small")
def test_enlarging_afterwards_is_enlarging_before(case, dtype, tolerance):
    torch.manual_seed(0)
    maps = [
        torch.randn(2, 3 + i, *size).contiguous(memory_format=torch.channels_last)
        for i, size in enumerate(SIZES[case])
    ]
    conv = nn.Conv2d(sum(m.shape[1] for m in maps), 5, 3, padding=1)
    size = (26, 76) if case == "several bands" else (12, 16)
    with torch.inference_mode():
        expected = conv_by_joining(conv, maps, size)
        found = conv_of_joined(conv.to(dtype), [m.to(dtype) for m in maps], size)
    torch.testing.assert_close(found.float(), expected, atol=tolerance, rtol=tolerance)


def test_weights_get_a_gradient():
    maps = [torch.randn(1, 2, 4, 4), torch.randn(1, 2, 2, 2)]
    conv = nn.Conv2d(4, 3, 3, padding=1)
    conv_of_joined(conv, maps, (4, 4)).sum().backward()
    assert conv.weight.grad is not None
