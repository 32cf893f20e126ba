"""Help texts name what the registries know."""

import pytest

from motes.cli import _command_names, run
from motes.cli._help import LISTS


@pytest.mark.parametrize("name", _command_names())
def test_every_placeholder_is_filled(capsys, name):
    assert run([name.replace("_", "-"), "--help"]) == 0
    out = capsys.readouterr().out
    assert "$" not in out
    assert "Usage:" in out


@pytest.mark.parametrize(
    ("command", "lists"),
    [
        ("track", ["track_suffixes", "video_suffixes", "dtypes", "runtimes"]),
        ("render", ["looks", "colors", "backgrounds", "video_suffixes"]),
        ("plot", ["colors", "backgrounds"]),
        ("export", ["track_suffixes"]),
        ("eval", ["datasets", "protocols", "dtypes"]),
    ],
)
def test_plug_ins_are_listed(capsys, monkeypatch, command, lists):
    monkeypatch.setenv("COLUMNS", "300")
    run([command, "--help"])
    out = capsys.readouterr().out
    for name in lists:
        assert all(entry in out for entry in LISTS[name]())


def test_options_of_track_are_in_groups(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    run(["track", "--help"])
    out = capsys.readouterr().out
    groups = ["Points", "Frames", "Model and machine", "Camera", "Output"]
    assert sorted(out.index(f"─ {group} ") for group in groups) == [
        out.index(f"─ {group} ") for group in groups
    ]
