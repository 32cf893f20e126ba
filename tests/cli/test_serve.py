"""``motes serve`` as a process: prints its address, serves, ends with Ctrl-C."""

import re
import signal
import subprocess
import sys

import httpx
import pytest

from motes.cli import run, serve

pytest.importorskip("uvicorn")


def test_it_serves_until_ctrl_c(tmp_path):
    command = [sys.executable, "-m", "motes", "serve", "--no-browser"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        address = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())[0]
        assert "<title>motes" in httpx.get(address).text
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, -signal.SIGINT, 130)
    assert not list(tmp_path.iterdir())


def test_without_its_packages_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setattr(serve, "PACKAGES", ("fastapi", "a_package_that_does_not_exist"))
    assert run(["serve", "--no-browser"]) == 1
    assert "motes[web]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.mp4"], "no such file"),
        (["--model", "nothing"], "model"),
        (["--host", "192.0.2.1"], "cannot listen"),
    ],
)
def test_bad_arguments_are_one_line(arguments, message, capsys):
    assert run(["serve", "--no-browser", *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
