"""Augmentation of training samples as in the CoTracker and TAPTR papers.

TAPTR trains with the same augmentation as CoTracker.  Every step maps a `Sample` to a `Sample`, and
the ground truth stays aligned with the pixels.  For this two details differ from the original code:
resizing maps pixel centres as the resampling does (not corners onto corners), and a mirrored x is
``W - 1 - x`` (not ``W - x``).

Random numbers come from a NumPy generator, so that a seed gives the same clip on every device.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from motes.coordinates import from_corner, inside, to_corner
from motes.data.sample import Sample
from motes.errors import InputError

Range = tuple[float, float]


@dataclass(frozen=True)
class Augmentation:
    """Parameters of augmentation; the defaults are those of CoTracker3 on Kubric.

    Attributes:
        crop: ``(H, W)`` of the result; None: frames are not cropped.
        erase: Probability that rectangles of a frame (except the first) get a constant colour.
        replace: Probability that rectangles of a frame (except the first) are replaced by parts of
            other frames; used by CoTracker 1, 2 and TAPTR (0.5).
        patches: Least and largest number of rectangles in such a frame.
        patch_side: Least and largest side of a rectangle, in pixels.
        jitter: Probability that the colours of a clip change.
        brightness: Largest relative change of brightness; likewise `contrast` and `saturation`.
        contrast: See `brightness`.
        saturation: See `brightness`.
        hue: Largest rotation of hue, in turns.
        blur: Probability that a clip is blurred.
        blur_kernel: Width of the Gaussian kernel in pixels, odd.
        blur_sigma: Range of its standard deviation, drawn per frame.
        pad: Largest number of black pixels added on each side.
        scale: Range of the scale of the first frame.
        scale_step: Largest change of scale from frame to frame.
        scale_limits: Bounds of the scale after all changes.
        shift_step: Largest step of the crop window from frame to frame, in pixels.
        margin: The scaled frame is larger than the crop by at least this many pixels.
        flip_x: Probability of mirroring left and right.
        flip_y: Probability of mirroring top and bottom.
        reverse: Probability of reversing time.
    """

    crop: tuple[int, int] | None = None
    erase: float = 0.5
    replace: float = 0.0
    patches: tuple[int, int] = (1, 10)
    patch_side: tuple[int, int] = (2, 99)
    jitter: float = 0.25
    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.2
    hue: float = 0.25 / 3.14
    blur: float = 0.25
    blur_kernel: int = 11
    blur_sigma: Range = (0.1, 2.0)
    pad: int = 24
    scale: Range = (0.75, 1.25)
    scale_step: float = 0.05
    scale_limits: Range = (0.2, 2.0)
    shift_step: int = 15
    margin: int = 10
    flip_x: float = 0.5
    flip_y: float = 0.5
    reverse: float = 0.0

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Augment a sample (without batch axis), in the order of the papers.

        Raises:
            InputError: The sample has a batch axis.
        """
        if sample.video.ndim != 4:
            raise InputError(f"expected one sample, got a batch of {len(sample.video)}")
        sample = erase(sample, rng, self)
        sample = replace_patches(sample, rng, self)
        if rng.random() < self.jitter:
            sample = replace(sample, video=jitter_colours(sample.video, rng, self))
        if rng.random() < self.blur:
            sample = replace(sample, video=blur(sample.video, rng, self))
        if self.crop is not None:
            sample = moving_crop(sample, rng, self)
        sample = flip(sample, x=rng.random() < self.flip_x, y=rng.random() < self.flip_y)
        return reverse_time(sample) if rng.random() < self.reverse else sample


# Time


def random_frames(
    num_frames: int, length: int, rng: np.random.Generator, max_stride: int = 1
) -> range:
    """Draw frames of a video to train on: a random stride, then a random start.

    Args:
        num_frames: Number of frames of the video.
        length: Number of frames to draw.
        rng: Random generator.
        max_stride: Largest step from frame to frame; also limited by the video's length.

    Raises:
        InputError: The video is too short.
    """
    if not 1 <= length <= num_frames:
        raise InputError(f"expected a video of at least {length} frames, got {num_frames}")
    longest = (num_frames - 1) // (length - 1) if length > 1 else 1
    stride = int(rng.integers(1, min(max_stride, longest) + 1))
    span = (length - 1) * stride + 1
    start = int(rng.integers(0, num_frames - span + 1))
    return range(start, start + span, stride)


