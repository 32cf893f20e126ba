import numpy as np
import pytest

import motes
from motes import data
from motes.errors import FileError
from motes.eval.benchmark import Score, evaluate, summarise
from motes.eval.protocols import NATIVE


def score(model, clip, aj, frames=10, seconds=2.0):
    return Score(model, clip, 5, frames, seconds, {"average_jaccard": aj})


def test_means_are_over_clips():
    found = summarise([score("a", "x", 0.2), score("b", "x", 0.5), score("a", "y", 0.4, 30, 1.0)])
    assert [(s.model, s.clips) for s in found] == [("a", 2), ("b", 1)]
    assert found[0].metrics["average_jaccard"] == pytest.approx(0.3)
    assert found[0].frames_per_second == pytest.approx(40 / 3)


def test_nan_is_left_out_of_the_mean():
    nan = float("nan")
    (found,) = summarise([score("a", "x", nan), score("a", "y", 0.4)])
    assert found.metrics["average_jaccard"] == 0.4
    (found,) = summarise([score("a", "x", nan)])
    assert np.isnan(found.metrics["average_jaccard"])


def test_every_tracker_is_measured_on_every_clip(tmp_path, write_clip):
    for name in ("x", "y"):
        write_clip(tmp_path, name)
    trackers = {"lk": motes.load("lk"), "again": motes.load("lk")}
    results = {}
    found = list(
        evaluate(
            data.load("clips", tmp_path),
            trackers,
            NATIVE,
            "first",
            on_tracks=lambda task, label, tracks: results.update({(task.name, label): tracks}),
        )
    )
    assert [[(s.clip, s.model) for s in row] for row in found] == [
        [("x", "lk"), ("x", "again")],
        [("y", "lk"), ("y", "again")],
    ]
    for row in found:
        assert row[0].metrics == row[1].metrics
        assert (row[0].queries, row[0].frames) == (6, 8)
        assert row[0].seconds > 0
    assert len(results) == 4
    assert results["x", "lk"].size == (128, 96)


def test_a_clip_that_cannot_be_used_is_left_out_for_all(tmp_path, write_clip):
    for name in ("a", "bad", "z"):
        write_clip(tmp_path, name)
    (tmp_path / "bad.mp4").write_bytes(b"nothing like a video")
    collection = data.load("clips", tmp_path)
    found = list(evaluate(collection, {"lk": motes.load("lk")}, NATIVE, "first"))
    assert [row[0].clip for row in found] == ["a", "z"]
    assert list(collection.skipped) == ["bad"]


def test_nothing_to_measure_is_an_error(tmp_path, write_clip):
    write_clip(tmp_path, "hidden", occluded=np.ones((6, 8), bool))
    collection = data.load("clips", tmp_path)
    with pytest.raises(FileError, match="none of 1 clips could be used; hidden: "):
        list(evaluate(collection, {"lk": motes.load("lk")}, NATIVE, "first"))
