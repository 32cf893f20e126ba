"""Small clips with known tracks, in the file formats of the data sets."""

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from motes.video import open_writer


@dataclass
class Made:
    """T frames, and N points in them: positions in pixels, and visibility."""

    video: np.ndarray
    xy: np.ndarray
    visible: np.ndarray

    @property
    def raster(self):
        H, W = self.video.shape[1:3]
        return ((self.xy + 0.5) / [W, H]).astype(np.float32)


@pytest.fixture
def make():
    def make(T=5, N=4, size=(48, 32), seed=0):
        W, H = size
        rng = np.random.default_rng(seed)
        blobs = rng.integers(0, 255, (T, H // 8, W // 8, 3), np.uint8)
        video = np.stack([cv2.resize(b, size, interpolation=cv2.INTER_CUBIC) for b in blobs])
        xy = rng.uniform(0, np.array(size) - 1, (N, T, 2)).astype(np.float32)
        visible = rng.random((N, T)) < 0.7
        visible[:, 0] = True
        return Made(video, xy, visible)

    return make


@pytest.fixture
def write_clip():
    def write_clip(folder, name, made, **changes):
        H, W = made.video.shape[1:3]
        folder.mkdir(parents=True, exist_ok=True)
        with open_writer(folder / f"{name}.mp4", (W, H), 12) as writer:
            for frame in made.video:
                writer.write(frame)
        arrays = {"points": made.raster, "occluded": ~made.visible} | changes
        np.savez(folder / f"{name}.npz", **{k: v for k, v in arrays.items() if v is not None})
        return folder / f"{name}.npz"

    return write_clip


@pytest.fixture
def write_images():
    def write_images(folder, made, suffix=".png"):
        folder.mkdir(parents=True, exist_ok=True)
        for t, frame in enumerate(made.video):
            cv2.imwrite(str(folder / f"{t:05d}{suffix}"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

    return write_images


@pytest.fixture
def same():
    """Whether a clip equals the one that was written."""

    def same(clip, made, lossless=True):
        frames = np.stack(list(clip))
        difference = np.abs(frames.astype(int) - made.video).mean()
        np.testing.assert_allclose(clip.tracks.xy, made.xy, atol=1e-4)
        assert np.array_equal(clip.tracks.visible, made.visible)
        assert clip.tracks.size == made.video.shape[2:0:-1]
        assert difference == 0 if lossless else difference < 12
        return True

    return same
