import math

import pytest
import torch

from motes.models.base import Trace
from motes.train.config import LossConfig
from motes.train.losses import (
    TEMPERATURE,
    Target,
    masked_mean,
    matching_loss,
    point_losses,
)

B, T, N = 2, 4, 3


def problem(seed: int = 0, frames: int = T, start: int = 0) -> tuple[Trace, Target]:
    g = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=g)

    xy = tuple((20 * draw(B, frames, N, 2)).requires_grad_() for _ in range(3))
    scores = [tuple(draw(B, frames, N).requires_grad_() for _ in range(3)) for _ in range(2)]
    queries = torch.zeros(B, N, 3)
    queries[..., 0] = torch.tensor([0, 1, 2])
    target = Target.make(
        20 * draw(B, T, N, 2), draw(B, T, N) > 0, draw(B, T, N) > -1, queries, online=True
    )
    return Trace(start, xy, *scores), target


def by_hand(trace: Trace, target: Target, config: LossConfig) -> dict[str, float]:
    """Section 13.1, number by number, for one window that covers the whole clip."""
    n = len(trace.xy)
    names = ("visible", "occluded", "visibility", "confidence")
    sums = dict.fromkeys(names, 0.0)
    for i in range(n):
        g = config.gamma ** (n - 1 - i)
        for b in range(B):
            parts: dict[str, list[float]] = {name: [] for name in names}
            for t in range(T):
                for p in range(N):
                    d = trace.xy[i][b, t, p] - target.xy[b, t, p]
                    seen, z = bool(target.visible[b, t, p]), trace.visibility[i][b, t, p].item()
                    if target.counts[b, t, p]:
                        huber = [
                            (v**2 / 2 if abs(v) <= config.huber else
                             config.huber * (abs(v) - config.huber / 2)).item()
                            for v in d
                        ]  # fmt: skip
                        if seen:
                            parts["visible"].append(sum(huber) / 2)
                        else:
                            parts["occluded"].append(d.abs().sum().item() / 2)
                    if target.known[b, t, p]:
                        parts["visibility"].append(entropy(z, seen))
                        hit = d.norm().item() < config.near
                        c = entropy(trace.confidence[i][b, t, p].item(), hit)
                        parts["confidence"].append(c * seen)
            for name, values in parts.items():
                weight = g if name in ("visible", "occluded") else 1.0
                sums[name] += weight * sum(values) / max(len(values), 1) / B / n
    return {name: getattr(config, name) * value for name, value in sums.items()}


def entropy(logit: float, truth: bool) -> float:
    p = 1 / (1 + math.exp(-logit))
    return -math.log(p if truth else 1 - p)


def test_terms_are_those_of_the_paper() -> None:
    trace, target = problem()
    config = LossConfig(visible=0.3, occluded=0.2, visibility=0.7, confidence=0.9)
    found = {k: v.item() for k, v in point_losses([trace], target, config).items()}
    assert found == pytest.approx(by_hand(trace, target, config), rel=1e-5)


def test_windows_are_averaged_and_see_their_own_frames() -> None:
    trace, target = problem()
    config = LossConfig()
    early = Trace(0, *(tuple(v[:, :3] for v in part) for part in parts(trace)))
    late = Trace(1, *(tuple(v[:, 1:] for v in part) for part in parts(trace)))
    both = point_losses([early, late], target, config)
    alone = [point_losses([window], target, config) for window in (early, late)]
    for name, value in both.items():
        assert value.item() == pytest.approx((alone[0][name] + alone[1][name]).item() / 2)


def parts(trace: Trace) -> tuple[tuple[torch.Tensor, ...], ...]:
    return trace.xy, trace.visibility, trace.confidence


