"""Clips on disk: read back as written, kept, continued, and never half there."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from motes.cli import run
from motes.data import load
from motes.errors import FileError, InputError
from motes.synthetic import SyntheticConfig, synthesize
from motes.synthetic.folder import generate, write_clip

SMALL = SyntheticConfig(frames=4, size=(48, 64), points=16, layers=(2, 3), objects=(2, 3))
COMMAND = ["generate", "--frames", "3", "--size", "64x48", "--points", "8", "-o"]


def test_a_clip_is_read_back_as_it_was_made(tmp_path):
    sample = synthesize(replace(SMALL, kind="layers"), [5])[0]
    write_clip(tmp_path / "a.npz", sample)
    clip = next(load("clips", tmp_path).each(lambda clip: clip))
    assert clip.tracks.size == (64, 48)
    np.testing.assert_allclose(clip.tracks.xy.swapaxes(0, 1), sample.xy.numpy(), atol=1e-3)
    np.testing.assert_array_equal(clip.tracks.visible.T, sample.visible.numpy())


def test_a_run_continues_and_keeps_what_is_there(tmp_path):
    started = generate(tmp_path, SMALL, 3, seed=1)
    first = next(started)
    started.close()  # interrupted
    before = first.stat().st_mtime_ns
    (tmp_path / "00001.mp4").write_bytes(b"video of a clip that was interrupted")
    files = list(generate(tmp_path, SMALL, 3, seed=1))
    assert [f.name for f in files] == ["00000.npz", "00001.npz", "00002.npz"]
    assert first.stat().st_mtime_ns == before
    assert (tmp_path / "00001.mp4").stat().st_size > 100
    assert len(list(load("clips", tmp_path).each(lambda clip: clip))) == 3
    assert not list(tmp_path.glob(".*"))


def test_other_settings_do_not_mix(tmp_path):
    list(generate(tmp_path, SMALL, 1))
    with pytest.raises(InputError, match="other settings: points 16 -> 17"):
        next(generate(tmp_path, replace(SMALL, points=17), 1))
    with pytest.raises(InputError, match="seed 0 -> 2"):
        next(generate(tmp_path, SMALL, 1, seed=2))


@pytest.mark.parametrize(
    ("count", "changes", "message"),
    [(0, {}, "expected at least 1 clip"), (1, {"size": (48, 63)}, "size: expected even sides")],
)
def test_bad_requests_write_nothing(tmp_path, count, changes, message):
    with pytest.raises(InputError, match=message):
        next(generate(tmp_path / "new", replace(SMALL, **changes), count))
    assert not (tmp_path / "new").exists()


def test_workers_make_the_same_clips_and_hand_problems_on(tmp_path):
    config = replace(SMALL, kind="layers")
    for name, workers in (("here", 0), ("there", 2)):
        list(generate(tmp_path / name, config, 3, workers=workers))
    for index in range(3):
        one, other = (np.load(tmp_path / n / f"{index:05d}.npz") for n in ("here", "there"))
        np.testing.assert_array_equal(one["points"], other["points"])
    (tmp_path / "broken.png").write_bytes(b"no picture")
    config = replace(config, textures=str(tmp_path), procedural=0)
    with pytest.raises(FileError, match=r"^textures: .*broken.png: expected an image"):
        list(generate(tmp_path / "broken", config, 1, workers=1))


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be used for clips"):
        next(generate(tmp_path / "file", SMALL, 1))


def test_command_line(tmp_path, capsys):
    assert run([*COMMAND, str(tmp_path / "c"), "--count", "2", "--kind", "layers"]) == 0
    assert len(list((tmp_path / "c").glob("*.npz"))) == 2
    assert "2 clips in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "wide"], "size: expected WIDTHxHEIGHT"),
        (["--kind", "solid"], "kind: expected one of"),
        (["--textures", "/nowhere"], "expected a folder of images"),
    ],
)
def test_command_line_says_what_is_wrong(tmp_path, capsys, options, message):
    assert run([*COMMAND, str(tmp_path / "c"), *options]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def test_a_worker_whose_run_was_killed_ends():
    """Killed early, its workers took their new parent for the run, and stayed for ever."""
    code = "from motes.synthetic.folder import _start_worker as f; f({}, 0); print('goes on')"
    for parent, output in [(os.getpid(), "goes on\n"), (os.getpid() + 1, "")]:
        command = [sys.executable, "-c", code.format(parent)]
        assert subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout == output
