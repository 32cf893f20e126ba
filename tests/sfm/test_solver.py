"""Reconstructions of a rendered world, from its own tracks with the noise of a tracker."""

import json

import numpy as np
import pycolmap
import pytest
import torch

from motes.cli import run
from motes.errors import InputError
from motes.sfm.files import blender, chan, quaternion, write_files
from motes.sfm.picture import draw_cloud
from motes.sfm.solver import solve
from motes.sfm.worlds import Y_UP, Z_UP, from_world, from_zxy_degrees, to_world, to_zxy_degrees
from motes.synthetic.shots import follow, static_world
from motes.tracks import Tracks
from motes.video import open_writer

T = 12
NOISE = 0.15  # pixels


@pytest.fixture(scope="module")
def world():
    return static_world((320, 240))


@pytest.fixture(scope="module")
def tracks(world):
    """Points of four frames, with noise, and 40 that move on their own."""
    rng = np.random.default_rng(0)
    parts = [follow(world, rng.uniform((4, 4), (315, 235), (90, 2)), at, T) for at in (0, 4, 8, 11)]
    xy, visible = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    visible &= ((xy > 0) & (xy < (319, 239))).all(-1)
    xy = np.where(visible[..., None], xy, 0) + rng.normal(0, NOISE, xy.shape)
    xy[:40] += np.cumsum(rng.normal(0, 6, (40, T, 2)), axis=1)
    return Tracks(xy, visible, size=(320, 240), start=5)


@pytest.fixture(scope="module")
def found(tracks):
    return solve(tracks)


@pytest.fixture(scope="module")
def truth(world):
    """Rotations from the world to the cameras, centres, and the focal length."""
    view = world.eye.at(torch.arange(T, dtype=torch.float64))
    return view.rotation.mT.numpy(), view.position.numpy(), float(view.focal[0])


def angles(a, b):
    """Degrees between rotations [K, 3, 3]."""
    trace = np.einsum("kij,kij->k", a, b)
    return np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1)))


def test_the_cameras_are_those_of_the_world(found, truth):
    rotations, centres, focal = truth
    assert found.frames.tolist() == list(range(5, 5 + T))
    assert found.focal == pytest.approx(focal, rel=0.02)
    relative, expected = (r @ r[:1].swapaxes(1, 2) for r in (found.rotations, rotations))
    assert angles(relative, expected).max() < 0.5
    ours, theirs = (
        (c[1:] - c[0]) @ r[0].T for r, c in ((found.rotations, found.centres), (rotations, centres))
    )
    cosine = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert np.degrees(np.arccos(cosine.clip(-1, 1))).max() < 2
    assert found.error < 0.4


def test_points_project_to_their_tracks(found, tracks):
    seen = tracks.visible[found.ids, 3]
    error = found.project(3, found.points) - tracks.xy[found.ids, 3]
    assert np.median(np.linalg.norm(error[seen], axis=1)) < 0.4


def test_moving_points_are_rejected(found):
    assert np.isin(np.arange(40), found.ids).mean() < 0.3
    assert np.isin(np.arange(40, 360), found.ids).mean() > 0.8


def test_frames_between_get_poses_from_the_points(tracks, found):
    some = solve(tracks, max_frames=6)
    assert some.frames.tolist() == found.frames.tolist()
    relative, expected = (r @ r[:1].swapaxes(1, 2) for r in (some.rotations, found.rotations))
    assert angles(relative, expected).max() < 0.5


def test_colmap_reads_the_text_files(found, tmp_path):
    write_files(found, tmp_path)
    read = pycolmap.Reconstruction(tmp_path)
    assert read.num_reg_images() == T
    assert read.num_points3D() == len(found.points)
    pose = read.find_image_with_name("frame_000007.png").cam_from_world()
    np.testing.assert_allclose(pose.rotation.matrix(), found.rotations[2], atol=1e-9)
    lines = (tmp_path / "points.ply").read_text().splitlines()
    assert f"element vertex {len(found.points) + T}" in lines
    assert json.loads((tmp_path / "report.json").read_text())["registered"] == T


