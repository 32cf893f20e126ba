"""Requests that are answered again from what was recorded, also after a kill."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import motes
from motes.tracking.resumable import ResumableTracker
from motes.video import open_video


@pytest.fixture(scope="module")
def tracker():
    return motes.load("lk")


@pytest.fixture(scope="module")
def frames():
    """Noise that moves by a pixel a frame, uint8 [40, 48, 64, 3]."""
    noise = np.random.default_rng(0).integers(0, 255, (6, 14), np.uint8)
    wide = np.kron(noise, np.ones((8, 8), np.uint8))
    return np.stack([np.dstack([wide[:, t : t + 64]] * 3) for t in range(40)])


@pytest.mark.parametrize(
    ("queries", "backward"),
    [
        ([(0, 30, 20)], False),
        ([(0, 30, 20)], True),
        ([(39, 20, 20)], True),
        ([(10, 30, 20), (25, 20, 30)], True),
        ([(10, 30, 20), (25, 20, 30)], False),
    ],
)
def test_the_same_answer_from_memory(tracker, frames, tmp_path, queries, backward):
    resumable = ResumableTracker(tracker, tmp_path / "part", every=15)
    first = resumable.track(frames, queries, backward=backward)
    assert first == tracker.track(frames, queries, backward=backward)
    written = {p: p.stat().st_mtime_ns for p in (tmp_path / "part").rglob("*.npz")}
    assert resumable.track(frames, queries, backward=backward) == first
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "part").rglob("*.npz")} == written


def test_other_requests_have_their_own_recordings(tracker, frames, tmp_path):
    resumable = ResumableTracker(tracker, tmp_path / "part")
    requests = [{"at": 0}, {"at": 5}, {"at": 0, "end": 20}]
    answers = [resumable.track(frames, corners=5, **request) for request in requests]
    assert [a.num_frames for a in answers] == [40, 40, 20]
    assert len(list((tmp_path / "part").iterdir())) == 3


SLOW = """
import sys, time, motes, numpy as np
from motes.tracking.resumable import ResumableTracker
tracker = ResumableTracker(motes.load("lk"), sys.argv[2], every=5)
frames = np.load(sys.argv[1])
tracker.track(frames, [(20, 30, 20)], backward=True, progress=lambda n: time.sleep(0.02))
"""


@pytest.mark.parametrize(("half", "how"), [("ahead", signal.SIGKILL), ("back", signal.SIGINT)])
def test_a_run_that_is_killed_goes_on(tracker, frames, tmp_path, half, how):
    np.save(tmp_path / "frames.npy", frames)
    arguments = [sys.executable, "-c", SLOW, tmp_path / "frames.npy", tmp_path / "part"]
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    deadline = time.time() + 60
    while len(list(tmp_path.glob(f"part/*/{half}/0*.npz"))) < 2 and time.time() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, how)
    process.wait()
    kept = {p: p.stat().st_mtime_ns for p in tmp_path.glob("part/*/*/[0-9]*.npz")}
    assert len(kept) >= 2
    resumable = ResumableTracker(tracker, tmp_path / "part", every=5)
    done = []
    found = resumable.track(frames, [(20, 30, 20)], backward=True, progress=done.append)
    assert found == tracker.track(open_video(frames), [(20, 30, 20)], backward=True)
    assert sum(p.stat().st_mtime_ns == at for p, at in kept.items()) >= len(kept) - 1
    assert len(done) < 41  # the number of frames of both passes
