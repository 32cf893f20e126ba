"""TAPTR and TAPTRv2: tracked points as the queries of a detection transformer.

Sources: "TAPTR" (arXiv 2403.13042), "TAPTRv2" (arXiv 2407.16291); deviations that the released
weights rely on are listed in docs/taptr.md.  Positions are (x, y, w, h), normalised so that 0 and 1
are the centres of the first and the last pixel; w and h have no meaning, but the network uses them.
Shapes: B videos, S frames of a window, N points, C channels, D decoder layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from motes.coordinates import ResizeRule
from motes.features.deformable_encoder import DeformableEncoder
from motes.features.mlp import mlp
from motes.features.point_decoder import Decoder, DecoderConfig, Refined, Window, corner_pixels
from motes.features.positions import logit
from motes.features.pyramid import Pyramid
from motes.features.resnet import ResidualPyramid, ResNet50
from motes.features.sampling import patches
from motes.models.base import Features, PointModel, Prediction, Schedule, State, Trace
from motes.models.preset import Preset, WeightsInfo
from motes.models.taptr_keys import rename_taptr

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Of the pixels of ImageNet, in RGB: what the backbone expects."""

VISIBLE, OCCLUDED = 1, 2
"""Classes; 0 is unused."""

PIXELS_AT_ONCE = 2**17
"""Pixels of the frames that are encoded together while no gradients are recorded."""


@dataclass(frozen=True)
class TaptrConfig:
    """Architecture; the defaults are TAPTRv2's."""

    widths: tuple[int, ...] | None = None  # stages of a residual pyramid; None: ResNet-50
    width: int = 256  # C, channels of tokens and points
    heads: int = 8
    samples: int = 4  # sampling positions of a head in each feature map
    hidden: int = 2048  # hidden width of the MLPs
    encoder_layers: int = 2
    decoder_layers: int = 5  # D
    cost_volume: bool = False  # TAPTR: a cost volume instead of the position update
    proxies: int | None = None  # proxy tokens K of the attention among points; None: full attention
    window: int = 8  # S
    step: int = 4
    dropout: float = 0.6  # of a window's content update, in training
    clip: int = 24  # frames of the training videos; longer ones update later frames less often


@dataclass(frozen=True)
class TaptrFeatures(Features):
    """Encoded feature maps.

    Attributes:
        levels: Per level ``[B, T, h, w, C]``, the finest first.
        size: Width and height of the frames in pixels; a map covers up to one cell more.
    """

    levels: tuple[Tensor, ...]
    size: tuple[int, int]


@dataclass(frozen=True)
class TaptrState(State):
    """What the next window needs of the previous ones."""

    started: Tensor  # bool [B, N]: the query frame has been reached
    initial: Tensor  # [B, N, C] content at the query
    content: Tensor  # [B, N, S, C] in the frames of the last window
    content_after: Tensor  # [B, N, C] content for all frames after the last window
    positions: Tensor  # [B, N, S, 4] logits in the frames of the last window
    classes: Tensor  # [B, N, S, 3] logits
    first: int = 0  # number of the first frame of that window
    num_frames: int | None = None  # of the video; None: unknown


@dataclass(frozen=True)
class LayerTrace(Trace):
    """A `Trace` with the inputs of TAPTR's losses; D entries in each tuple.

    From `Taptr.advance` it covers one window, from `Taptr.track` the whole video, where each frame
    has the values of the last window that refined it.  Frames up to the query frame hold the
    initial values.

    Attributes:
        positions: ``[B, S, N, 4]`` logits of each layer.
        classes: ``[B, S, N, 3]`` logits of each layer.
        moved: ``[B, S, N, 4]`` logits right after the attention-based position update of each
            layer; empty for TAPTR, which has none.
        size: Width and height of the video, in pixels of the model.
    """

    positions: tuple[Tensor, ...] = ()
    classes: tuple[Tensor, ...] = ()
    moved: tuple[Tensor, ...] = ()
    size: tuple[int, int] = (0, 0)


