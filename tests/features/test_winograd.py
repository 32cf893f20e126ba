import pytest
import torch
import torch.nn.functional as F
from torch import nn

from motes.features import winograd
from motes.features.winograd import conv2d, convolve


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)


def inputs(frames, channels, out, size):
    torch.manual_seed(0)
    x = torch.randn(frames, channels, *size).contiguous(memory_format=torch.channels_last)
    return x, torch.randn(out, channels, 3, 3) / (9 * channels) ** 0.5, torch.randn(out)


SIZES = {
    "whole tiles": (1, 64, 64, (24, 32)),
    "parts of tiles": (2, 65, 70, (29, 31)),
    "a row of tiles": (1, 64, 64, (4, 200)),
    "a single row": (1, 64, 64, (1, 800)),
}


@pytest.mark.parametrize("working_set", [1, 2**18, winograd.WORKING_SET])
@pytest.mark.parametrize("case", SIZES)
def test_it_is_a_convolution(case, working_set, monkeypatch):
    monkeypatch.setattr(winograd, "WORKING_SET", working_set)
    x, weight, bias = inputs(*SIZES[case])
    with torch.inference_mode():
        found, without_bias = winograd.winograd(x, weight, bias), winograd.winograd(x, weight)
    expected = F.conv2d(x.double(), weight.double(), bias.double(), padding=1)
    torch.testing.assert_close(found.double(), expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(without_bias + bias[:, None, None], found)
    assert found.shape == expected.shape


def test_memory_is_channels_last_for_the_next_layer():
    with torch.inference_mode():
        found = conv2d(*inputs(2, 64, 64, (24, 32)))
    assert found.is_contiguous(memory_format=torch.channels_last)


ELSEWHERE = {
    "gradients": lambda x, w, b: torch.enable_grad()(conv2d)(x, w, b),
    "bfloat16": lambda x, w, b: conv2d(x.bfloat16(), w.bfloat16(), b.bfloat16()),
    "few channels": lambda x, w, b: conv2d(x[:, :63], w[:, :63], b),
    "few results": lambda x, w, b: conv2d(x, w[:63], b[:63]),
    "a small map": lambda x, w, b: conv2d(x[:, :, :16, :16], w, b),
    "stride 2": lambda x, w, b: conv2d(x, w, b, (2, 2)),
    "no padding": lambda x, w, b: conv2d(x, w, b, padding=(0, 0)),
    "1x1": lambda x, w, b: conv2d(x, w[..., :1, :1], b, padding=(0, 0)),
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_it_is_used_only_where_it_pays(case, monkeypatch):
    monkeypatch.setattr(winograd, "winograd", None)
    x, weight, bias = inputs(1, 64, 64, (24, 32))
    with torch.no_grad():
        ELSEWHERE[case](x, weight, bias)
        with pytest.raises(TypeError):
            conv2d(x, weight, bias)


def test_several_threads_convolve_directly(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(winograd, "winograd", None)
    with torch.no_grad():
        assert conv2d(*inputs(1, 64, 64, (24, 32))).shape == (1, 64, 24, 32)


@pytest.mark.parametrize(
    "options", [{}, {"stride": 2}, {"padding": 1}, {"padding": "same"}, {"groups": 2}]
)
def test_a_layer_gives_what_it_gives_when_called(options):
    x, _, _ = inputs(1, 64, 64, (28, 36))
    conv = nn.Conv2d(64, 64, 3, **options)
    with torch.no_grad():
        torch.testing.assert_close(convolve(conv, x), conv(x), atol=1e-4, rtol=0)
