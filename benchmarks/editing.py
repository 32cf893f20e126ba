"""Accuracy of editing and reconstruction: with known motion, and on real clips.

    python benchmarks/editing.py truth
    python benchmarks/editing.py clips videos docs/images/editing

`truth` renders shots whose motion is known and prints a table.  `clips` runs the commands on real
clips and writes one contact sheet for each.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

import motes
from motes.edit import Look, attach, blur, paint, stabilise, text
from motes.edit.fits import apply_motion
from motes.edit.region import track_region
from motes.edit.surface import Surface
from motes.rendering.text import draw_text
from motes.sfm import reconstruct, solve
from motes.sfm.pipeline import track_scene
from motes.synthetic.shots import MOTIONS, film, follow, moving_card, shaking_camera, static_world
from motes.tracking.tracker import Tracker
from motes.video import Video, open_video

FRAMES = 24
SIZE = (320, 240)
SHORT = 60
"""Number of frames of a clip that are edited."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["truth", "clips"])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("pictures", type=Path, nargs="?")
    parser.add_argument("--model", default="flow", help="of all clips but those of stabilise")
    parser.add_argument("--only", help="prefixes of names, separated by commas")
    arguments = parser.parse_args()
    if arguments.what == "truth":
        truth()
    elif arguments.pictures is None:
        sys.exit("clips: expected a folder of videos and one for pictures")
    else:
        clips(arguments)


def truth() -> None:
    print("| what | tracker | value |")
    print("|---|---|---|")
    for name in ("lk", "flow"):
        tracker = motes.load(name)
        for seed in range(3):
            row(f"lock, background RMS, shot {seed}", name, f"{lock_error(tracker, seed):.3f} px")
    tracker = motes.load("flow")
    for motion in MOTIONS:
        row(f"marker on a card, {motion}", "flow", f"{marker_error(tracker, motion):.3f} px")
    for motion in MOTIONS:
        for occluder in (False, True):
            after = ", occluded" if occluder else ""
            found = f"{change_overlap(tracker, motion, occluder):.3f}"
            row(f"change of a card, {motion}{after}: IoU", "flow", found)
            found = cover(tracker, motion, occluder)
            row(f"blur, {motion}{after}: uncovered, area", "flow", found)
    row("sfm: rotation, translation, focal, frames", "flow", sfm_error(tracker))


def row(what: str, tracker: str, value: str) -> None:
    print(f"| {what} | {tracker} | {value} |", flush=True)


def lock_error(tracker: Tracker, seed: int) -> float:
    scene = shaking_camera(SIZE, seed)
    frames = film(scene, FRAMES)
    with tempfile.TemporaryDirectory() as name:
        found = stabilise(frames, f"{name}/out.mp4", tracker=tracker, lock=0, borders="black")
    grid = np.mgrid[20:300:9j, 20:220:7j].reshape(2, -1).T
    xy, _, surface = follow(scene, grid, 0, FRAMES)
    xy = xy[surface == 0].swapaxes(0, 1)
    return rms(apply_motion(found.corrections, xy) - xy[0])


def rms(difference: np.ndarray) -> float:
    return float(np.sqrt((difference**2).sum(-1).mean()))


def region(scene: object, at: int) -> np.ndarray:
    mask = np.zeros(SIZE[::-1], np.uint8)
    centre = follow(scene, np.array([[160.0, 120.0]]), 0, at + 1)[0][0, at]  # type: ignore[arg-type]
    return cv2.ellipse(mask, np.rint(centre).astype(int).tolist(), (40, 30), 0, 0, 360, 1, -1) > 0


def expected_mask(scene: object, mask: np.ndarray, t: int) -> np.ndarray:
    """The pixels of frame t that show what `mask` shows in frame 0."""
    W, H = SIZE
    pixels = np.stack(np.meshgrid(np.arange(W), np.arange(H)), -1).reshape(1, -1, 2)
    times = torch.tensor([0.0, float(t)], dtype=torch.float64)
    points = scene.pick(times[1:], torch.tensor(pixels, dtype=torch.float64))  # type: ignore[attr-defined]
    at = scene.locate(points, times[:1]).xy[0].numpy()  # type: ignore[attr-defined]
    x, y = np.rint(at).clip(0, (W - 1, H - 1)).astype(int).T
    return (mask[y, x] & (points.surface.numpy() == 1)).reshape(H, W)


def marker_error(tracker: Tracker, motion: str) -> float:
    scene = moving_card(motion, SIZE)
    frames = film(scene, FRAMES)
    mask = region(scene, 0)
    surface = Surface(track_region(tracker, open_video(frames), mask, 0), 0)
    marks = np.argwhere(cv2.erode(mask.astype(np.uint8), np.ones((5, 5))))[::37, ::-1].astype(float)
    xy, _, _ = follow(scene, marks, 0, FRAMES)
    errors = []
    for i in range(FRAMES):
        source = surface.source(i, (slice(0, SIZE[1]), slice(0, SIZE[0])))
        x, y = xy[:, i].astype(np.float32).T
        errors.append(cv2.remap(source, x[None], y[None], cv2.INTER_LINEAR)[0] - marks)
    return rms(np.array(errors))


