import cv2
import numpy as np
import pytest

from motes.cli import run
from motes.edit.blurring import EFFECTS, Cover, blur, lost_frames
from motes.edit.surface import Surface
from motes.errors import InputError
from motes.synthetic.shots import film, moving_card
from motes.tracks import Tracks
from motes.video import open_video, open_writer
from shot_truth import carried, ellipse


@pytest.mark.parametrize("occluder", [False, True])
def test_the_region_is_never_uncovered(tmp_path, tracker, occluder):
    scene = moving_card("turn", (240, 180), occluder=occluder)
    frames, mask = film(scene, 12, samples=1), ellipse()
    blur(frames, [(mask, 4)], f"{tmp_path / 'out'}/", effect="fill", tracker=tracker)
    covered = [(frame == 0).all(-1) for frame in open_video(tmp_path / "out")]
    for t, cover in enumerate(covered):
        truth = carried(scene, mask, 4, t)
        assert (truth & ~cover).sum() < 0.005 * mask.sum()
        if not occluder:
            assert cover.sum() < 1.7 * truth.sum()


def moving(hidden, T=12, N=6):
    """A lattice that shifts by 2 pixels per frame, and its mask in frame 0."""
    start = np.stack(np.meshgrid(np.arange(N) * 4.0 + 20, np.arange(N) * 4.0 + 20), -1)
    xy = start.reshape(-1, 1, 2) + np.arange(T)[:, None] * [2.0, 0]
    visible = np.ones(xy.shape[:2], bool)
    visible[:, list(hidden)] = False
    mask = np.zeros((80, 120), bool)
    mask[19:42, 19:42] = True
    return Cover(Surface(Tracks(xy, visible, size=(120, 80)), 0), mask)


def test_the_cover_grows_while_the_region_is_lost():
    cover = moving(hidden=(5, 6, 7))
    assert np.flatnonzero(cover.lost).tolist() == [5, 6, 7]
    margins = [cover.margin(i) for i in range(12)]
    assert margins[4] < margins[5] < margins[6] > margins[7] > margins[8]
    window, alpha = cover.alpha(6)
    x = np.flatnonzero(alpha.max(0) > 0.99) + window[1].start
    assert x.min() < 19 + 12 - 3  # at the expected position, and larger
    assert x.max() > 41 + 12 + 3
    assert lost_frames([cover]) == (5, 6, 7)


def test_a_region_is_not_lost_where_another_mask_covers_it():
    assert lost_frames([moving(hidden=(5, 6, 7)), moving(hidden=(6,))]) == (6,)


def test_a_region_outside_of_the_frame_is_not_lost():
    xy = np.array([[[50.0, 40], [500, 40]]]) + np.random.default_rng(0).uniform(0, 9, (20, 1, 2))
    tracks = Tracks(xy, np.tile([True, False], (20, 1)), size=(120, 80))
    mask = np.zeros((80, 120), bool)
    mask[40:50, 50:60] = True
    cover = Cover(Surface(tracks, 0, "translation"), mask)
    assert cover.surface.path.known.tolist() == [True, False]


@pytest.mark.parametrize("effect", EFFECTS)
def test_effects_remove_detail(effect):
    picture = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    changed = EFFECTS[effect](picture, 60.0, np.array([9, 8, 7], np.uint8))
    assert changed.shape == picture.shape
    assert changed.astype(float).std() < 0.3 * picture.std()


@pytest.fixture
def folder(turning, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frames = [*turning[1][:6], *[np.full((180, 240, 3), 128, np.uint8)] * 3]
    with open_writer("card.mp4", (240, 180), 30) as writer:
        for frame in frames:
            writer.write(frame)
    cv2.imwrite("mask.png", ellipse().astype(np.uint8) * 255)
    cv2.imwrite("empty.png", np.zeros((180, 240), np.uint8))
    cv2.imwrite("small.png", np.ones((90, 120), np.uint8))
    return tmp_path


def test_lost_frames_are_reported(folder, capsys):
    assert (
        run(
            [
                "blur",
                "card.mp4",
                "--mask",
                "mask.png",
                "--effect",
                "pixelate",
                "-o",
                "out.mp4",
                "--model",
                "lk",
            ]
        )
        == 0
    )
    told = capsys.readouterr()
    assert "not found in 3 frames (6 to 8)" in told.err
    assert open_video("out.mp4").num_frames == 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--mask mask.png --strict", "strict: the region is not found in 3 frames"),
        ("--mask empty.png", "empty mask"),
        ("--mask small.png", "expected the size of the video"),
        ("--mask none.png", "none.png"),
        ("--mask mask.png --at 99", "got 99"),
        ("--mask mask.png --at 1 --at 2", "one --at for each --mask"),
        ("--mask mask.png --effect blurr", "did you mean 'blur'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(folder, arguments, message, capsys):
    before = sorted(folder.iterdir())
    assert run(f"blur card.mp4 {arguments} -o out.mp4 --model lk".split()) == 1
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert sorted(folder.iterdir()) == before


def test_no_masks():
    with pytest.raises(InputError, match="at least one mask"):
        blur(np.zeros((2, 8, 8, 3), np.uint8), [], "out.mp4")
