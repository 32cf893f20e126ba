import pytest
import torch
from torch import nn

from motes.features.linear import linear, linear_in_steps


@pytest.mark.parametrize("gelu", [None, "none", "tanh"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 3, 6), (1, 6), (0, 6)])
def test_one_pass_is_the_layer_and_its_gelu(gelu, bias, shape):
    torch.manual_seed(0)
    layer, x = nn.Linear(6, 4, bias), torch.randn(shape)
    with torch.inference_mode():
        torch.testing.assert_close(linear(layer, x, gelu), linear_in_steps(layer, x, gelu))


@pytest.mark.parametrize("gelu", [None, "none", "tanh"])
def test_autocast_chooses_the_number_type(gelu):
    torch.manual_seed(0)
    layer, x = nn.Linear(6, 4), torch.randn(5, 6)
    with torch.inference_mode():
        with torch.autocast("cpu", torch.bfloat16):
            found = linear(layer, x, gelu)
        expected = linear_in_steps(layer, x, gelu)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, atol=0.02, rtol=0.02)


def test_gradients_are_recorded():
    layer, x = nn.Linear(6, 4), torch.randn(5, 6)
    linear(layer, x, "tanh").sum().backward()
    assert layer.weight.grad is not None