def change_overlap(tracker: Tracker, motion: str, occluder: bool) -> float:
    scene = moving_card(motion, SIZE, occluder=occluder)
    frames, mask = film(scene, FRAMES), region(scene, 0)
    edited = frames[0].copy()
    edited[mask] = (255, 0, 255)
    with tempfile.TemporaryDirectory() as name:
        paint(frames, [(edited, 0)], f"{name}/out/", relight=False, tracker=tracker)
        written = np.stack(list(open_video(f"{name}/out"))).astype(int)
    changed = (np.abs(written - (255, 0, 255)).max(-1) < 80) & (written != frames).any(-1)
    expected = np.stack([expected_mask(scene, mask, t) for t in range(FRAMES)])
    return float((changed & expected).sum() / (changed | expected).sum())


def cover(tracker: Tracker, motion: str, occluder: bool) -> str:
    scene = moving_card(motion, SIZE, occluder=occluder)
    frames, mask = film(scene, FRAMES), region(scene, 0)
    with tempfile.TemporaryDirectory() as name:
        blur(frames, [(mask, 0)], f"{name}/out/", effect="fill", tracker=tracker)
        covered = np.stack([(frame == 0).all(-1) for frame in open_video(f"{name}/out")])
    expected = np.stack([expected_mask(scene, mask, t) for t in range(FRAMES)])
    missed = (expected & ~covered).sum() / expected.sum()
    return f"{missed:.2%}, x{covered.sum() / expected.sum():.2f}"


def sfm_error(tracker: Tracker) -> str:
    scene = static_world(SIZE)
    frames = film(scene, 16, samples=1)
    found = solve(track_scene(tracker, open_video(frames)))
    view = scene.eye.at(torch.arange(16, dtype=torch.float64))
    rotations, centres = view.rotation.mT.numpy()[found.frames], view.position.numpy()[found.frames]
    relative = [r @ r[:1].swapaxes(1, 2) for r in (found.rotations, rotations)]
    trace = np.einsum("kij,kij->k", *relative)
    turn = np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1))).max()
    directions = [
        (c[1:] - c[0]) @ r[0].T for r, c in ((found.rotations, found.centres), (rotations, centres))
    ]
    a, b = (way / np.linalg.norm(way, axis=1, keepdims=True) for way in directions)
    way = np.degrees(np.arccos((a * b).sum(1).clip(-1, 1))).max()
    focal = found.focal / float(view.focal[0]) - 1
    return f"{turn:.2f} deg, {way:.2f} deg, {focal:+.2%}, {len(found.frames)} of 16"


def clips(arguments: argparse.Namespace) -> None:
    pictures, prefixes = arguments.pictures, tuple((arguments.only or "").split(","))
    tracker = motes.load(arguments.model)
    pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        for title, make in jobs(tracker, arguments.folder, Path(name)):
            if not title.startswith(prefixes):
                continue
            started = time.perf_counter()
            summary, videos = make()
            seconds = time.perf_counter() - started
            sheet(videos, pictures / f"{title}.jpg")
            print(f"{title}: {seconds:.0f} s; {summary}", flush=True)


Job = Callable[[], tuple[str, list[Path]]]


