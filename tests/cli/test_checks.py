"""The report for bugs: every fact is there, and the self-test can fail."""

import json

from motes.cli import checks, run


def test_the_report_as_json(capsys):
    assert run(["checks", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["packages"]["motes"] != "not installed"
    assert facts["extras"]["parquet"] == "installed"
    assert set(facts["tests"].values()) == {"ok"}
    assert "libavcodec" in facts["ffmpeg"]


def test_a_self_test_that_fails_is_reported(monkeypatch, capsys):
    monkeypatch.setattr(checks, "_clip", lambda: "no such clip.mp4")
    assert run(["checks"]) == 1
    out = capsys.readouterr().out
    assert "reads a video            failed: FileError: no such clip.mp4" in out
    assert "writes a video           ok" in out
