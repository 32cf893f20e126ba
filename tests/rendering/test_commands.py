import cv2
import numpy as np
import pytest

from motes.cli import run
from motes.tracks import Tracks
from motes.video import open_video, open_writer


@pytest.fixture
def folder(tmp_path, moving, monkeypatch):
    """A video, its tracks, and a clip with known tracks that is not annotated everywhere."""
    monkeypatch.chdir(tmp_path)
    for name in ("bike.mp4", "clip.mp4"):
        with open_writer(name, (64, 48), 25) as writer:
            for t in range(8):
                writer.write(np.full((48, 64, 3), 100 + t, np.uint8))
    moving.save("bike.npz")
    moving.save("bike.csv")
    annotated = np.ones((6, 8), bool)
    annotated[:, 1::2] = False
    points = np.where(annotated[..., None], (moving.xy + 0.5) / (64, 48), np.nan)
    np.savez(
        "clip.npz",
        points=points.astype(np.float32),
        occluded=~moving.visible,
        annotated=annotated,
    )
    (tmp_path / "text.npz").write_text("no tracks")
    return tmp_path


@pytest.mark.parametrize(
    "options",
    [
        "bike.npz",
        "bike.csv --look labels --color speed --tail 3",
        "bike.npz --width 3 --opacity 0.5 --background mono --no-hidden --scale 2",
    ],
)
def test_render(folder, options, capsys):
    assert run(f"render bike.mp4 {options} -o out.mp4 -o stills/".split()) == 0
    assert capsys.readouterr().out.split() == ["wrote", "out.mp4", "wrote", "stills/"]
    assert len(list(open_video("out.mp4"))) == len(list((folder / "stills").iterdir())) == 8


@pytest.mark.parametrize(
    "arguments",
    [
        "bike.npz",
        "bike.csv --video bike.mp4 --title Bike --color confidence",
        "clip.mp4",
        "clip.npz --background dim",
    ],
)
def test_plot(folder, arguments):
    assert run(f"plot {arguments} -o out.png".split()) == 0
    assert cv2.imread("out.png").shape[1] > 1000


def test_a_clip_keeps_what_was_last_known(folder):
    from motes.cli.plot import _load

    _, tracks = _load(folder / "clip.npz", None)
    truth = Tracks.load("bike.npz")
    np.testing.assert_allclose(tracks.xy[:, ::2], truth.xy[:, ::2], atol=1e-4)
    np.testing.assert_array_equal(tracks.xy[:, 1::2], tracks.xy[:, ::2])
    np.testing.assert_array_equal(tracks.visible[:, 1::2], tracks.visible[:, ::2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("render none.mp4 bike.npz -o out.mp4", "none.mp4"),
        ("render bike.mp4 none.npz -o out.mp4", "none.npz"),
        ("render bike.mp4 text.npz -o out.mp4", "text.npz"),
        ("render bike.mp4 bike.npz -o out.xyz", ".xyz"),
        ("render bike.mp4 bike.npz -o none/out.mp4", "none"),
        ("render bike.mp4 bike.npz -o out.mp4 -o out.xyz", ".xyz"),
        ("render bike.mp4 bike.npz -o out.mp4 --look trials", "did you mean 'trails'"),
        ("render bike.mp4 bike.npz -o out.mp4 --color '#12'", "#rrggbb"),
        ("render bike.mp4 bike.npz -o out.mp4 --tail -3", "tail"),
        ("render bike.mp4 bike.npz -o out.mp4 --opacity 3", "opacity"),
        ("plot none.npz -o out.png", "none.npz"),
        ("plot bike.mp4 -o out.png", "bike.npz"),
        ("plot text.npz -o out.png", "text.npz"),
        ("plot bike.npz -o out.bmp", ".png"),
        ("plot bike.npz --video none.mp4 -o out.png", "none.mp4"),
        ("plot bike.npz -o none/out.png", "none"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(folder, arguments, message, capsys):
    before = sorted(folder.iterdir())
    assert run(arguments.replace("'", "").split()) != 0
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert sorted(folder.iterdir()) == before
