"""How the command shares the processors."""

import subprocess
import sys

import pytest

RUN = """
import os, sys
import motes.cli
sys.argv = ["motes", "--version"]
try:
    motes.cli.main()
finally:
    print(os.environ["OMP_WAIT_POLICY"], "torch" in sys.modules)
"""


@pytest.mark.parametrize(("given", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "x"}, "x")])
def test_waiting_threads_sleep_unless_the_user_says_otherwise(given, policy, monkeypatch):
    """Set before torch is loaded, which reads it."""
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    out = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, check=True)
    assert out.stdout.split()[-2:] == [policy, "False"]
