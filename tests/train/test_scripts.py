"""The scripts that train motes-s on, with a GPU or on two cores, run anywhere."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.torch import load_file

ROOT = Path(__file__).parents[2]

TINY = {
    "data.sources.0.options.clips": "2",
    "data.sources.0.options.kinds": "[{look={movers=[1, 2]}}]",
    "data.sources.0.options.look.frames": "18",
    "data.sources.0.options.look.size": "[64, 64]",
    "data.sources.0.options.look.points": "64",
    "data.sources.0.options.look.samples": "[1, 1]",
    "train.stages.0.size": "[48, 48]",
    "train.stages.0.points": "24",
    "train.log_every": "1",
    "train.save_every": "2",
    "eval.size": "[64, 64]",
    "eval.number": "1",
    "eval.frames": "10",
}


@pytest.fixture
def run(tmp_path):
    """A function that starts a script with tiny numbers; its results are in `tmp_path / "out"`."""
    photographs, clips = tmp_path / "photographs", tmp_path / "clips"
    photographs.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    cv2.imwrite(str(photographs / "a.png"), cv2.resize(noise, (600, 400)))
    out = {"OUT": str(tmp_path / "out"), "LIMIT": "1", "OMP_NUM_THREADS": "1"}
    environment = {**os.environ, **out}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    made = ["generate", "-o", str(clips), "--count", "1", "--frames", "10", "--size", "64x64"]
    subprocess.run([sys.executable, "-m", "motes", *made], env=environment, check=True)
    settings = [text for name, value in TINY.items() for text in ("--set", f"{name}={value}")]

    def start(script, *arguments):
        paths = [clips if argument == "CLIPS" else argument for argument in arguments]
        command = [shutil.which("bash"), ROOT / "recipes" / script, photographs, *paths, *settings]
        return subprocess.Popen(command, env=environment, start_new_session=True)

    return start


def descendants(pid):
    """Processes that a process has started, directly or not."""
    listed = subprocess.run(
        ["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True
    )
    children = [int(line) for line in listed.stdout.split()]
    return [found for child in children for found in (*descendants(child), child)]


def check_weights(out):
    shipped = load_file(ROOT / "src/motes/assets/motes-s.safetensors")
    trained = load_file(out / "best.safetensors")
    assert shipped.keys() == trained.keys()
    assert (trained["transformer.input.weight"] != shipped["transformer.input.weight"]).any()


@pytest.mark.slow
def test_it_renders_trains_and_measures_within_its_time(run, tmp_path):
    assert run("gpu/run.sh", "CLIPS", "0.1").wait(600) == 0
    out = tmp_path / "out"
    assert (out / "scores.csv").read_text().count("motes-s") >= 2
    assert (out / "chooser" / "train.csv").exists()
    check_weights(out)


@pytest.mark.slow
def test_a_run_on_the_cpu_goes_on_where_it_was_killed(run, tmp_path):
    out = tmp_path / "out"
    arguments = ("cpu/run.sh", "CLIPS", "CLIPS", "2")
    killed = run(*arguments)
    deadline = time.monotonic() + 400
    while not (out / "refiner" / "last.ckpt").exists():
        assert killed.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    for pid in (*descendants(killed.pid), killed.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    killed.wait()
    before = (out / "refiner" / "train.csv").read_text().splitlines()
    clips = {path: path.stat().st_mtime for path in (out / "clips").iterdir()}
    assert run(*arguments).wait(600) == 0
    after = (out / "refiner" / "train.csv").read_text().splitlines()
    assert after[:3] == before[:3] and len(after) >= len(before)
    assert all(path.stat().st_mtime == time_ for path, time_ in clips.items() if path.exists())
    for name in ("val", "real"):
        assert (out / f"eval-{name}" / "scores.csv").read_text().count("motes-s") >= 2
    check_weights(out)
