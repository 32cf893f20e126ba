"""The script for machines with a GPU runs anywhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.torch import load_file

ROOT = Path(__file__).parents[2]

TINY = {
    "data.sources.0.options.clips": "2",
    "data.sources.0.options.look.frames": "18",
    "data.sources.0.options.look.size": "[64, 64]",
    "data.sources.0.options.look.points": "64",
    "data.sources.0.options.look.samples": "[1, 1]",
    "train.stages.0.size": "[48, 48]",
    "train.stages.0.points": "24",
    "eval.size": "[64, 64]",
    "eval.number": "1",
    "eval.frames": "10",
}


@pytest.mark.slow
def test_it_renders_trains_and_measures_within_its_time(tmp_path):
    photographs, clips, out = (tmp_path / name for name in ("photographs", "clips", "out"))
    photographs.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    cv2.imwrite(str(photographs / "a.png"), cv2.resize(noise, (600, 400)))
    made = ["generate", "-o", str(clips), "--count", "1", "--frames", "10", "--size", "64x64"]
    environment = {**os.environ, "OUT": str(out), "LIMIT": "1", "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    subprocess.run([sys.executable, "-m", "motes", *made], env=environment, check=True)
    settings = [text for name, value in TINY.items() for text in ("--set", f"{name}={value}")]
    command = [shutil.which("bash"), ROOT / "recipes/gpu/run.sh", photographs, clips, "0.05"]
    subprocess.run([*command, *settings], env=environment, check=True, timeout=600)
    assert (out / "scores.csv").read_text().count("motes-s") >= 2
    assert (out / "chooser" / "train.csv").exists()
    shipped = load_file(ROOT / "src/motes/assets/motes-s.safetensors")
    trained = load_file(out / "best.safetensors")
    assert shipped.keys() == trained.keys()
    assert (trained["encoder.out.weight"] == shipped["encoder.out.weight"]).all()
