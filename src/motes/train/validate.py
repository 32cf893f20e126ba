"""Validation during training: all points of a clip at once, which is cheap.

These scores show the progress of a run; the scores to publish come from ``motes eval``.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from motes import data
from motes.coordinates import Resize, from_corner, to_corner
from motes.data.dataset import Clip
from motes.data.sample import Sample
from motes.eval.metrics import tapvid_metrics
from motes.models.base import PointModel
from motes.models.preset import Preset
from motes.train.batches import Draws, HoldsOut, Share, draw_queries, seeded
from motes.train.config import EvalConfig, Stage

NAMES = {
    "AJ": "average_jaccard",
    "delta": "average_pts_within_thresh",
    "OA": "occlusion_accuracy",
}
"""Reported names, and the metrics of `motes.eval` that they stand for."""

HELD_OUT = 1 << 40
"""Number of the first validation sample; training stays below it."""


class Validation:
    """The validation clips.

    Args:
        config: Settings of the validation.
        preset: Its threshold defines which points are visible.
        draws: Samples of the recipe's sources, for recipes without a folder of clips.

    Raises:
        FileError: The folder of clips does not exist or is empty.
    """

    def __init__(self, config: EvalConfig, preset: Preset, draws: Draws) -> None:
        self.config, self.preset, self.draws = config, preset, draws
        self.collection = None
        if config.clips is not None:
            self.collection = data.load("clips", config.clips, config.number or None)

    @cached_property
    def samples(self) -> list[Sample]:
        """The clips, at the size of the validation.

        Raises:
            FileError: No clip in the folder is usable.
        """
        c = self.config
        if self.collection is not None:
            return list(self.collection.each(self._prepare))
        count = c.number or 8
        holding = [source for source in self.draws.sources if isinstance(source, HoldsOut)]
        if holding:
            clips = (holding[i % len(holding)].held_out(i) for i in range(count))
            return [self._shortened(clip) for clip in clips]
        stage = Stage(1, c.size, c.frames, c.points)
        draws = Draws(self.draws.sources, self.draws.config, stage, self.draws.seed)
        numbers = range(HELD_OUT, HELD_OUT + count)
        return [first(draws[i, c.frames, c.points].sample.to("cpu")) for i in numbers]

    def _prepare(self, clip: Clip) -> Sample:
        return self._shortened(clip.sample(range(min(self.config.frames, clip.tracks.num_frames))))

    def _shortened(self, sample: Sample) -> Sample:
        """The first frames of a clip, some of its points, and its size as configured."""
        c = self.config
        sample = sample.frames(torch.arange(min(c.frames, sample.num_frames)))
        usable = (sample.visible & sample.valid).any(0).nonzero()[:, 0]
        spread = torch.linspace(0, max(len(usable) - 1, 0), min(c.points, len(usable)))
        return resized(sample.points(usable[spread.long()]), c.size)

    def measure(self, model: PointModel, share: Share, device: torch.device) -> Tensor:
        """Sums over the clips of this process: one per name in `NAMES`, and the number of clips."""
        model.eval()
        sums = torch.zeros(len(NAMES) + 1, dtype=torch.float64)
        for sample in self.samples[share.rank :: share.world]:
            scores = score(model, self.preset, sample, device)
            if not any(np.isnan(value) for value in scores):
                sums += torch.tensor([*scores, 1.0])
        return sums.float()

    @staticmethod
    def scores(sums: Tensor) -> dict[str, float]:
        """Means over all clips in percent, from the sums of all processes; 0 without clips."""
        *totals, clips = sums.tolist()
        return {k: 100 * v / max(clips, 1) for k, v in zip(NAMES, totals, strict=True)}


@torch.inference_mode()
def score(model: PointModel, preset: Preset, sample: Sample, device: torch.device) -> list[float]:
    """The values of `NAMES` for one clip, query mode ``first``."""
    queries = draw_queries(sample, 1.0, seeded(0))
    video = sample.video.to(device).float()[None] / 255
    prediction = model(video, queries[None].to(device))
    metrics = tapvid_metrics(
        queries[:, 0].numpy(),
        raster(sample.xy, sample),
        ~sample.visible.T.numpy(),
        raster(prediction.xy[0].float().cpu(), sample),
        ~preset.visible(prediction)[0].T.cpu().numpy(),
        "first",
        sample.valid.T.numpy(),
    )
    return [metrics[name] for name in NAMES.values()]


def raster(xy: Tensor, sample: Sample) -> np.ndarray:
    """From pixels ``[T, N, 2]`` to the 256x256 raster of TAP-Vid, ``[N, T, 2]``."""
    size = np.array(sample.size)
    return from_corner(to_corner(xy.transpose(0, 1).numpy()) * (256 / size))


def resized(sample: Sample, size: tuple[int, int]) -> Sample:
    """The same clip with frames of height and width `size`."""
    H, W = size
    resize = Resize(sample.size, (W, H))
    video = resize.frames(sample.video.float()).round().clamp(0, 255).to(torch.uint8)
    xy = torch.from_numpy(resize.points(sample.xy.numpy()))
    return Sample(video, xy, sample.visible, sample.valid)


def first(batch: Sample) -> Sample:
    """The only sample of a batch of one."""
    return Sample(batch.video[0], batch.xy[0], batch.visible[0], batch.valid[0])
