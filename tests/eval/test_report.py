import csv
import json

import pytest

from motes.errors import MissingExtraError
from motes.eval import report
from motes.eval.benchmark import Score
from motes.eval.report import check_charts, write_report


def scores():
    nan = float("nan")
    values = {"a": (0.5, 0.25), "b": (0.75, nan)}
    return [
        Score(model, clip, 3, 8, 0.5, {"average_jaccard": aj, "occlusion_accuracy": 0.5})
        for model, pair in values.items()
        for clip, aj in zip(("x", "y"), pair, strict=True)
    ]


def test_numbers_and_charts_are_written(tmp_path):
    files = write_report(tmp_path, scores(), {"protocol": "tapvid", "skipped": {"bad": "why"}})
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f.name for f in files)
    with (tmp_path / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["model"], r["clip"], r["average_jaccard"]) for r in rows] == [
        ("a", "x", "0.5"),
        ("a", "y", "0.25"),
        ("b", "x", "0.75"),
        ("b", "y", "nan"),
    ]
    content = json.loads((tmp_path / "scores.json").read_text())
    assert content["protocol"] == "tapvid"
    assert content["models"][0]["metrics"]["average_jaccard"] == 0.375
    assert content["scores"][3]["metrics"]["average_jaccard"] is None
    for name in ("clips.png", "speed.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"motes\[eval\]"):
        check_charts()
    with pytest.raises(MissingExtraError):
        write_report(tmp_path, scores(), {})
    assert not list(tmp_path.iterdir())
