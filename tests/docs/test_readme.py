"""The code blocks of the README run as they stand: Python in one session, commands in one folder."""

import os
import re
import shlex
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

import motes
from motes.cli import run

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FRAMES = 10


@pytest.fixture(scope="module")
def bike(tmp_path_factory):
    """A folder with bike.mp4, which is the beginning of the demo clip, and a mask rider.png."""
    folder = tmp_path_factory.mktemp("readme")
    clip = motes.open_video(ROOT / "src/motes/assets/demo.mp4")
    frames = [cv2.resize(frame, (192, 128)) for frame in islice(clip, FRAMES)]
    with motes.open_writer(folder / "bike.mp4", (192, 128), clip.fps) as writer:
        for frame in frames:
            writer.write(frame)
    mask = np.zeros((128, 192), np.uint8)
    mask[40:, 50:150] = 255
    cv2.imwrite(str(folder / "rider.png"), mask)
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_python(bike):
    names = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    assert names["tracks"].num_frames == FRAMES
    assert {"bike.csv", "tracked.mp4", "later.pt"} <= {p.name for p in bike.iterdir()}


COMMANDS = [line.split("  #")[0].strip() for block in blocks("sh") for line in block.splitlines()]


def test_commands(bike, capsys):
    assert len(COMMANDS) > 8
    for line in COMMANDS:
        program, *arguments = shlex.split(line)
        assert program == "motes"
        assert run(arguments) == 0, (line, capsys.readouterr().err)


def test_links_lead_somewhere():
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    missing = [t for t in targets if "://" not in t and not (ROOT / t).exists()]
    assert missing == []
