import pytest
import torch

from motes.data.sample import Sample
from motes.errors import FileError, InputError
from motes.train.batches import Batch, Draws, Share, batches, draw_queries, seeded
from motes.train.config import DataConfig, SourceConfig, Stage
from numbered import Numbers


def draws(stage: Stage, broken: float = 0.0, workers: int = 0, attempts: int = 20) -> Draws:
    config = DataConfig((SourceConfig("numbers"),), workers=workers, attempts=attempts)
    return Draws([Numbers(broken)], config, stage, seed=3)


def numbers(parts: list[Batch]) -> list[float]:
    return [float(value) for part in parts for value in part.sample.xy[:, 0, 0, 0]]


STAGE = Stage(1, (4, 4), 2, 3, batch=2)


def test_two_processes_see_what_one_sees_with_twice_the_batch() -> None:
    two = [list(batches(draws(STAGE), 8, 3, Share(rank, 2))) for rank in (0, 1)]
    stage = Stage(1, (4, 4), 2, 3, batch=4)
    one = list(batches(draws(stage), 8, 3, Share()))
    for step in range(3):
        assert numbers([two[0][step], two[1][step]]) == numbers([one[step]])


def test_samples_do_not_depend_on_where_a_run_was_resumed() -> None:
    whole = numbers(list(batches(draws(STAGE), 0, 6, Share())))
    assert numbers(list(batches(draws(STAGE), 8, 2, Share()))) == whole[8:]
    assert len(set(whole)) == len(whole)


@pytest.mark.parametrize("error", [ZeroDivisionError("by 0"), OSError("gone"), MemoryError("full")])
def test_a_clip_is_skipped_and_named_whatever_the_exception(error: Exception) -> None:
    config = DataConfig((SourceConfig("numbers"),), attempts=50)
    batch = Draws([Numbers(0.5, error)], config, STAGE, seed=3)
    skipped = [line for i in range(8) for line in batch[i, 2, 3].skipped]
    assert set(skipped) == {f"{type(error).__name__}: {error}"}


def test_workers_make_the_same_samples_in_the_same_order() -> None:
    alone = numbers(list(batches(draws(STAGE), 0, 3, Share())))
    assert numbers(list(batches(draws(STAGE, workers=2), 0, 3, Share()))) == alone


def test_broken_samples_are_skipped_and_reported() -> None:
    parts = list(batches(draws(STAGE, broken=0.4), 0, 20, Share()))
    skipped = [line for part in parts for line in part.skipped]
    assert len(parts) == 20 and skipped and set(skipped) == {"broken clip"}
    again = list(batches(draws(STAGE, broken=0.4), 0, 20, Share()))
    assert numbers(again) == numbers(parts)


def test_nothing_but_broken_samples_is_an_error() -> None:
    with pytest.raises(FileError, match="3 samples in a row could not be used; last: broken clip"):
        list(batches(draws(STAGE, broken=1.0, attempts=3), 0, 1, Share()))


def test_a_stage_of_several_lengths_has_one_length_a_batch() -> None:
    stage = Stage(1, (4, 4), 2, 3, batch=2, longest=5)
    lengths = [part.sample.num_frames for part in batches(draws(stage), 0, 30, Share())]
    assert set(lengths) == {2, 3, 4, 5}


def test_queries_are_visible_points() -> None:
    T, N = 5, 40
    g = seeded(0)
    visible = torch.rand(T, N, generator=g) < 0.4
    visible[:, 0] = False
    xy = torch.rand(T, N, 2, generator=g)
    yes = torch.ones(T, N, dtype=torch.bool)
    sample = Sample(torch.zeros(T, 3, 4, 4, dtype=torch.uint8), xy, visible, yes)
    for first in (0.0, 1.0):
        queries = draw_queries(sample, first, g)
        t = queries[:, 0].long()
        seen = visible.any(0)
        assert visible[t, torch.arange(N)][seen].all() and (t[~seen] == 0).all()
        assert torch.equal(queries[:, 1:], xy[t, torch.arange(N)])
        is_first = t == visible.int().argmax(0)
        assert bool(is_first.all()) == (first == 1.0)


def test_generators_differ_for_every_number() -> None:
    firsts = {
        float(torch.rand((), generator=seeded(a, b), dtype=torch.float64))
        for a in range(20)
        for b in range(20)
    }
    assert len(firsts) == 400


def test_the_number_of_points_is_drawn_per_step_for_all_processes_alike() -> None:
    stage = Stage(1, (4, 4), 2, 200, batch=2, min_points=1)
    two = [list(batches(draws(stage), 8, 20, Share(rank, 2))) for rank in (0, 1)]
    counts = [[batch.queries.shape[1] for batch in parts] for parts in two]
    assert counts[0] == counts[1]
    assert 1 <= min(counts[0]) < 20 and 120 < max(counts[0]) <= 200


@pytest.mark.parametrize("least", [0, 4])
def test_an_impossible_number_of_points_is_refused(least: int) -> None:
    with pytest.raises(InputError, match="min_points: expected 1 or more, up to points, got"):
        Stage(1, (4, 4), 2, 3, min_points=least)
