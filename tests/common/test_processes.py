"""A worker ends with its parent, also if the parent is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from motes.common.processes import available_cores

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

WORKER = """
import os, sys, time
from motes.common.processes import end_with_parent
end_with_parent(int(sys.argv[1]))
print(os.getpid(), flush=True)
time.sleep(60)
"""

PARENT = f"""
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", {WORKER!r}, str(os.getpid())]).wait()
"""


def _alive(pid):
    """Whether a process runs; one that has ended but was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_worker_ends_with_its_killed_parent():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    assert _alive(worker)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while _alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(worker)


def test_a_worker_whose_parent_is_gone_already_ends_at_once():
    done = subprocess.run([sys.executable, "-c", WORKER, "999999999"], capture_output=True)
    assert done.returncode == 1
    assert done.stdout == b""


def test_cores():
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
