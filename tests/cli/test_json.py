"""``--json``: stdout is one JSON value with the documented keys, whatever happens."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from motes import Tracks, open_writer
from motes.cli import run

DOCS = Path(__file__).parents[2] / "docs/howto/scripts.md"


def documented(command):
    """The keys of the table in the section of a command."""
    section = DOCS.read_text().split(f"## `motes {command} --json`")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.M)
    return [key for row in rows for key in re.findall(r"`(\w+)`", row)]


@pytest.fixture
def printed(capfd):
    """Runs a command; its exit code, what stdout holds as JSON, and stderr."""

    def printed(*arguments):
        code = run([*map(str, arguments), "--json"])
        out, err = capfd.readouterr()
        return code, json.loads(out), err

    return printed


@pytest.fixture
def clips(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open_writer("a.mp4", (64, 48), 30000 / 1001) as writer:
        for t in range(4):
            writer.write(np.full((48, 64, 3), 40 * t, np.uint8))
    Path("broken.mp4").write_text("no video")


def test_track(clips, printed):
    code, (found,), err = printed(
        "track", "a.mp4", "--model=lk", "--grid=2", "-oa.npz", "-oa.mp4.gif"
    )
    tracks = Tracks.load("a.npz")
    assert code == 0
    assert list(found) == documented("track")
    assert found.pop("seconds") > 0
    assert found == {
        "video": "a.mp4",
        "model": "lk",
        "state": "done",
        "start": 0,
        "frames": 4,
        "points": 4,
        "visible": tracks.visible.mean(),
        "size": [64, 48],
        "fps": [30000, 1001],
        "problem": None,
        "outputs": ["a.npz", "a.mp4.gif"],
        "error": None,
    }
    assert "wrote a.npz" in err and "4 points, frames 0..3" in err


@pytest.mark.parametrize("videos", [["broken.mp4"], ["a.mp4", "broken.mp4"]])
def test_a_video_that_cannot_be_tracked_is_an_entry(clips, printed, videos):
    code, entries, err = printed("track", *videos, "--model=lk", "--grid=2", "-o{name}.csv")
    assert code == 1
    assert [e["video"] for e in entries] == videos
    failed = entries[-1]
    assert list(failed) == documented("track")
    assert (failed["state"], failed["outputs"], failed["frames"]) == ("failed", [], None)
    assert failed["error"].startswith("broken.mp4: ")
    assert failed["error"] in err


def test_a_mistake_prints_no_json(clips, capfd):
    assert run(["track", "a.mp4", "--grid", "2", "--points", "1,2", "--json"]) == 1
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("motes: expected one of --grid, ")


def test_models(printed, monkeypatch, tmp_path):
    from motes.tracking.load import DEFAULT_MODEL, presets

    monkeypatch.setenv("MOTES_CACHE", str(tmp_path))
    code, entries, err = printed("models")
    assert (code, err) == (0, "")
    assert {tuple(e) for e in entries} == {tuple(documented("models"))}
    assert [e["name"] for e in entries] == list(presets())
    assert [e["name"] for e in entries if e["default"]] == [DEFAULT_MODEL]
    by_name = {e["name"]: e for e in entries}
    assert by_name["lk"]["parameters"] == 0 and by_name["lk"]["weights"] is None
    assert by_name["motes-s"]["parameters"] > 1e6 and by_name["motes-s"]["weights"] == "included"
    assert by_name["motes-s"]["accuracy"].keys() == {"aj", "delta", "oa", "data"}
