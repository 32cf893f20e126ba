"""Long videos: tracks on disk as they come; a run that is killed goes on."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

import motes
from fuzzing import bounded
from motes import FileError, InputError, MotesError, Queries, Tracker, Tracks
from motes.queries.select import select
from motes.tracking import recording
from motes.tracking.identity import tracker_facts
from motes.tracking.load import presets
from motes.tracking.recording import Recording, record, record_live, recording_folder
from motes.video import open_video, open_writer

DAMAGED = [
    b"", b"null", b"[]", b"5", b'"text"', b"{}", b'[["a", 1]]', b'{"complete": {}}',
    b'{"first frame": "0"}', b'{"first frame": [0]}', b"\xff\xfe", b'{"complete": 1e999}', b"PK\x03\x04",
]  # fmt: skip
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
    assert not Recording(str(folder)).complete
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


@pytest.mark.parametrize("stopped_at", [30, 45, 70])
def test_a_damaged_video_has_the_same_numbers_after_a_stop(tracker, clip, tmp_path, stopped_at):
    """Packets that do not decode keep their frame numbers, wherever reading starts."""
    path = damage(copied(clip, tmp_path), 35, 36, 60)
    video = motes.open_video(path)
    frames = list(video)
    assert len(frames) == 150
    assert "damaged: frames" in video.problem
    seen = []

    def stop(n):
        seen.append(n)
        if sum(seen) == stopped_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record(tracker, path, QUERIES, tmp_path / "r", every=20, progress=stop)
    again = record(tracker, path, QUERIES, tmp_path / "r", every=20)
    assert (
        again.tracks() == tracker.track(path, QUERIES) == tracker.track(np.stack(frames), QUERIES)
    )


def damage(path, *order):
    """Overwrite packets of a video, counted in the order of decoding."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        for packet in [packets[i] for i in order]:
            data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    path.write_bytes(data)
    return path


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
    with pytest.raises(InputError, match="expected a recording with frames per part 50, got 100"):
        record(tracker, clip, QUERIES, tmp_path / "r", every=50)


def test_folders_that_do_not_fit(tracker, clip, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    with pytest.raises(FileError, match=r"found no recording\.json"):
        record(tracker, clip, QUERIES, tmp_path / "other")
    assert [p.name for p in (tmp_path / "other").iterdir() if p.name != "lock"] == ["notes.txt"]
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
    queries = select(video, corners=4, at=30)
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


def copied(clip, folder, name="long.mp4"):
    return Path(shutil.copy2(clip, folder / name))


def filmed_again(path):
    with open_writer(path, (64, 48), 25) as writer:
        for frame in list(open_video(path))[::-1]:
            writer.write(frame)


def changed_in_place(path):
    """Same size and time, other bytes: only the content tells."""
    stat, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 64] = bytes(64)
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def touched(path):
    os.utime(path, (1, 1))


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (filmed_again, "video size"),
        (changed_in_place, "video content"),
        (touched, "video time 1970-01-01 00:00:01"),
    ],
)
def test_another_video_of_the_same_name_is_refused(tracker, clip, tmp_path, change, fact):
    """It continued with the tracks of the old video, without a word."""
    video = copied(clip, tmp_path)
    record(tracker, video, QUERIES, tmp_path / "r", every=100)
    change(video)
    with pytest.raises(InputError, match=f"expected a recording with {fact}.*, got .*; remove it"):
        record(tracker, video, QUERIES, tmp_path / "r", every=100)


def test_a_project_may_be_moved(tracker, clip, tmp_path):
    (tmp_path / "a").mkdir()
    video = copied(clip, tmp_path / "a")
    record(tracker, video, QUERIES, tmp_path / "a" / "r", every=100)
    (tmp_path / "a").rename(tmp_path / "b")
    done = []
    record(
        tracker, tmp_path / "b" / "long.mp4", QUERIES, tmp_path / "b" / "r", every=100,
        progress=done.append,
    )  # fmt: skip
    assert done == [150]


