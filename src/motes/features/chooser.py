"""Choose among candidate positions, from the features there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from motes.features.correlation import in_parts, stack, window_index
from motes.features.sampling import patches

PATCHED_LEVELS = 3
"""Number of levels of which also the 3x3 patch is compared, not only its centre."""

SIMILARITIES = 2 * PATCHED_LEVELS + 1
"""Number of similarities of a candidate, over four levels."""

MISSING_LOGIT = -1e4
"""Logit of a candidate that is missing."""

FALLBACK_ERROR = 1000.0
"""Error in pixels from which a candidate is only a fallback."""


@torch.no_grad()
def similarity(
    levels: Sequence[Tensor], support: Sequence[Tensor], xy: Tensor, radius: int
) -> Tensor:
    """Similarity of the features at candidates to those of the query.

    Args:
        levels: Four unit feature maps ``[B, T, h, w, C]``, each half the size of the one before.
        support: Per level ``[B, N, (2r+1)^2, C]``, features around the query.
        xy: float32 ``[B, N, S, K, 2]``, pixels of the first level.
        radius: Of the patches in `support`.

    Returns:
        ``[B, N, S, K, 7]``: for the first three levels the dot product at the centre and the mean
        over the 3x3 patch, for the last the one at the centre.
    """
    B, N, S, K, _ = xy.shape
    index = window_index(levels[0], xy[..., 0, :])[..., None].expand(B, N, S, K)
    rows = (index.flatten(0, 1), xy.flatten(0, 1), *(patch.flatten(0, 1) for patch in support))
    each = S * K * 16 * levels[0].shape[-1]
    values = [_compare(levels, *part, radius=radius) for part in in_parts(each, *rows)]
    return torch.cat(values).view(B, N, S, K, SIMILARITIES)


def _compare(
    levels: Sequence[Tensor], index: Tensor, xy: Tensor, *support: Tensor, radius: int
) -> Tensor:
    """`similarity` of n points: index ``[n, S, K]``, xy ``[n, S, K, 2]``."""
    (_, S, K), side, values = index.shape, 2 * radius + 1, []
    for level, (maps, around) in enumerate(zip(levels, support, strict=True)):
        reach = 1 if level < PATCHED_LEVELS else 0
        position = xy.flatten(0, 2) / 2**level
        samples = patches(stack(maps), index.flatten(), position, reach)
        centre = slice(radius - reach, radius + reach + 1)
        query = around.unflatten(1, (side, side))[:, centre, centre].flatten(1, 2)  # [n, 9 or 1, C]
        dots = (samples.unflatten(0, (-1, S * K)) * query[:, None]).sum(-1).float()
        values.append(dots[..., dots.shape[-1] // 2])
        if reach:
            values.append(dots.mean(-1))
    return torch.stack(values, -1).view(*index.shape, SIMILARITIES)


class Chooser(nn.Module):
    """Logits over staying and K candidates, for each point and frame.

    Args:
        kinds: Number K of kinds of candidates.
        width: Of the tokens of the transformer.
        hidden: Hidden width of both MLPs.
        out: Channels of the summary of a candidate.
    """

    def __init__(self, kinds: int, width: int, hidden: int = 64, out: int = 32) -> None:
        super().__init__()
        self.kinds = kinds
        self.out_channels = kinds * out
        facts = 5 + SIMILARITIES + kinds
        self.summary = nn.Sequential(nn.Linear(facts, hidden), nn.GELU(), nn.Linear(hidden, out))
        self.from_token = nn.Linear(width, hidden)
        self.from_summary = nn.Linear(out, hidden)
        self.score = nn.Linear(hidden, 1)
        self.stay = nn.Linear(width, 1)
        nn.init.zeros_(self.stay.weight)
        nn.init.zeros_(self.stay.bias)

    def summarise(
        self, offset: Tensor, error: Tensor, similar: Tensor, mask: Tensor, kinds: Sequence[int]
    ) -> Tensor:
        """Describe k candidates.

        Args:
            offset: ``[B, N, S, k, 2]``, from the current estimate, pixels of the finest level.
            error: ``[B, N, S, k]``, in pixels.
            similar: ``[B, N, S, k, 7]``, by `similarity`.
            mask: bool ``[B, N, S, k]``; false where a candidate is missing.
            kinds: Index of each candidate among all K kinds.

        Returns:
            ``[B, N, S, K, out]``; zeros for missing candidates.
        """
        distance = torch.linalg.vector_norm(offset, dim=-1, keepdim=True)
        facts = [offset / (1 + distance), distance.log1p(), error.log1p()[..., None] * 0.5]
        facts += [(error < FALLBACK_ERROR).to(offset.dtype)[..., None], similar]
        which = torch.eye(self.kinds, device=offset.device)[list(kinds)]
        facts += [which.expand(*offset.shape[:-1], -1)]
        known = mask[..., None]
        summary = self.summary(torch.cat(facts, -1) * known) * known
        if list(kinds) == list(range(self.kinds)):
            return summary
        full = summary.new_zeros(*summary.shape[:-2], self.kinds, summary.shape[-1])
        full[..., list(kinds), :] = summary
        return full

    def forward(self, x: Tensor, summary: Tensor, mask: Tensor) -> Tensor:
        """Score the candidates.

        Args:
            x: ``[B, N, S, width]``, from the transformer.
            summary: ``[B, N, S, k, out]``, of the candidates to choose from.
            mask: bool ``[B, N, S, k]``; false where a candidate cannot be chosen.

        Returns:
            Logits ``[B, N, S, 1 + k]``; the first is that of staying.
        """
        hidden = F.gelu(self.from_token(x)[..., None, :] + self.from_summary(summary))
        scores = self.score(hidden)[..., 0].float().masked_fill(~mask, MISSING_LOGIT)
        return torch.cat([self.stay(x).float(), scores], -1)
