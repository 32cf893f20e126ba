import numpy as np
import pytest
import torch

from motes.tracking.engine import upload


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("writeable", [True, False])
def test_a_frame_reaches_the_device_as_it_is(device, writeable):
    frame = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)[:, ::-1].copy()
    frame.flags.writeable = writeable
    found = upload(frame, torch.device(device))
    assert (found.device.type, found.dtype, found.shape) == (device, torch.uint8, (2, 4, 3))
    if device == "cpu":
        assert found.tolist() == frame.tolist()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_pinned_memory_is_not_overwritten_while_it_is_copied():
    frames = [np.full((1080, 1920, 3), number, np.uint8) for number in range(20)]
    found = [upload(frame, torch.device("cuda")) for frame in frames]
    assert [int(f.max()) for f in found] == [int(f.min()) for f in found] == list(range(20))
