import numpy as np
import pytest

from motes.eval.lanczos import resize, weights


def frame(size, seed=0):
    W, H = size
    return np.random.default_rng(seed).integers(0, 255, (H, W, 3), np.uint8)


# Newer versions of Pillow choose which pass comes first; for these sizes it is ours.
@pytest.mark.parametrize("size", [(640, 360), (300, 100), (257, 255), (17, 23)])
def test_equals_pillow(size):
    image = pytest.importorskip("PIL.Image", reason="Pillow is the reference")
    ours = resize(frame(size), (256, 256)).astype(int)
    theirs = np.asarray(image.fromarray(frame(size)).resize((256, 256), image.Resampling.LANCZOS))
    assert np.abs(ours - theirs).max() <= 1
    assert (ours != theirs).mean() < 0.01


def test_a_frame_of_the_right_size_is_left_alone():
    given = frame((256, 256))
    assert resize(given, (256, 256)) is given


@pytest.mark.parametrize(("source", "target"), [(640, 256), (100, 256), (256, 256), (3, 7)])
def test_weights_add_to_one_and_keep_the_edges_in_place(source, target):
    table = weights(source, target)
    np.testing.assert_allclose(table.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(table, table[::-1, ::-1], atol=1e-6)


def test_a_flat_frame_stays_flat():
    assert set(np.unique(resize(np.full((50, 70, 3), 99, np.uint8), (256, 256)))) == {99}
