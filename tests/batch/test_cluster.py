"""Ray, really started: outputs are those of the workers of one machine, also when a worker dies."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

import motes
from motes.batch.cluster import run_cluster
from motes.batch.jobs import Job, Options, read_jobs
from motes.batch.nodes import packed, prepare_node
from motes.batch.work import track_video

ray = pytest.importorskip("ray")

PICTURE = np.random.default_rng(0).integers(0, 255, (12, 16, 3)).astype(np.uint8)


@pytest.mark.parametrize("is_folder", [False, True])
def test_weights_reach_a_node(tmp_path, monkeypatch, is_folder):
    weights = tmp_path / "weights"
    file = weights / "encoder.onnx" if is_folder else weights
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"content")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    options = Options(grid=3, weights=str(weights))
    there = prepare_node(Job("a", "a.mp4", options, ("csv",)), 1, packed(weights))
    arrived = Path(there.options.weights)
    assert arrived != weights
    assert (arrived / file.name if is_folder else arrived).read_bytes() == b"content"


@pytest.fixture(scope="module")
def cluster():
    source = str(Path(motes.__file__).parents[1])
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": source}},
    )
    yield
    ray.shutdown()


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    picture = np.kron(PICTURE, np.ones((4, 4, 1), np.uint8))
    for number in range(3):
        with motes.open_writer(folder / f"{number}.mp4", (64, 48), 25) as writer:
            for t in range(6):
                writer.write(np.roll(picture, t * number, 1))
    (folder / "broken.mp4").write_text("this is no video")
    return folder


def test_videos_are_tasks_and_a_broken_one_costs_itself_only(cluster, clips, tmp_path):
    jobs = read_jobs([str(clips)], Options(model="lk", grid=3), ["csv"])
    last = {event.job.name: event for event in run_cluster(jobs, str(tmp_path / "out"))}
    assert {name: event.state for name, event in last.items()} == {
        **dict.fromkeys("012", "done"),
        "broken": "failed",
    }
    assert "broken.mp4: expected a video" in last["broken"].value
    for name in "012":
        motes.load("lk").track(clips / f"{name}.mp4", grid=3).save(tmp_path / "alone.csv")
        assert (tmp_path / f"out/{name}.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()


def kill_first(task):
    """Kill the first process that works on a task; gives the list of what was killed."""
    killed = []

    def kill():
        while not killed:
            for process in psutil.process_iter(["cmdline"]):
                if process.info["cmdline"] and process.info["cmdline"][0].startswith(task):
                    process.kill()
                    killed.append(process.pid)
                    return

    threading.Thread(target=kill, daemon=True).start()
    return killed


def test_a_worker_that_is_killed_in_mid_task_is_replaced(cluster, clips, tmp_path):
    jobs = read_jobs([str(clips / "1.mp4")], Options(model="lk", grid=3), ["csv"])
    killed = kill_first("ray::_task")
    events = list(run_cluster(jobs, str(tmp_path / "out")))
    assert killed
    assert events[-1].state == "done"
    assert (tmp_path / "out/1.csv").is_file()


@pytest.fixture
def long_clip(tmp_path):
    """40 frames of noise that moves, in a file that can be cut."""
    path, noise = tmp_path / "long.mp4", np.random.default_rng(0).integers(0, 255, (40, 40, 99, 3))
    with motes.open_writer(path, (48, 36), 25) as writer:
        for t, frame in enumerate(noise.astype(np.uint8)):
            moving = noise[0, :36, t : t + 48]
            writer.write((moving // 2 + frame[:36, :48] // 2).astype(np.uint8))
    return path


def test_a_split_video_gives_the_same_tracks_also_when_a_worker_is_killed(
    cluster, long_clip, tmp_path
):
    job = Job("flow", str(long_clip), Options(model="flow", grid=3), ("csv",))
    killed = kill_first("ray::_encode")
    *_, last = run_cluster([job], str(tmp_path / "out"), stretch=10)
    assert killed
    assert last.state == "done"
    motes.load("flow").track(long_clip, grid=3).save(tmp_path / "alone.csv")
    assert (tmp_path / "out/flow.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()
    assert not list((tmp_path / "out").glob("*.part"))


def test_a_split_video_whose_end_is_missing(cluster, long_clip, tmp_path):
    content = long_clip.read_bytes()
    long_clip.write_bytes(content[: len(content) * 2 // 3])
    job = Job("cut", str(long_clip), Options(model="lk", grid=3), ("csv",))
    alone = track_video(job, str(tmp_path / "alone"))
    *_, last = run_cluster([job], str(tmp_path / "split"), stretch=10)
    assert "the file is truncated or damaged" in alone.problem
    assert last.value.problem.startswith(alone.problem)
    assert replace(last.value, problem=alone.problem) == alone
    assert (tmp_path / "split/cut.csv").read_bytes() == (tmp_path / "alone/cut.csv").read_bytes()
