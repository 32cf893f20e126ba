"""Labels by other trackers, on two short real clips where they are at hand."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from motes.errors import FileError, InputError
from motes.tracks import Tracks
from motes.train.batches import draw_queries, seeded
from motes.train.config import Stage, read_recipe
from motes.train.loop import train
from motes.train.metrics import read_table
from motes.train.pseudo import PseudoOptions, crop, detect, find_queries, merge, pseudo_source
from motes.train.sources import PLAIN
from motes.video import open_video, open_writer

VIDEOS = Path(__file__).parents[2] / "../shared/videos"
STAGE = Stage(1, (64, 64), 8, 16)
T, N = 6, 4


def labels(shift: float = 0.0, hidden: int | None = None) -> Tracks:
    """N points moving right; `shift` pixels off from frame 3 on, point 0 hidden in one frame."""
    t = np.arange(T)
    xy = np.stack([np.stack([t + 10.0 * n, t * 0.0], -1) for n in range(N)])
    xy[:, 3:, 1] += shift
    visible = np.ones((N, T), bool)
    if hidden is not None:
        visible[0, hidden] = False
    queries = np.column_stack([[0, 0, 1, 2], xy[range(N), [0, 0, 1, 2]]])
    return Tracks(xy, visible, queries=queries, size=(64, 64))


def merged(*tracks: Tracks, agree: float = 3.0) -> np.ndarray:
    video = np.zeros((T, 64, 64, 3), np.uint8)
    return merge(video, tracks, agree, np.random.default_rng(0)).valid.T.numpy()


def test_only_what_teachers_agree_on_is_learned() -> None:
    asked = np.arange(T) >= np.array([0, 0, 1, 2])[:, None]
    assert np.array_equal(merged(labels(), labels()), asked)
    assert np.array_equal(merged(labels(), labels(5.0)), asked)  # 2.5 from the median
    apart = merged(labels(), labels(20.0))
    assert np.array_equal(apart, asked & (np.arange(T) < 3))
    unsure = merged(labels(), labels(hidden=4))
    assert np.array_equal(np.argwhere(asked & ~unsure), [[0, 4]])


def test_one_teacher_is_believed_from_the_query_on() -> None:
    assert merged(labels(hidden=4)).sum() == sum(T - t for t in (0, 0, 1, 2))


@pytest.mark.parametrize("detector", ["sift", "corners"])
def test_queries_lie_on_what_can_be_recognised(detector: str) -> None:
    frame = np.full((64, 64, 3), 128, np.uint8)
    frame[20:31, 30:41] = 255
    xy = detect(frame, 10, detector)
    assert len(xy) and (np.abs(xy - (35, 25)) <= 9).all()
    video = np.stack([frame] * 8)
    queries = find_queries(video, 30, np.random.default_rng(0), PseudoOptions(detector=detector))
    assert queries.shape == (30, 3) and set(queries[:, 0]) <= {0, 1}


def test_nothing_to_recognise_is_an_error() -> None:
    video = np.full((8, 64, 64, 3), 128, np.uint8)
    with pytest.raises(InputError, match="nothing to recognise"):
        find_queries(video, 4, np.random.default_rng(0), PseudoOptions())


@pytest.mark.parametrize("size", [(100, 80), (64, 64), (40, 90)])
def test_crops_have_the_size_of_the_stage(size: tuple[int, int]) -> None:
    video = np.random.default_rng(0).integers(255, size=(2, *size, 3), dtype=np.uint8)
    assert crop(video, STAGE, np.random.default_rng(0)).shape == (2, 64, 64, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teachers": ()}, "at least one teacher"),
        ({"detector": "shift"}, "unknown detector 'shift'; did you mean 'sift'"),
    ],
)
def test_options_that_do_not_fit(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        PseudoOptions(**options)


def test_a_folder_without_videos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="expected videos"):
        pseudo_source(tmp_path, PseudoOptions(), "cpu", PLAIN)


def test_an_unknown_teacher_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown teacher 'flo'; did you mean 'flow'"):
        pseudo_source(tmp_path, PseudoOptions(("lk", "flo=x.pth")), "cpu", PLAIN)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two real clips, a few frames of each at an eighth of the pixels."""
    if not VIDEOS.exists():
        pytest.skip("needs ../shared/videos")
    folder = tmp_path_factory.mktemp("videos")
    for name in ("dashcam", "flower"):
        source = open_video(VIDEOS / f"{name}.mp4")
        with open_writer(folder / f"{name}.mp4", (128, 96), source.fps) as writer:
            for frame in itertools.islice(source, 12):
                writer.write(cv2.resize(frame, (128, 96), interpolation=cv2.INTER_AREA))
    return folder


def test_a_teacher_labels_real_clips(videos: Path) -> None:
    source = pseudo_source(videos, PseudoOptions(("lk",), query_frames=2), "cpu", PLAIN)
    sample = source.draw(seeded(0), STAGE)
    again = source.draw(seeded(0), STAGE)
    assert sample.video.shape == (8, 3, 64, 64) and sample.valid.any()
    assert torch.equal(sample.video, again.video) and torch.equal(sample.xy, again.xy)
    queries = draw_queries(sample, 1.0, seeded(1))
    assert (queries[:, 1:] == queries[:, 1:].round()).all()  # where the teacher was asked


def test_short_videos_are_continued_backwards(videos: Path) -> None:
    source = pseudo_source(videos, PseudoOptions(("lk",)), "cpu", PLAIN)
    sample = source.draw(seeded(0), Stage(1, (96, 128), 20, 4))
    assert torch.equal(sample.video[12:20], sample.video[[10, 9, 8, 7, 6, 5, 4, 3]])


def test_a_student_learns_from_several_teachers(
    videos: Path, recipe_file: Path, tmp_path: Path
) -> None:
    student = tmp_path / "student"
    changes = [
        "data.sources.0.kind=pseudo",
        f"data.sources.0.path={videos}",
        'data.sources.0.options={teachers=["lk", "flow"], per_clip=0, query_frames=2}',
        "data.first_queries=1.0",
        'model.frozen=["scoring"]',
        "loss.visibility=0.0",
        "loss.confidence=0.0",
        "train.stages.0.steps=4",
        "train.stages.0.size=[64, 64]",
        "eval.size=[64, 64]",
    ]
    train(read_recipe(recipe_file, changes), student)
    rows = read_table(student / "train.csv")
    assert [row["step"] for row in rows] == ["2", "4"]
    assert "visibility" not in rows[0] and float(rows[0]["visible"]) > 0
