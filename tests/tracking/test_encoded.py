from threading import get_ident

import numpy as np
import pytest
import torch

from motes import open_video
from motes.models.base import FeatureMaps
from motes.tracking.encoded import CHUNK, EncodedVideo

T = 2 * CHUNK + 3


def frames(T=T):
    return np.arange(T, dtype=np.uint8)[:, None, None, None] * np.ones((4, 6, 3), np.uint8)


class Counter:
    """Features that hold the number of the frame, and a count of the frames encoded."""

    def __init__(self):
        self.encoded = 0

    def __call__(self, frames):
        frames = np.stack(list(frames))
        self.encoded += len(frames)
        return FeatureMaps((torch.from_numpy(frames[None, :, :1, :1, 0]).float(),))


def numbers(chunks):
    return [int(v) for chunk in chunks for v in chunk.levels[0].flatten()]


@pytest.mark.parametrize("kept_bytes", [None, 0, 40, 1 << 20])
@pytest.mark.parametrize("source", [frames, lambda: iter(frames())])
def test_forward_and_backward(kept_bytes, source):
    if kept_bytes is None and source is not frames:
        return  # frames that pass once cannot be read again
    encode = Counter()
    encoded = EncodedVideo(open_video(source()), encode, kept_bytes)
    assert numbers(encoded.forward()) == list(range(T))
    assert encoded.num_frames == T
    for last in (0, CHUNK - 1, CHUNK, T - 1):
        assert numbers(encoded.backward(last)) == list(range(last, -1, -1))
    assert numbers(encoded.forward()) == list(range(T))
    assert (encode.encoded == T) == (kept_bytes is not None)


def test_chunks_beyond_the_limit_go_to_disk_and_leave_with_the_video(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    encoded = EncodedVideo(open_video(frames()), Counter(), 40)
    list(encoded.forward())
    assert len(list(tmp_path.rglob("*.pt"))) == 2
    del encoded
    assert not list(tmp_path.iterdir())


def test_frames_are_resized_ahead_in_another_thread():
    threads = []

    def resized(frame):
        threads.append(get_ident())
        return 2 * frame

    encoded = EncodedVideo(open_video(frames()), Counter(), None, resized)
    assert numbers(encoded.forward()) == [2 * t for t in range(T)]
    assert get_ident() not in threads
    assert numbers(encoded.backward(1)) == [2, 0]


def test_an_error_of_resizing_comes_where_it_happened():
    def resized(frame):
        return frame if frame[0, 0, 0] < CHUNK else 1 // 0

    chunks = EncodedVideo(open_video(frames()), Counter(), None, resized).forward()
    assert len(next(chunks)) == CHUNK
    with pytest.raises(ZeroDivisionError):
        next(chunks)