def reverse_time(sample: Sample) -> Sample:
    """Reverse time."""
    return sample.frames(torch.arange(sample.num_frames - 1, -1, -1))


# Occlusion


def erase(sample: Sample, rng: np.random.Generator, config: Augmentation) -> Sample:
    """Cover rectangles of some frames with their mean colour; points inside are occluded."""
    video, visible = sample.video.clone(), sample.visible.clone()
    for t in _drawn_frames(sample, rng, config.erase):
        for box in _rectangles(sample.size, rng, config):
            part = video[t][:, box.rows, box.columns]
            part[:] = part.float().mean((1, 2), keepdim=True).round().to(torch.uint8)
            visible[t] &= ~box.contains(sample.xy[t])
    return replace(sample, video=video, visible=visible)


def replace_patches(sample: Sample, rng: np.random.Generator, config: Augmentation) -> Sample:
    """Cover rectangles of some frames with parts of a recoloured copy of the clip."""
    frames = _drawn_frames(sample, rng, config.replace)
    if not frames:
        return sample
    source = jitter_colours(jitter_colours(sample.video, rng, config), rng, config)
    video, visible = sample.video.clone(), sample.visible.clone()
    for t in frames:
        for box in _rectangles(sample.size, rng, config):
            taken = box.moved(sample.size, rng)
            piece = source[rng.integers(sample.num_frames)][:, taken.rows, taken.columns]
            video[t][:, box.rows, box.columns] = piece
            visible[t] &= ~box.contains(sample.xy[t])
    return replace(sample, video=video, visible=visible)


@dataclass(frozen=True)
class Box:
    """A rectangle of whole pixels: columns x0 .. x1-1 and rows y0 .. y1-1."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def columns(self) -> slice:
        """Its columns."""
        return slice(self.x0, self.x1)

    @property
    def rows(self) -> slice:
        """Its rows."""
        return slice(self.y0, self.y1)

    def contains(self, xy: Tensor) -> Tensor:
        """Bool ``[N]``: which positions ``[N, 2]`` lie on its pixels, up to their edges."""
        x, y = to_corner(xy).unbind(-1)
        return (x >= self.x0) & (x < self.x1) & (y >= self.y0) & (y < self.y1)

    def moved(self, size: tuple[int, int], rng: np.random.Generator) -> Box:
        """A rectangle of this size anywhere in an image of `size` (W, H)."""
        w, h = self.x1 - self.x0, self.y1 - self.y0
        x, y = int(rng.integers(size[0] - w + 1)), int(rng.integers(size[1] - h + 1))
        return Box(x, y, x + w, y + h)


def _drawn_frames(sample: Sample, rng: np.random.Generator, probability: float) -> list[int]:
    """Random frames to cover; never the first."""
    return [t for t in range(1, sample.num_frames) if rng.random() < probability]


def _rectangles(size: tuple[int, int], rng: np.random.Generator, config: Augmentation) -> list[Box]:
    """Random rectangles with centres in the image, clipped to the image."""
    W, H = size
    boxes = []
    for _ in range(rng.integers(*config.patches, endpoint=True)):
        w, h = rng.integers(*config.patch_side, size=2, endpoint=True)
        x, y = int(rng.integers(W) - w // 2), int(rng.integers(H) - h // 2)
        boxes.append(Box(max(x, 0), max(y, 0), min(x + int(w), W), min(y + int(h), H)))
    return [box for box in boxes if box.x0 < box.x1 and box.y0 < box.y1]


# Colour

GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness (ITU-R BT.601)."""

YIQ = np.array([GREY, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])
"""RGB to brightness and two colour axes; hue is an angle in their plane (NTSC)."""


