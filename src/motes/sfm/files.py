"""A reconstruction as files: COLMAP text, ``.ply``, a camera for Nuke and one for Blender."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from motes.coordinates import to_corner
from motes.sfm.reconstruction import Reconstruction
from motes.sfm.worlds import Y_UP, Z_UP, to_world, to_zxy_degrees

SENSOR_WIDTH = 36.0
"""Width of the sensor in millimetres, for programs that want one; only ratios matter."""

BLENDER = '''"""Camera and points of a video, from motes.  In Blender: Scripting, Open, Run."""

import bpy
from mathutils import Matrix

FRAMES = {frames}
POSES = {poses}
POINTS = {points}

scene = bpy.context.scene
scene.render.resolution_x, scene.render.resolution_y = {size}
scene.render.fps, scene.render.fps_base = {fps}
scene.frame_start, scene.frame_end = FRAMES[0], FRAMES[-1]
data = bpy.data.cameras.new("motes camera")
data.sensor_fit, data.sensor_width, data.lens = "HORIZONTAL", {sensor}, {lens}
camera = bpy.data.objects.new("motes camera", data)
camera.rotation_mode = "QUATERNION"
scene.collection.objects.link(camera)
scene.camera = camera
for frame, rows in zip(FRAMES, POSES):
    camera.matrix_world = Matrix(rows)
    camera.keyframe_insert("location", frame=frame)
    camera.keyframe_insert("rotation_quaternion", frame=frame)
mesh = bpy.data.meshes.new("motes points")
mesh.from_pydata(POINTS, [], [])
scene.collection.objects.link(bpy.data.objects.new("motes points", mesh))
'''


def write_files(scene: Reconstruction, folder: Path) -> None:
    """Write every format into a folder that exists.

    Args:
        scene: The reconstruction.
        folder: Receives ``cameras.txt``, ``images.txt``, ``points3D.txt`` (COLMAP), ``points.ply``,
            ``camera.chan`` (Nuke), ``camera.py`` (Blender) and ``report.json``.
    """
    contents = {
        "cameras.txt": cameras_txt(scene),
        "images.txt": images_txt(scene),
        "points3D.txt": points_txt(scene),
        "points.ply": ply(scene),
        "camera.chan": chan(scene),
        "camera.py": blender(scene),
        "report.json": report(scene),
    }
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8")


def cameras_txt(scene: Reconstruction) -> str:
    """The camera in COLMAP's text format."""
    W, H = scene.size
    cx, cy = (float(to_corner(v)) for v in scene.principal)
    return f"1 SIMPLE_RADIAL {W} {H} {scene.focal!r} {cx!r} {cy!r} {scene.distortion!r}\n"


def images_txt(scene: Reconstruction) -> str:
    """The poses in COLMAP's text format, without the positions of points."""
    rows = []
    shifts = -np.einsum("kij,kj->ki", scene.rotations, scene.centres)
    poses = zip(scene.frames.tolist(), scene.rotations, shifts.tolist(), strict=True)
    for i, (frame, rotation, shift) in enumerate(poses, 1):
        values = [*quaternion(rotation).tolist(), *shift]
        rows.append(f"{i} {' '.join(map(repr, values))} 1 frame_{frame:06d}.png\n\n")
    return "".join(rows)


def points_txt(scene: Reconstruction) -> str:
    """The points in COLMAP's text format, without their tracks."""
    rows = zip(
        scene.ids.tolist(),
        scene.points.tolist(),
        scene.colors.tolist(),
        strict=True,
    )
    return "".join(
        f"{i + 1} {x!r} {y!r} {z!r} {r} {g} {b} {scene.error!r}\n"
        for i, (x, y, z), (r, g, b) in rows
    )


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """The unit quaternion ``(w, x, y, z)``, w >= 0, of a rotation ``[3, 3]``."""
    r = rotation
    square = np.array(
        [
            [np.trace(r), r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]],
            [0, r[0, 0] - r[1, 1] - r[2, 2], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0]],
            [0, 0, r[1, 1] - r[0, 0] - r[2, 2], r[1, 2] + r[2, 1]],
            [0, 0, 0, r[2, 2] - r[0, 0] - r[1, 1]],
        ]
    )
    vector = np.linalg.eigh(square, UPLO="U")[1][:, -1]  # Bar-Itzhack, 2000
    return np.asarray(vector if vector[0] >= 0 else -vector)


def ply(scene: Reconstruction) -> str:
    """The points, and the camera centres in red, for viewers of clouds."""
    red = np.tile(np.array([255, 40, 20]), (len(scene.centres), 1))
    xyz = np.concatenate([scene.points, scene.centres])
    rgb = np.concatenate([scene.colors, red])
    header = (
        f"ply\nformat ascii 1.0\nelement vertex {len(xyz)}\n"
        "property float x\nproperty float y\nproperty float z\n"
        "property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n"
    )
    lines = zip(xyz.tolist(), rgb.tolist(), strict=True)
    return header + "".join(
        f"{x:.7g} {y:.7g} {z:.7g} {r} {g} {b}\n" for (x, y, z), (r, g, b) in lines
    )


def chan(scene: Reconstruction) -> str:
    """The camera for Nuke: frame, position, rotation (order ZXY), vertical field of view."""
    rotations, centres = to_world(scene.rotations, scene.centres, Y_UP)
    view = 2 * np.degrees(np.arctan(scene.size[1] / 2 / scene.focal))
    rows = []
    for frame, centre, turn in zip(scene.frames.tolist(), centres, rotations, strict=True):
        values = (f"{value:.9g}" for value in (*centre, *to_zxy_degrees(turn), view))
        rows.append("\t".join([str(frame), *values]) + "\n")
    return "".join(rows)


def blender(scene: Reconstruction) -> str:
    """A script that builds the camera and the points in Blender."""
    rotations, centres = to_world(scene.rotations, scene.centres, Z_UP)
    poses = np.tile(np.eye(4), (len(centres), 1, 1))
    poses[:, :3, :3], poses[:, :3, 3] = rotations, centres
    return BLENDER.format(
        frames=scene.frames.tolist(),
        poses=poses.round(9).tolist(),
        points=(scene.points @ Z_UP.T).round(6).tolist(),
        size=scene.size,
        fps=(scene.fps.numerator, scene.fps.denominator),
        sensor=SENSOR_WIDTH,
        lens=SENSOR_WIDTH * scene.focal / scene.size[0],
    )


def report(scene: Reconstruction) -> str:
    """The numbers of the solution as JSON."""
    content = {
        "frames": scene.num_frames,
        "registered": len(scene.frames),
        "points": len(scene.points),
        "reprojection_error_px": round(scene.error, 4),
        "focal_length_px": round(scene.focal, 3),
        "radial_distortion": round(scene.distortion, 6),
    }
    return json.dumps(content, indent=2) + "\n"