class Taptr(PointModel):
    """Frames are encoded one by one; points are refined window by window."""

    features_type = TaptrFeatures

    mean: Tensor
    std: Tensor

    def __init__(self, config: TaptrConfig) -> None:
        super().__init__()
        self.config = c = config
        self.schedule = Schedule(c.window, c.step, final=1, full_last=True)
        self.point_bytes = 60_000 if c.cost_volume else 25_000  # for taptr and taptrv2
        self.backbone = ResNet50() if c.widths is None else ResidualPyramid(c.widths)
        self.stride = self.backbone.stride
        levels = len(self.backbone.out_channels)
        self.project = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, c.width, 1), nn.GroupNorm(32, c.width))
            for channels in self.backbone.out_channels
        )
        self.encoder = DeformableEncoder(
            c.width, c.heads, levels, c.samples, c.hidden, c.encoder_layers
        )
        self.decoder = Decoder(
            DecoderConfig(
                width=c.width,
                heads=c.heads,
                levels=levels,
                samples=c.samples,
                hidden=c.hidden,
                depth=c.decoder_layers,
                proxies=c.proxies,
                cost_volume=c.cost_volume,
            )
        )
        self.query_content = nn.Linear(levels * c.width, c.width)
        self.between_windows = mlp(3 * c.width, c.width, c.width)
        self.dropout = nn.Dropout(c.dropout)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)
        for part in self.project.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.xavier_uniform_(part.weight)
                nn.init.zeros_(part.get_parameter("bias"))

    def encode(self, video: Tensor) -> TaptrFeatures:
        """Feature maps at 1/4, 1/8, ... of the frames ``[B, T, 3, H, W]`` in [0, 1]."""
        frames = video.flatten(0, 1)
        maps = self.encode_frames(frames) if torch.is_grad_enabled() else self._encode_some(frames)
        H, W = video.shape[-2:]
        return TaptrFeatures(tuple(m.unflatten(0, (len(video), -1)) for m in maps), (W, H))

    def _encode_some(self, frames: Tensor) -> list[Tensor]:
        """Encode a few frames at a time, which limits the memory of intermediate results."""
        size, all_maps = max(1, PIXELS_AT_ONCE // frames[0, 0].numel()), list[Tensor]()
        for start in range(0, len(frames), size):
            maps = self.encode_frames(frames[start : start + size])
            all_maps = all_maps or [m.new_empty(len(frames), *m.shape[1:]) for m in maps]
            for whole, part in zip(all_maps, maps, strict=True):
                whole[start : start + size] = part
        return all_maps

    def encode_frames(self, frames: Tensor) -> list[Tensor]:
        """Frames ``[n, 3, H, W]`` in [0, 1] to maps ``[n, h, w, C]``, all at once."""
        normal = (frames - self.mean) / self.std
        maps = zip(self.project, self.backbone(normal), strict=True)
        return self.encoder([project(m) for project, m in maps]).maps()

    def start(
        self, queries: Tensor, num_frames: int | None = None, schedule: Schedule | None = None
    ) -> TaptrState:
        """The state before the first window: no point has started."""
        (B, N, _), S, C = queries.shape, self.config.window, self.config.width
        return TaptrState(
            started=torch.zeros(B, N, dtype=torch.bool, device=queries.device),
            initial=queries.new_zeros(B, N, C),
            content=queries.new_zeros(B, N, S, C),
            content_after=queries.new_zeros(B, N, C),
            positions=queries.new_zeros(B, N, S, 4),
            classes=queries.new_zeros(B, N, S, 3),
            num_frames=num_frames,
        )

    def track(
        self,
        features: TaptrFeatures,
        queries: Tensor,
        iterations: int | None = None,
        schedule: Schedule | None = None,
        cache: None = None,
    ) -> Prediction:
        """Track through frames that are encoded already; see `PointModel.track`."""
        prediction = super().track(features, queries, iterations, schedule)
        return replace(
            prediction, aux=prediction.aux and whole_video(prediction.aux, len(features))
        )

    def advance(
        self,
        state: TaptrState,
        features: TaptrFeatures,
        queries: Tensor,
        start: int,
        iterations: int | None = None,
        cache: None = None,
    ) -> tuple[Prediction, TaptrState]:
        """Refine the points of one window; see `PointModel.advance`.

        The number of refinements is the number of decoder layers; `iterations` is ignored.
        A point added after its query frame starts in the first frame of the window.
        """
        given = len(features)
        window = make_window(features.padded(self.config.window), queries, start)
        state = self._initialise(state, window, queries, start, features.size)
        layers: list[Refined] = []
        if bool(window.updated.any()):
            inputs = (state.content.transpose(1, 2), state.positions.transpose(1, 2))
            layers = self.decoder(*inputs, window)
        trace = self._trace(state, layers, window, features.size) if self.training else None
        state = self._write_back(state, layers, window)
        xy = pixels(state.positions.transpose(1, 2), features.size)
        visibility = state.classes[..., VISIBLE].mT.sigmoid()
        return Prediction(xy, visibility, None, trace)[:given], state

    def _initialise(
        self, state: TaptrState, window: Window, queries: Tensor, start: int, size: Sequence[int]
    ) -> TaptrState:
        """Initial values of a window: from the window before, or from the query."""
        position = queries[..., 1:] / (queries.new_tensor(size) - 1)
        found = self.look_up(window.memory, position, queries[..., 0] - start)
        logits = torch.cat([logit(position), torch.zeros_like(position)], -1)[:, :, None]
        classes = F.one_hot(torch.tensor(VISIBLE), 3).to(logits)

        def choose(old: Tensor, new: Tensor) -> Tensor:
            started = state.started.view(*state.started.shape, *[1] * (old.ndim - 2))
            return torch.where(started, old, new)

        def shifted(values: Tensor, after: Tensor) -> Tensor:
            passed = min(start - state.first, values.shape[2])
            kept = values[:, :, passed:]
            return torch.cat([kept, after[:, :, None].expand(-1, -1, passed, -1)], 2)

        return replace(
            state,
            started=state.started | window.tracked.any(1),
            initial=choose(state.initial, found),
            content=choose(shifted(state.content, state.content_after), found[:, :, None]),
            content_after=choose(state.content_after, found),
            positions=choose(shifted(state.positions, state.positions[:, :, -1]), logits),
            classes=choose(shifted(state.classes, state.classes[:, :, -1]), classes),
            first=start,
        )

    def look_up(self, memory: Pyramid, position: Tensor, frame: Tensor) -> Tensor:
        """Content ``[B, N, C]`` at normalised positions and in frames ``[B, N]`` of the window."""
        B, N, _ = position.shape
        S = memory.tokens.shape[0] // B  # not len(): an exported graph would fix the number
        index = frame.long().clamp(0, S - 1) + torch.arange(B, device=frame.device)[:, None] * S
        found = [
            patches(m, index.flatten(), corner_pixels(position, m.shape[1:3]).flatten(0, 1), 0)
            for m in memory.maps()
        ]
        return self.query_content(torch.cat(found, -1)[:, 0].unflatten(0, (B, N)))

    def _write_back(self, state: TaptrState, layers: list[Refined], window: Window) -> TaptrState:
        """Write back the output of the last layer, for this window and for later ones."""
        if not layers:
            return state
        content, positions, classes = (t.transpose(1, 2) for t in layers[-1][:3])
        updated = window.updated.mT[..., None]  # [B, N, S, 1]
        initial = state.initial[:, :, None].expand_as(state.content)
        change = self.between_windows(torch.cat([initial, state.content, content], -1))
        after = state.content + self.dropout(change) * updated
        return replace(
            state,
            content=after,
            content_after=after[:, :, -1]
            if self._updates_later_frames(state)
            else state.content_after,
            positions=torch.where(updated, positions, state.positions),
            classes=torch.where(updated, classes, state.classes),
        )

    def _updates_later_frames(self, state: TaptrState) -> bool:
        """Whether the content of this window also becomes that of all later frames.

        In videos longer than the training videos only some windows do so.  If the length of the
        video is unknown, as in a live stream, every window does.
        """
        if self.training or state.num_frames is None or state.num_frames <= self.config.clip:
            return True
        return state.first // self.config.step % (state.num_frames // self.config.clip) == 0

    def _trace(
        self, state: TaptrState, layers: list[Refined], window: Window, size: Sequence[int]
    ) -> LayerTrace:
        """The inputs of the losses, for a window with the initial values `state`."""
        start, updated = state.first, window.updated[..., None]
        positions, classes = state.positions.transpose(1, 2), state.classes.transpose(1, 2)
        if not layers:
            moved = None if self.decoder.fuse is None else positions
            idle = Refined(positions, positions, classes, moved)
            layers = [idle] * self.config.decoder_layers
        placed = tuple(torch.where(updated, layer.positions, positions) for layer in layers)
        labels = tuple(torch.where(updated, layer.classes, classes) for layer in layers)
        moved_positions = [layer.moved for layer in layers if layer.moved is not None]
        return LayerTrace(
            start,
            tuple(pixels(p, size) for p in placed),
            tuple(c[..., VISIBLE] for c in labels),
            positions=placed,
            classes=labels,
            moved=tuple(torch.where(updated, m, positions) for m in moved_positions),
            size=(size[0], size[1]),
        )


def make_window(features: TaptrFeatures, queries: Tensor, start: int) -> Window:
    """The decoder's view of features ``[B, S, h, w, C]`` that start at frame `start`."""
    tokens = torch.cat([level.flatten(2, 3) for level in features.levels], 2).flatten(0, 1)
    sizes = tuple((level.shape[2], level.shape[3]) for level in features.levels)
    frame = torch.arange(start, start + len(features), device=queries.device)[:, None]
    query_frame = queries[:, None, :, 0]
    return Window(Pyramid(tokens, sizes), frame >= query_frame, frame > query_frame)


def pixels(positions: Tensor, size: Sequence[int]) -> Tensor:
    """Logits ``[..., 4]`` to pixels (x, y) of an image of `size` (W, H)."""
    return positions[..., :2].sigmoid() * (positions.new_tensor(size) - 1)


def whole_video(traces: Sequence[LayerTrace], num_frames: int) -> LayerTrace:
    """Join the traces of consecutive windows; a later window overrides an earlier one."""
    ends = [*(trace.start for trace in traces[1:]), num_frames]
    counts = [end - trace.start for trace, end in zip(traces, ends, strict=True)]

    def join(name: str) -> tuple[Tensor, ...]:
        windows = (
            [layer[:, :count] for layer in getattr(trace, name)]
            for trace, count in zip(traces, counts, strict=True)
        )
        return tuple(torch.cat(parts, 1) for parts in zip(*windows, strict=True))

    return replace(
        traces[0],
        xy=join("xy"),
        visibility=join("visibility"),
        positions=join("positions"),
        classes=join("classes"),
        moved=join("moved"),
    )


TAPTR_V2 = Preset(
    name="taptrv2",
    summary="TAPTRv2: attention-based position update; windows of 8 frames",
    build=Taptr,
    config=TaptrConfig(),
    resize=ResizeRule(size=(512, 512)),
    bfloat16=True,
    weights=WeightsInfo(
        "licence of its authors",
        "taptrv2.pth",
        page="the project page that the paper names (https://arxiv.org/abs/2407.16291)",
    ),
    rename=rename_taptr,
)

TAPTR = Preset(
    name="taptr",
    summary="TAPTR: cost volumes; windows of 8 frames",
    build=Taptr,
    config=TaptrConfig(cost_volume=True, decoder_layers=6),
    resize=ResizeRule(size=(512, 512)),
    weights=WeightsInfo(
        "licence of its authors",
        "taptr.pth",
        page="the project page that the paper names (https://arxiv.org/abs/2403.13042)",
    ),
    rename=rename_taptr,
)

TAPTR_V2_S = Preset(
    name="taptrv2-s",
    summary="TAPTRv2 of our size, attention among points linear in their number",
    build=Taptr,
    config=TaptrConfig(
        widths=(64, 96, 128, 160),
        width=192,
        heads=6,
        hidden=768,
        encoder_layers=1,
        decoder_layers=4,
        proxies=64,
    ),
    resize=ResizeRule(size=(256, 256)),
    weights=WeightsInfo(licence="Apache-2.0", filename="taptrv2-s.safetensors", embedded=True),
    rename=None,
)
