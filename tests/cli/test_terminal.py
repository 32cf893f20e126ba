"""Results are written whatever the terminal is; signals and errors end in order."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from motes import Tracks
from motes.cli import run

MOTES = f"{sys.executable} -m motes"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Tracks(np.zeros((2, 3, 2)), np.ones((2, 3)), size=(64, 48)).save("лыжник.npz")
    return tmp_path


@pytest.mark.parametrize(
    ("end", "environment", "said"),
    [
        ("> /dev/full", {}, "motes: cannot print: No space left on device\n"),
        ("2>&1 > /dev/full", {}, "motes: cannot print: No space left on device\n"),
        ("2> /dev/full", {}, ""),
        ("| true", {}, ""),
        (">&-", {}, ""),
        (">&- 2>&-", {}, ""),
        ("<&- >&- 2>&-", {}, ""),
        ("> said.txt", {"PYTHONIOENCODING": "cp1252"}, ""),
        ("> said.txt", {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}, ""),
    ],
)
def test_outputs_do_not_depend_on_the_terminal(folder, end, environment, said):
    command = f"set -o pipefail; {MOTES} export лыжник.npz -o a.csv -o b.json {end}"
    done = subprocess.run(
        ["bash", "-c", command],
        env=os.environ | environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    assert (done.returncode, done.stderr.decode()) == (0, said if "2>&1" not in end else "")
    assert Tracks.load("a.csv") == Tracks.load("b.json") == Tracks.load("лыжник.npz")


def test_a_name_that_the_terminal_cannot_show(folder):
    command = f"{MOTES} export лыжник.npz -o лыжник.csv"
    out = subprocess.run(
        ["bash", "-c", command], env=os.environ | {"PYTHONIOENCODING": "cp1252"},
        capture_output=True, check=True,
    )  # fmt: skip
    assert (out.stdout, out.stderr) == (b"wrote ??????.csv\n", b"")


SIGNALLED = """
import os, sys, time
from motes.common.files import replacing
from motes.cli import export, run
def write(parts, path, *_):
    with replacing(path) as temporary:
        temporary.write_text("half")
        os.kill(os.getpid(), int(sys.argv[1]))
        time.sleep(30)
export.save_parts = write
sys.exit(run(["export", "лыжник.npz", "-o", "a.csv"]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_a_command_in_order(folder, number):
    command = [sys.executable, "-c", SIGNALLED, str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (128 + number, "motes: interrupted\n")
    assert [p.name for p in folder.iterdir()] == ["лыжник.npz"]


ERRORS = {
    "a fault of ours": (ValueError("no\nsuch value"), "unexpected ValueError: no such value (motes --debug ... shows where)"),
    "the system": (PermissionError(13, "Permission denied", "a/b"), "a/b: Permission denied"),
    "memory": (MemoryError(), "there is not enough memory"),
    "deep": (RecursionError("maximum recursion depth exceeded"), "unexpected RecursionError"),
    "long": (ValueError("x" * 10_000), "unexpected ValueError: xxx"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_any_error_is_one_line(folder, monkeypatch, capsys, name):
    error, line = ERRORS[name]

    def fail(*_):
        raise error

    monkeypatch.setattr("motes.cli.export.load", fail)
    assert run(["export", "лыжник.npz", "-o", "a.csv"]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"motes: {line}")
    assert err.count("\n") == 1 and len(err) < 1100
    for arguments in (["--debug", "export"], ["export", "--debug"]):
        assert run([*arguments, "лыжник.npz", "-o", "a.csv"]) == 1
        assert "Traceback" in (err := capsys.readouterr().err)
        assert err.splitlines()[-1].startswith("motes: ")
