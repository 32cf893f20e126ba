"""Clips on disk: read as written, kept, continued, and never partial."""

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import psutil
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


def test_a_run_continues_and_keeps_existing_clips(tmp_path):
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


def test_clips_of_other_settings_are_refused(tmp_path):
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


def test_workers_make_the_same_clips_and_report_errors(tmp_path):
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


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal to orphans is Linux's")
def test_workers_end_with_a_run_that_is_killed_while_they_start(tmp_path):
    command = [sys.executable, "-m", "motes", *COMMAND, str(tmp_path), "--workers", "1"]
    process = subprocess.Popen([*command, "--count", "1000"], stdout=subprocess.DEVNULL)
    try:
        await_that(lambda: _workers(process.pid))
        workers = _workers(process.pid)
    finally:
        process.kill()
        process.wait()
    await_that(lambda: not any(map(_is_alive, workers)))


def _is_alive(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _workers(parent):
    found = psutil.Process(parent).children()
    return [child for child in found if "spawn_main" in " ".join(child.cmdline())]


def await_that(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    config = replace(SMALL, kind="layers", frames=40, size=(96, 128))
    for name in ("one", "other"):
        list(generate(tmp_path / name, config, 1, seed=3))
    for file in ("00000.mp4", "00000.npz"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()


@pytest.mark.parametrize("content", ["[1, 2]", "{", "[" * 100_000])
def test_invalid_settings_files_are_reported(tmp_path, content):
    (tmp_path / "settings.json").write_text(content)
    with pytest.raises(FileError, match="cannot be used for clips"):
        next(generate(tmp_path, SMALL, 1))


def test_a_file_instead_of_a_folder_is_reported(tmp_path):
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
def test_command_line_reports_errors(tmp_path, capsys, options, message):
    assert run([*COMMAND, str(tmp_path / "c"), *options]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "c").exists()