def test_folders_of_images_and_arrays_have_an_identity(tracker, clip, tmp_path):
    frames = np.stack(list(open_video(clip, end=6)))
    with open_writer(tmp_path / "images", (64, 48), 25) as writer:
        for frame in frames:
            writer.write(frame)
    queries = Queries.of([(0, 30, 20)])
    record(tracker, tmp_path / "images", queries, tmp_path / "r")
    touched(tmp_path / "images" / "00003.png")
    with pytest.raises(InputError, match="with video content"):
        record(tracker, tmp_path / "images", queries, tmp_path / "r")
    record(tracker, frames, queries, tmp_path / "s")
    record(tracker, frames.copy(), queries, tmp_path / "s")
    with pytest.raises(InputError, match="with video content"):
        record(tracker, frames[::-1], queries, tmp_path / "s")


def test_other_weights_or_settings_are_refused(clip, tmp_path):
    facts = tracker_facts(motes.load("lk"))
    assert facts == tracker_facts(motes.load("lk"))
    preset = replace(presets()["lk"], visible_above=0.9)
    assert tracker_facts(Tracker(motes.load("lk").model, preset)) != facts
    model = torch.nn.Linear(2, 2)
    before = tracker_facts(Tracker(model, preset))
    assert before == tracker_facts(Tracker(model, preset))
    with torch.no_grad():
        model.weight[0, 0] += 1e-6
    assert tracker_facts(Tracker(model, preset))["weights"] != before["weights"]
    assert tracker_facts(Tracker(model, preset, torch.bfloat16)) != before


@pytest.mark.parametrize("left", [[], ["lock"], [".recording-motes-abcdef-1-00000000.json"]])
def test_a_run_that_was_killed_before_it_began(tracker, clip, tmp_path, left):
    """An empty folder was in the way of every later run."""
    for name in ("r", "live"):
        (tmp_path / name).mkdir()
        for file in left:
            (tmp_path / name / file).touch()
    expected = tracker.track(clip, QUERIES)
    assert record(tracker, clip, QUERIES, tmp_path / "r").tracks() == expected
    assert record_live(tracker, clip, QUERIES, tmp_path / "live").tracks() == expected


def test_two_runs_at_once(tracker, clip, tmp_path):
    with recording_folder(tmp_path / "r") as path, ThreadPoolExecutor(1) as pool:
        for run in (record, record_live):
            other = pool.submit(run, tracker, clip, QUERIES, path)
            assert "another run is writing there now" in str(other.exception())
    assert not list(tmp_path.iterdir())  # nothing was recorded


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("00000000.npz", "expected parts up to frame 39, found none with frame 0"),
        ("00000020.npz", "expected parts up to frame 39, found none with frame 20"),
    ],
)
def test_a_part_that_is_missing(tracker, clip, tmp_path, missing, message):
    folder, seen = tmp_path / "r", []

    def interrupt(n):
        seen.append(n)
        if sum(seen) == 41:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as end:
        record(tracker, clip, QUERIES, folder, every=20, progress=interrupt)
    assert end.value.code == 128 + signal.SIGTERM
    (folder / missing).rename(tmp_path / missing)
    with pytest.raises(InputError, match=message):
        record(tracker, clip, QUERIES, folder, every=20)
    if missing == "00000000.npz":
        with pytest.raises(
            InputError, match=r"expected a first part from frame 0 on, got 00000020"
        ):
            Recording(folder).save(tmp_path / "a.csv")
    (tmp_path / missing).rename(folder / missing)
    (folder / "00000020.npz").write_bytes(b"damaged")
    with pytest.raises(FileError, match="00000020"):
        record(tracker, clip, QUERIES, folder, every=20)


def test_parts_are_in_order_whatever_their_length(tmp_path):
    names = ["99999999", "100000000", "00000500", "notes", "12a", "²"]
    for name in names:
        (tmp_path / f"{name}.npz").touch()
    assert [p.stem for p in Recording(tmp_path).parts] == ["00000500", "99999999", "100000000"]


@bounded(150)
@given(st.one_of(st.binary(max_size=60), st.sampled_from(DAMAGED)))
@example(b"[" * 200_000)
def test_fuzz_the_facts_of_a_recording(tmp_path, content):
    """Whatever stands there, the error is one of motes."""
    (tmp_path / "recording.json").write_bytes(content)
    (tmp_path / "00000000.npz").write_bytes(content)
    for read in (lambda r: r.complete, list, lambda r: r.tracks(), lambda r: r.save("x.csv")):
        with suppress(MotesError):
            read(Recording(tmp_path))
