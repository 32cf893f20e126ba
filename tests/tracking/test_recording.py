"""Long videos: tracks on disk as they come; a run that is killed goes on."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import motes
from motes import FileError, InputError, Queries, Tracks
from motes.queries.select import select
from motes.tracking import recording
from motes.tracking.recording import Recording, record, record_live
from motes.video import open_video, open_writer

QUERIES = Queries.of([(0, 30, 20), (40, 20, 25)])


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "long.mp4"
    texture = np.random.default_rng(0).integers(0, 255, (60, 64, 3)).astype(np.uint8)
    texture = np.repeat(np.repeat(texture, 2, 0), 2, 1)
    with open_writer(path, (64, 48), 25) as writer:
        for t in range(150):
            x = round(20 + 20 * np.sin(t / 20))
            writer.write(np.ascontiguousarray(texture[10:58, x : x + 64]))
    return path


@pytest.fixture(scope="module")
def tracker():
    return motes.load("lk")


def test_a_recording_holds_what_tracking_gives(tracker, clip, tmp_path):
    done = []
    made = record(tracker, clip, QUERIES, tmp_path / "r", every=40, progress=done.append)
    assert made.complete
    assert [p.stem for p in made.parts] == ["00000000", "00000040", "00000080", "00000120"]
    assert made.tracks() == tracker.track(clip, QUERIES)
    assert sum(done) == 150


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".parquet"])
def test_a_recording_in_one_file(tracker, clip, tmp_path, suffix):
    path = tmp_path / f"all{suffix}"
    record(tracker, clip, QUERIES, tmp_path / "r", every=40).save(path)
    assert Tracks.load(path) == tracker.track(clip, QUERIES)


def test_a_video_without_frames(tracker, tmp_path):
    none = np.zeros((0, 48, 64, 3), np.uint8)
    with pytest.raises(InputError, match="expected at least one frame, got none"):
        record(tracker, none, QUERIES, tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_finished_recording_is_not_made_again(tracker, clip, tmp_path):
    record(tracker, clip, QUERIES, tmp_path / "r", every=40)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "r").iterdir()}
    record(tracker, clip, QUERIES, tmp_path / "r", every=40)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "r").iterdir()} == before


SLOW = """
import sys, time, motes
from motes.tracking.recording import record
queries = motes.Queries.of([(0, 30, 20), (40, 20, 25)])
record(motes.load("lk"), sys.argv[1], queries, sys.argv[2], every=20, progress=lambda n: time.sleep(0.01))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_killed_goes_on(tracker, clip, tmp_path, how):
    folder = tmp_path / "r"
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, clip, folder], stderr=subprocess.DEVNULL
    )
    deadline = time.time() + 60
    while len(list(folder.glob("[0-9]*.npz"))) < 2 and time.time() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, how)
    process.wait()
    assert not Recording(folder).complete
    assert Recording(folder).tracks().num_frames >= 40  # what was finished can be read
    done = []
    again = record(tracker, clip, QUERIES, folder, every=20, progress=done.append)
    assert done[0] >= 20  # killed between the second part and its state, it repeats that part
    assert again.tracks() == tracker.track(clip, QUERIES)


@pytest.mark.parametrize("frame", [3, 20, 37, 150])
def test_ctrl_c_in_the_middle_of_a_frame_loses_nothing(tracker, clip, tmp_path, frame):
    seen = []

    def interrupt(n):
        seen.append(n)
        if sum(seen) == frame:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        record(tracker, clip, QUERIES, tmp_path / "r", every=20, progress=interrupt)
    assert Recording(tmp_path / "r").tracks().num_frames == frame - 1  # the last is not final yet
    again = record(tracker, clip, QUERIES, tmp_path / "r", every=20)
    assert again.tracks() == tracker.track(clip, QUERIES)


def test_killed_after_the_last_frame(tracker, clip, tmp_path, monkeypatch):
    """Everything is there but the note that it is complete."""
    write = recording._write_facts

    def killed(folder, facts):
        if "complete" in facts:
            raise KeyboardInterrupt
        write(folder, facts)

    monkeypatch.setattr(recording, "_write_facts", killed)
    with pytest.raises(KeyboardInterrupt):
        record(tracker, clip, QUERIES, tmp_path / "r", every=40)
    monkeypatch.undo()
    again = record(tracker, clip, QUERIES, tmp_path / "r", every=40)
    assert again.complete
    assert again.tracks() == tracker.track(clip, QUERIES)


