import numpy as np
import torch

from motes.features.embeddings import (
    HarmonicEmbedding,
    OctaveEmbedding,
    embed_position,
    resize_time,
    sincos,
    time_table,
)


def test_sincos_by_formula():
    table = time_table(5, 8)
    u = 3 * 10000.0 ** (-np.arange(4) / 4)
    np.testing.assert_allclose(table[3], np.concatenate([np.sin(u), np.cos(u)]), atol=1e-7)


def test_time_is_stretched_between_half_pixel_centres():
    table = torch.tensor([[0.0], [1.0]])
    assert resize_time(table, 4).flatten().tolist() == [0, 0.25, 0.75, 1]
    assert torch.equal(resize_time(table, 2), table)
    assert resize_time(table, 1).flatten().tolist() == [0.5]


def test_positions_are_x_then_y_and_clamped_at_the_border():
    whole = embed_position(torch.tensor([[3.0, 1.0], [9.0, -4.0]]), (6, 4), 8)
    torch.testing.assert_close(whole[0], torch.cat([sincos(torch.tensor(v), 4) for v in (3, 1)]))
    torch.testing.assert_close(whole[1], torch.cat([sincos(torch.tensor(v), 4) for v in (5, 0)]))
    between = embed_position(torch.tensor([2.5, 0.0]), (6, 4), 8)[:4]
    mean = (sincos(torch.tensor(2), 4) + sincos(torch.tensor(3), 4)) / 2
    torch.testing.assert_close(between, mean)


def test_octaves():
    embed = OctaveEmbedding(2, 3)
    found = embed(torch.tensor([0.1, 0.2]))
    assert found.shape == (embed.out_channels,) == (14,)
    sines = [np.sin(2**k * r) for k in range(3) for r in (0.1, 0.2)]
    cosines = [np.cos(2**k * r) for k in range(3) for r in (0.1, 0.2)]
    np.testing.assert_allclose(found, [0.1, 0.2, *sines, *cosines], atol=1e-6)


def test_harmonics():
    embed = HarmonicEmbedding(2, 4)
    found = embed(torch.tensor([0.01, 0.02]))
    waves = [f(250 * k * u) for u in (0.01, 0.02) for k in range(4) for f in (np.sin, np.cos)]
    assert found.shape == (embed.out_channels,)
    np.testing.assert_allclose(found, [0.01, 0.02, *waves], atol=1e-6)