def test_the_camera_of_nuke_sees_the_same_pixels(found):
    rows = np.array([line.split("\t") for line in chan(found).splitlines()], float)
    frame, centre, turn, view = rows[4, 0], rows[4, 1:4], from_zxy_degrees(rows[4, 4:7]), rows[4, 7]
    assert frame == found.frames[4]
    local = (found.points @ Y_UP.T - centre) @ turn  # y up, looks along -z
    focal = 120 / np.tan(np.radians(view) / 2)
    x = focal * local[:, 0] / -local[:, 2] + 159.5
    y = -focal * local[:, 1] / -local[:, 2] + 119.5
    expected = found.project(4, found.points)
    assert np.median(np.abs(np.stack([x, y], -1) - expected)) < 0.5


def test_the_script_of_blender_holds_the_cameras(found):
    script = blender(found)
    compile(script, "camera.py", "exec")
    poses = np.array(eval(script.split("POSES = ")[1].split("\n")[0]))
    rotations, centres = from_world(poses[:, :3, :3], poses[:, :3, 3], Z_UP)
    np.testing.assert_allclose(rotations, found.rotations, atol=1e-6)
    np.testing.assert_allclose(centres, found.centres, atol=1e-6)


@pytest.mark.parametrize("axes", [Y_UP, Z_UP])
def test_worlds_there_and_back(found, axes):
    rotations, centres = from_world(*to_world(found.rotations, found.centres, axes), axes)
    np.testing.assert_allclose(rotations, found.rotations, atol=1e-12)
    np.testing.assert_allclose(centres, found.centres, atol=1e-12)


@pytest.mark.parametrize("angles", [(0, 0, 0), (10, -70, 35), (-80, 170, -20)])
def test_angles_there_and_back(angles):
    np.testing.assert_allclose(
        to_zxy_degrees(from_zxy_degrees(np.array(angles))), angles, atol=1e-9
    )


@pytest.mark.parametrize("angles", [(0, 0, 0), (10, -70, 35), (90, 0, 180), (180, 0, 0)])
def test_quaternions(angles):
    rotation = from_zxy_degrees(np.array(angles, float))
    w, x, y, z = quaternion(rotation)
    again = pycolmap.Rotation3d(np.array([x, y, z, w])).matrix()
    np.testing.assert_allclose(again, rotation, atol=1e-12)


def test_the_picture(found, tmp_path):
    draw_cloud(found, tmp_path / "cloud.png")
    assert (tmp_path / "cloud.png").stat().st_size > 5000


def planar(matrix, N=80, count=6):
    """Points that follow powers of one homography."""
    start = np.random.default_rng(0).uniform((40, 40), (280, 200), (N, 2))
    xy = [start]
    for _ in range(count - 1):
        p = np.column_stack([xy[-1], np.ones(N)]) @ np.array(matrix, float).T
        xy.append(p[:, :2] / p[:, 2:])
    return Tracks(np.stack(xy, 1), np.ones((N, count), bool), size=(320, 240))


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (lambda t: t[:, :2], "at least 3 frames, got 2"),
        (lambda t: t[:10], "share at least 30 points"),
        (lambda t: planar([[1, 0, 5], [0, 1, 0], [1e-4, 0, 1]]), "the camera only rotates"),
        (lambda t: planar([[1, 0, 0.1], [0, 1, 0], [0, 0, 1]]), "expected a camera that moves"),
    ],
)
def test_what_cannot_be_solved_is_said(tracks, case, message):
    with pytest.raises(InputError, match=message):
        solve(case(tracks))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    for name, frames in (("two.mp4", [noise] * 2), ("flat.mp4", [noise * 0 + 90] * 4)):
        with open_writer(name, (80, 60), 25) as writer:
            for frame in frames:
                writer.write(frame)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("two.mp4 -o out", "at least 3 frames, got 2"),
        ("flat.mp4 -o out", "expected corners to track"),
        ("none.mp4 -o out", "none.mp4"),
        ("two.mp4 -o none/out", "none is none"),
        ("two.mp4 -o .", "found one with content"),
        ("two.mp4 -o out --frames 2", "expected at least 3, got 2"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(folder, arguments, message, capsys):
    before = sorted(folder.iterdir())
    assert run(f"sfm {arguments} --model lk".split()) == 1
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert sorted(folder.iterdir()) == before