def test_another_recording_in_the_way(tracker, clip, tmp_path):
    record(tracker, clip, QUERIES, tmp_path / "r", every=100)
    with pytest.raises(InputError, match="expected a recording with queries"):
        record(tracker, clip, Queries.of([(0, 9, 9)]), tmp_path / "r", every=100)
    with pytest.raises(InputError, match="expected a recording with every 50, got 100"):
        record(tracker, clip, QUERIES, tmp_path / "r", every=50)


def test_folders_that_do_not_fit(tracker, clip, tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(FileError, match=r"found no recording\.json"):
        record(tracker, clip, QUERIES, tmp_path / "other")
    with pytest.raises(FileError, match="cannot make the folder"):
        record(tracker, clip, QUERIES, tmp_path / "no" / "r")


def test_a_disk_that_fills_up(tracker, clip, tmp_path, monkeypatch):
    """The parts that were written stay readable, and the run goes on once there is room."""
    folder, save = tmp_path / "r", Tracks.save

    def full(self, path):
        if self.start >= 80:
            raise FileError(f"cannot write {path}: No space left on device")
        save(self, path)

    monkeypatch.setattr(Tracks, "save", full)
    with pytest.raises(FileError, match="No space left"):
        record(tracker, clip, QUERIES, folder, every=40)
    assert Recording(folder).tracks().num_frames == 80
    monkeypatch.undo()
    assert record(tracker, clip, QUERIES, folder, every=40).tracks().num_frames == 150


def test_live_frames_are_not_held(tracker, clip, tmp_path):
    """Also when the points were chosen in a later frame."""
    video = open_video(iter(open_video(clip)))
    queries = select(video, keypoints=4, at=30)
    held = []
    made = record_live(
        tracker, video, queries, tmp_path / "r", every=40,
        progress=lambda n: held.append(len(video._source._held)),
    )  # fmt: skip
    assert max(held[:31]) == 31 and set(held[31:]) == {1}
    assert [p.stem for p in made.parts] == ["00000000", "00000040", "00000080", "00000120"]
    assert made.complete
    assert made.tracks() == tracker.track(clip, queries)


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (lambda: np.zeros((9, 9, 3), np.uint8), "frame 70: expected 64x48, got 9x9"),
        (lambda: 1 / 0, "ZeroDivisionError: division by zero"),  # whatever a driver may raise
    ],
)
def test_live_frames_end_with_one_that_fails(tracker, clip, tmp_path, caplog, last, told):
    def frames():
        yield from open_video(clip, end=70)
        yield last()

    made = record_live(tracker, frames(), QUERIES, tmp_path / "r", every=40)
    assert made.tracks() == tracker.track(clip, QUERIES)[:, :70]
    assert told in caplog.text
    with pytest.raises(FileError, match="expected no such folder, found what an earlier run left"):
        record_live(tracker, frames(), QUERIES, tmp_path / "r")
    assert made.tracks().num_frames == 70


def test_a_disk_that_fills_up_under_a_camera(tracker, clip, tmp_path, monkeypatch):
    """That is no failure of the camera: it is said as what it is."""
    save = Tracks.save

    def full(self, path):
        if self.start >= 80:
            raise FileError(f"cannot write {path}: No space left on device")
        save(self, path)

    monkeypatch.setattr(Tracks, "save", full)
    with pytest.raises(FileError, match="No space left"):
        record_live(tracker, clip, QUERIES, tmp_path / "r", every=40)
    assert Recording(tmp_path / "r").tracks().num_frames == 80


FULL = """
import resource, signal, sys, motes
from motes.tracking.encoded import EncodedVideo
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
frames = motes.open_video(sys.argv[1])
try:
    if sys.argv[2] == "stream":
        stream = motes.load("lk").stream([(0, 30, 20)])
        stream.push(next(iter(frames)))
        stream.save(sys.argv[3])
    else:
        encode = motes.load("lk").session(frames)._encode
        list(EncodedVideo(frames, encode, kept_bytes=0).forward())
except motes.FileError as error:
    print(error)
"""


@pytest.mark.parametrize("what", ["stream", "features"])
def test_a_disk_that_is_full_while_tensors_are_written(clip, tmp_path, what):
    arguments = [clip, what, tmp_path / "stream.pt"]
    out = subprocess.run(
        [sys.executable, "-c", FULL, *arguments], capture_output=True, text=True, check=True
    )
    assert re.match("cannot write .*(File too large|is the disk full)", out.stdout)
    assert not list(tmp_path.iterdir())