def jitter_colours(video: Tensor, rng: np.random.Generator, config: Augmentation) -> Tensor:
    """Change brightness, contrast, saturation and hue, by amounts drawn for each frame.

    All four are linear in the colour: one 3x3 matrix and an offset per frame.

    Args:
        video: uint8 ``[T, 3, H, W]``.
        rng: Random generator.
        config: Largest amounts.

    Returns:
        uint8 ``[T, 3, H, W]``.
    """
    result = torch.empty_like(video)
    for t, frame in enumerate(video):
        colours = frame.float().flatten(1)  # [3, H W]
        matrix = colours.new_tensor(_colour_matrix(rng, config))
        gain = 1 + rng.uniform(-config.contrast, config.contrast)
        grey = colours.new_tensor(GREY) @ (matrix @ colours.mean(1))
        changed = (gain * matrix) @ colours + (1 - gain) * grey
        result[t] = changed.round().clamp(0, 255).to(torch.uint8).view_as(frame)
    return result


def _colour_matrix(rng: np.random.Generator, config: Augmentation) -> np.ndarray:
    """Brightness, saturation and hue as a matrix ``[3, 3]`` on RGB."""
    brightness = 1 + rng.uniform(-config.brightness, config.brightness)
    saturation = 1 + rng.uniform(-config.saturation, config.saturation)
    angle = 2 * np.pi * rng.uniform(-config.hue, config.hue)
    turn = saturation * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    in_yiq = np.block([[np.ones((1, 1)), np.zeros((1, 2))], [np.zeros((2, 1)), turn]])
    return brightness * np.linalg.inv(YIQ) @ in_yiq @ YIQ


def blur(video: Tensor, rng: np.random.Generator, config: Augmentation) -> Tensor:
    """Blur every frame with a Gaussian of random width.

    Args:
        video: uint8 ``[T, 3, H, W]``.
        rng: Random generator.
        config: Width of the kernel and range of sigma.

    Returns:
        uint8 ``[T, 3, H, W]``.
    """
    T, C, H, W = video.shape
    radius = config.blur_kernel // 2
    sigma = video.new_tensor(rng.uniform(*config.blur_sigma, size=(T, 1)), dtype=torch.float32)
    taps = torch.arange(-radius, radius + 1, device=video.device)
    kernel = F.normalize(torch.exp(-(taps**2) / (2 * sigma**2)), p=1, dim=1)  # [T, K]
    kernel = kernel.repeat_interleave(C, 0)[:, None]  # [T C, 1, K]
    planes = F.pad(video.float().reshape(1, T * C, H, W), [radius] * 4, mode="replicate")
    planes = F.conv2d(planes, kernel[:, :, None], groups=T * C)
    planes = F.conv2d(planes, kernel[..., None], groups=T * C)
    return planes.round().to(torch.uint8).view(T, C, H, W)


# Geometry


def flip(sample: Sample, *, x: bool, y: bool) -> Sample:
    """Mirror left and right (`x`), top and bottom (`y`)."""
    W, H = sample.size
    axes = [axis for axis, wanted in ((-1, x), (-2, y)) if wanted]
    if not axes:
        return sample
    sign = sample.xy.new_tensor([-1.0 if x else 1.0, -1.0 if y else 1.0])
    origin = sample.xy.new_tensor([W - 1.0 if x else 0.0, H - 1.0 if y else 0.0])
    return replace(sample, video=sample.video.flip(axes), xy=origin + sign * sample.xy)


