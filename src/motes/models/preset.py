"""`Preset`: a model that users can load by name, with its weights and settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from motes.coordinates import ResizeRule
from motes.models.base import PointModel, Prediction


@dataclass(frozen=True)
class WeightsInfo:
    """Source and licence of the weights of a preset.

    Attributes:
        licence: SPDX name, or the words of the owner.
        repo: Repository on the Hugging Face hub.
        filename: File in that repository, or in `motes/assets` when `embedded`.
        url: Official download address, where there is no repository.
        embedded: Whether the file is part of this package.
        sha256: Digest of the file in hexadecimal, which is checked after a download; None: unknown.
        page: Page where the file can be found, if it has no address for downloads.

    Example:
        >>> from motes.tracking.load import presets
        >>> info = presets()["motes-s"].weights
        >>> info.licence, info.embedded
        ('Apache-2.0', True)
    """

    licence: str
    filename: str
    repo: str | None = None
    url: str | None = None
    embedded: bool = False
    sha256: str | None = None
    page: str | None = None


@dataclass(frozen=True)
class Accuracy:
    """Scores as `motes eval` measures them, in percent.

    Attributes:
        aj: Average Jaccard.
        delta: Points within 1, 2, 4, 8 and 16 pixels, averaged.
        oa: Occlusion accuracy.
        data: Clips and protocol.

    Example:
        >>> from motes.models.preset import Accuracy
        >>> Accuracy(aj=64.1, delta=75.1, oa=86.9).aj
        64.1
    """

    aj: float
    delta: float
    oa: float
    data: str = "rendered validation clips, tapvid (docs/howto/evaluate.md)"


@dataclass(frozen=True)
class Support:
    """Extra points for joint models when there are few queries; their tracks are not returned.

    Attributes:
        global_grid: Side of a grid over the whole frame; 0: none.
        local_grid: Side of a grid around each query; 0: none.
        local_extent: Width and height of a local grid, in pixels of the model.
        below: Support points are added when there are fewer queries than this.

    Example:
        >>> from motes.models.preset import Support
        >>> Support(global_grid=5, local_grid=4, below=8).local_extent
        50.0
    """

    global_grid: int = 0
    local_grid: int = 0
    local_extent: float = 50.0
    below: int = 0


@dataclass(frozen=True)
class Preset:
    """A model that users can load by name: architecture, configuration, weights and settings.

    Attributes:
        name: Name for users.
        summary: One line for the table of models.
        build: Builds the module from `config`.
        config: The frozen configuration of the architecture.
        resize: Rule for resizing frames to the working resolution.
        visible_above: A point is visible where its score is above this.
        score_with_confidence: Whether the score is visibility times confidence.
        support: Support points that are added by default.
        bfloat16: Whether ``dtype="auto"`` may choose bfloat16: it makes the model faster, and
            its tracks differ from those of float32 by less than 0.1 pixels (median).
        weights: None where the model needs none.
        accuracy: Measured with these weights; None: not measured.
        rename: Pure function from the keys of a checkpoint to those of the module.
        configure: Fits `config` to a checkpoint (for example its window length), given its tensors.

    Example:
        >>> from motes.tracking.load import presets
        >>> preset = presets()["cotracker3-online"]
        >>> preset.name, preset.resize.size, preset.score_with_confidence
        ('cotracker3-online', (384, 512), True)
    """

    name: str
    summary: str
    build: Callable[[Any], PointModel]
    config: Any = None
    resize: ResizeRule = field(default_factory=ResizeRule)
    visible_above: float = 0.5
    score_with_confidence: bool = False
    support: Support = field(default_factory=Support)
    bfloat16: bool = False
    weights: WeightsInfo | None = None
    accuracy: Accuracy | None = None
    rename: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] | None = None
    configure: Callable[[Any, Mapping[str, Tensor]], Any] | None = None

    def visible(self, prediction: Prediction) -> Tensor:
        """Whether points count as visible, bool ``[B, T, N]``."""
        score = prediction.score if self.score_with_confidence else prediction.visibility
        return score > self.visible_above
