"""Clips as they come out of a video file: coded as H.264 and decoded again."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

FPS = Fraction(24)
"""Frame rate of generated videos."""

GROUP = 48
"""Frames from one that is coded alone to the next."""


def as_coded(video: Tensor, crf: int) -> Tensor:
    """Code and decode a clip.

    Args:
        video: ``[T, 3, H, W]`` in 0..1, on any device.
        crf: Constant rate factor of x264, 0 to 51; 18 is close to lossless to the eye, above 30
            blocks and smeared textures are seen.

    Returns:
        The clip of the same shape and device.
    """
    H, W = video.shape[-2:]
    even = F.pad(video, (0, W % 2, 0, H % 2), mode="replicate")
    frames = (even.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    decoded = torch.from_numpy(np.stack(_decode(_encode(frames, crf))))
    return (decoded.permute(0, 3, 1, 2).to(video) / 255)[..., :H, :W]


def _encode(frames: np.ndarray, crf: int) -> list[av.Packet]:
    """Packets of frames uint8 ``[T, H, W, 3]``; one thread, so that they are always the same."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width = frames.shape[1:3]
    encoder.pix_fmt, encoder.framerate, encoder.gop_size = "yuv420p", FPS, GROUP
    encoder.options = {"crf": str(crf), "preset": "veryfast", "threads": "1"}
    packets = []
    for number, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture.pts = number
        packets += encoder.encode(picture.reformat(format="yuv420p"))
    return packets + list(encoder.encode(None))


def _decode(packets: list[av.Packet]) -> list[np.ndarray]:
    decoder = av.CodecContext.create("h264", "r")
    pictures = [p for packet in packets for p in decoder.decode(packet)] + decoder.decode(None)
    return [picture.to_ndarray(format="rgb24") for picture in pictures]