def jobs(tracker: Tracker, folder: Path, out: Path) -> list[tuple[str, Job]]:
    """Names, and functions that return a summary and the videos of a sheet."""

    def clip(name: str) -> Path:
        return folder / f"{name}.mp4"

    def short(name: str) -> Video:
        return open_video(clip(name), end=SHORT)

    def stabilised(name: str, **options: object) -> tuple[str, list[Path]]:
        path = out / "a.mp4"
        found = stabilise(clip(name), path, **options)  # type: ignore[arg-type]
        before, after = found.jitter()
        return f"jitter {before:.2f} -> {after:.2f} px", [clip(name), path]

    def attached(name: str, what: object, **options: object) -> tuple[str, list[Path]]:
        path = out / "a.mp4"
        attach(short(name), what, path, tracker=tracker, **options)  # type: ignore[arg-type]
        return "", [path]

    def blurred(
        name: str, mask: np.ndarray, at: int = 0, effect: str = "blur"
    ) -> tuple[str, list[Path]]:
        path = out / "a.mp4"
        found = blur(short(name), [(mask, at)], path, effect=effect, tracker=tracker)
        return f"lost in {len(found.lost)} frames", [path]

    def painted(
        name: str, change: Callable[[np.ndarray], None], at: int = 0
    ) -> tuple[str, list[Path]]:
        frame = open_video(clip(name)).read(at, at + 1)[0].copy()
        change(frame)
        path = out / "a.mp4"
        paint(short(name), [(frame, at)], path, tracker=tracker)
        return "", [path]

    def solved(name: str) -> tuple[str, list[Path]]:
        output = out / name
        found = reconstruct(clip(name), output, tracker=tracker)
        return found.summary(), [clip(name), output / "cloud.png"]

    logo, light = badge(), Look(shading=True)
    face, shirt = oval((640, 480), (311, 152), (42, 58)), oval((640, 480), (320, 250), (62, 50))
    code, car = oval((640, 360), (475, 265), (100, 100)), oval((640, 360), (293, 143), (90, 130))
    trunk = oval((450, 800), (220, 300), (90, 120))
    card = [(475, 165), (545, 230), (470, 300), (398, 235)]
    return [
        ("stabilise_highway_shaky", lambda: stabilised("highway_shaky")),
        ("stabilise_ditch", lambda: stabilised("ditch")),
        ("stabilise_drone", lambda: stabilised("drone")),
        ("stabilise_lock", lambda: stabilised("highway_shaky", lock=0, borders="fill")),
        ("sfm_stones_orbit", lambda: solved("stones_orbit")),
        ("blur_sign_language", lambda: blurred("sign_language", face)),
        ("paint_sign_language", lambda: painted("sign_language", stripes)),
        ("sfm_snow_tree", lambda: solved("snow_tree")),
        ("attach_sign_language", lambda: attached(
            "sign_language", text("motes"), to=shirt, look=light)),
        ("attach_products", lambda: attached("products_in_hand", logo, to=card, look=light)),
        ("attach_snow_tree", lambda: attached("snow_tree", logo, to=trunk, look=light)),
        ("blur_products", lambda: blurred("products_in_hand", code, effect="pixelate")),
        ("blur_car", lambda: blurred("car_from_above", car, 45, "fill")),
        ("paint_flower", lambda: painted("flower", blossom)),
        ("paint_products", lambda: painted("products_in_hand", scribble)),
        ("sfm_log_building", lambda: solved("log_building")),
    ]  # fmt: skip


def oval(size: tuple[int, int], centre: tuple[int, int], axes: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size[::-1], np.uint8)
    return cv2.ellipse(mask, centre, axes, 0, 0, 360, 1, -1) > 0


def badge() -> np.ndarray:
    picture = np.full((120, 200, 4), (230, 60, 40, 255), np.uint8)
    draw_text(picture, "motes", (24, 78), 56, (255, 255, 255, 255), 600)
    return picture


def stripes(frame: np.ndarray) -> None:
    """Blue stripes on the shirt."""
    shirt = oval((640, 480), (320, 290), (70, 80)) & (frame[..., 0] > 130) & (frame[..., 2] < 90)
    shirt &= (np.arange(480) // 14 % 2 == 0)[:, None]
    frame[shirt] = (frame[shirt][:, [2, 1, 0]] * [0.6, 0.9, 1.0]).astype(np.uint8)


def blossom(frame: np.ndarray) -> None:
    """Red becomes blue."""
    red = (frame[..., 0] > 140) & (frame[..., 1] < 90) & oval((640, 360), (315, 165), (60, 60))
    frame[red] = frame[red][:, [2, 1, 0]]


def scribble(frame: np.ndarray) -> None:
    """A cross and a ring over the codes."""
    cv2.line(frame, (330, 30), (420, 110), (30, 160, 60), 9, cv2.LINE_AA)
    cv2.line(frame, (420, 30), (330, 110), (30, 160, 60), 9, cv2.LINE_AA)
    cv2.circle(frame, (305, 190), 40, (40, 80, 230), 7, cv2.LINE_AA)


def sheet(paths: list[Path], out: Path, count: int = 5, width: int = 260) -> None:
    """Rows of frames, one for each video; pictures are added unchanged."""
    rows = []
    for path in paths:
        is_picture = path.suffix == ".png"
        frames = [cv2.imread(str(path))[..., ::-1]] if is_picture else frames_of(path, count)
        total = min(count * width, 900) if is_picture else count * width
        rows.append(np.hstack([resized(frame, total // len(frames)) for frame in frames]))
    widest = max(row.shape[1] for row in rows)
    edges = [((0, 4), (0, widest - row.shape[1]), (0, 0)) for row in rows]
    white = [np.pad(row, edge, constant_values=255) for row, edge in zip(rows, edges, strict=True)]
    page = np.vstack(white)
    for quality in range(85, 30, -5):
        data = cv2.imencode(".jpg", page[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        if len(data) < 140_000:
            break
    out.write_bytes(data.tobytes())


def frames_of(path: Path, count: int) -> list[np.ndarray]:
    frames = list(open_video(path))
    return [frames[i] for i in np.linspace(0, len(frames) - 1, count).round().astype(int)]


def resized(frame: np.ndarray, width: int) -> np.ndarray:
    height = round(width * frame.shape[0] / frame.shape[1])
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)


if __name__ == "__main__":
    main()