def moving_crop(sample: Sample, rng: np.random.Generator, config: Augmentation) -> Sample:
    """Pad, scale and crop; scale and position of the window change slowly from frame to frame.

    Points that leave the window become invisible.
    """
    H, W = config.crop or sample.video.shape[-2:]
    pad = rng.integers(0, config.pad, size=4, endpoint=True)  # left, top, right, bottom
    padded = np.array(sample.size) + pad[:2] + pad[2:]
    scale = _drifting_scale(sample.num_frames, padded, (W, H), rng, config)  # [T, 2]
    centre = to_corner(_first_centre(sample) + pad[:2]) * scale[0]
    corner = _drifting_corner(scale * padded, centre - np.array([W, H]) / 2, (W, H), rng, config)

    # Scaling maps edges of pixels to edges, not centres to centres.
    scale_t, corner_t = (sample.xy.new_tensor(a)[:, None] for a in (scale, corner))  # [T, 1, 2]
    pad_t = sample.xy.new_tensor(pad[:2])
    xy = from_corner(to_corner(sample.xy + pad_t) * scale_t - corner_t)
    video = _resample(sample.video, scale_t, corner_t / scale_t - pad_t, (H, W))
    return Sample(video, xy, sample.visible & inside(xy, (W, H)), sample.valid)


def _first_centre(sample: Sample) -> np.ndarray:
    """Mean position of the points visible in frame 0; the image centre if there are none."""
    points = sample.xy[0, sample.visible[0]]
    if not len(points):
        return (np.array(sample.size) - 1) / 2
    return points.mean(0).cpu().numpy().astype(float)


def _drifting_scale(
    T: int,
    padded: np.ndarray,
    crop: tuple[int, int],
    rng: np.random.Generator,
    config: Augmentation,
) -> np.ndarray:
    """Smooth horizontal and vertical scale of each frame ``[T, 2]``; the frame covers the crop."""
    lowest = (np.array(crop) + config.margin) / padded
    scale: np.ndarray = np.full(2, rng.uniform(*config.scale))
    step, scales = np.zeros(2), []
    for t in range(T):
        if t > 0:
            new = rng.uniform(-config.scale_step, config.scale_step, 2)
            step = new if t == 1 else 0.8 * step + 0.2 * new
            scale = scale + step
            scale = (scale + scale.mean()) / 2
        scale = np.maximum(np.clip(scale, *config.scale_limits), lowest)
        scales.append(scale)
    return np.array(scales)


def _drifting_corner(
    size: np.ndarray,
    start: np.ndarray,
    crop: tuple[int, int],
    rng: np.random.Generator,
    config: Augmentation,
) -> np.ndarray:
    """Top-left corner of the window in each scaled frame, whole pixels ``[T, 2]``.

    Args:
        size: ``[T, 2]``, width and height of the scaled frames.
        start: ``[2]``, the corner in frame 0, before it is clamped to the frame.
        crop: ``(W, H)`` of the window.
        rng: Random generator.
        config: Largest step.
    """
    corner: np.ndarray = np.round(start)
    step: np.ndarray = np.zeros(2)
    corners = []
    for t, limit in enumerate(np.floor(size - crop)):
        if t > 0:
            new = rng.integers(-config.shift_step, config.shift_step, 2, endpoint=True)
            step = new if t == 1 else np.trunc(0.8 * step + 0.2 * new)
            corner = corner + step
        corner = np.clip(corner, 0, limit)
        corners.append(corner)
    return np.array(corners)


def _resample(video: Tensor, scale: Tensor, corner: Tensor, size: tuple[int, int]) -> Tensor:
    """Crop with bilinear interpolation; black outside of the frames.

    Args:
        video: uint8 ``[T, 3, h, w]``.
        scale: float32 ``[T, 1, 2]``, pixels of the result per pixel of the video.
        corner: float32 ``[T, 1, 2]``, top-left corner of the window, in corner coordinates.
        size: ``(H, W)`` of the result.

    Returns:
        uint8 ``[T, 3, H, W]``.
    """
    (T, _, h, w), (H, W) = video.shape, size
    x, y = (to_corner(torch.arange(side, device=video.device)) for side in (W, H))
    x = x / scale[..., :1] + corner[..., :1]  # [T, 1, W]
    y = y / scale[..., 1:] + corner[..., 1:]  # [T, 1, H]
    x, y = x * (2 / w) - 1, y * (2 / h) - 1  # grid_sample: -1 and 1 are the edges
    grid = torch.stack([x.expand(T, H, W), y.transpose(1, 2).expand(T, H, W)], -1)
    frames = F.grid_sample(video.float(), grid, align_corners=False)
    return frames.round().to(torch.uint8)