@pytest.mark.parametrize("kind", ["cotracker3", "cotracker2"])
def test_the_number_of_points_does_not_matter(kind: str) -> None:
    trace, target = problem()
    config = LossConfig(kind)
    twice = Trace(0, *(tuple(torch.cat([v, v], 2) for v in part) for part in parts(trace)))
    fields = (target.xy, target.visible, target.known, target.counts)
    double = Target(*(torch.cat([v, v], 2) for v in fields))
    one, two = (point_losses([a], b, config) for a, b in ((trace, target), (twice, double)))
    assert {k: v.item() for k, v in one.items()} == pytest.approx(
        {k: v.item() for k, v in two.items()}
    )


@pytest.mark.parametrize("kind", ["cotracker3", "cotracker2"])
def test_a_batch_is_the_mean_of_its_clips(kind: str) -> None:
    trace, target = problem()
    config = LossConfig(kind)
    alone = []
    for b in range(B):
        clip = Trace(0, *(tuple(v[b : b + 1] for v in part) for part in parts(trace)))
        fields = (target.xy, target.visible, target.known, target.counts)
        alone.append(point_losses([clip], Target(*(v[b : b + 1] for v in fields)), config))
    for name, value in point_losses([trace], target, config).items():
        mean = sum(losses[name].item() for losses in alone) / B
        assert value.item() == pytest.approx(mean, rel=1e-5)


def test_what_is_unknown_neither_counts_nor_spoils_the_gradient() -> None:
    trace, _ = problem()
    valid = torch.ones(B, T, N, dtype=torch.bool)
    valid[:, 2] = False
    xy = torch.zeros(B, T, N, 2)
    xy[:, 2] = float("nan")
    target = Target.make(xy, valid.clone(), valid, torch.zeros(B, N, 3), online=True)
    torch.stack(list(point_losses([trace], target, LossConfig()).values())).sum().backward()
    for value in (*trace.xy, *trace.visibility, *trace.confidence):
        assert value.grad is not None and value.grad.isfinite().all()
        assert (value.grad[:, 2] == 0).all()
    assert (trace.xy[0].grad[:, :2] != 0).all()


def test_online_models_answer_from_the_query_on() -> None:
    valid = torch.ones(1, 3, 1, dtype=torch.bool)
    queries = torch.tensor([[[1.0, 0, 0]]])
    for online, expected in ((True, [False, True, True]), (False, [True, True, True])):
        target = Target.make(torch.zeros(1, 3, 1, 2), valid, valid, queries, online)
        assert target.counts[0, :, 0].tolist() == expected


def test_masked_mean_of_nothing_is_zero() -> None:
    values, mask = torch.ones(2, 1, 2), torch.tensor([[[True, False]], [[False, False]]])
    assert float(masked_mean(values, mask)) == 0.5


def test_matching_is_easy_where_features_tell_points_apart() -> None:
    """Every cell has a feature of its own, and the picture moves one cell to the right a frame."""
    h, w, stride = 4, 6, 4
    cell = torch.eye(h * w).view(h, w, -1)
    maps = torch.stack([cell.roll(t, 1) for t in range(3)])[None]
    xy = torch.tensor([[[4.0, 8.0]], [[8.0, 8.0]], [[12.0, 8.0]]])[None]  # [1, 3, 1, 2]
    yes = torch.ones(1, 3, 1, dtype=torch.bool)
    queries = torch.tensor([[[0.0, 4.0, 8.0]]])
    right = Target.make(xy, yes, yes, queries, online=True)
    wrong = Target.make(xy + 4, yes, yes, queries, online=True)
    between = Target.make(xy + torch.tensor([2.0, 0.0]), yes, yes, queries, online=True)
    errors = [matching_loss(maps, stride, queries, t).item() for t in (right, between, wrong)]
    others = (h * w - 1) * math.exp(-1 / TEMPERATURE)
    assert errors[0] == pytest.approx(math.log(1 + others), abs=1e-5)
    assert errors[2] == pytest.approx(errors[0] + 1 / TEMPERATURE, rel=1e-4)
    assert errors[1] == pytest.approx((errors[0] + errors[2]) / 2, rel=1e-4)
