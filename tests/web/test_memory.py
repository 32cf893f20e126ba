"""Memory of the server stays flat, whatever the length of the video."""

import re
from pathlib import Path

import pytest

from motes.web.settings import MEGABYTE, Limits, Settings
from web.conftest import running, write_clip

SIZE, FRAMES = (192, 144), 2000  # 166 MB of pixels
STATUS = Path("/proc/self/status")


def allocated():
    """Bytes of this process that are no mapped files."""
    return 1024 * int(re.search(r"RssAnon:\s+(\d+)", STATUS.read_text())[1])


@pytest.mark.skipif(not STATUS.exists(), reason="expected Linux, which tells mapped files apart")
def test_a_long_video_is_never_held_whole(tmp_path):
    write_clip(tmp_path / "long.mp4", FRAMES, SIZE)
    limits = Limits(cache_bytes=8 * MEGABYTE)
    with running(Settings(tmp_path, model="lk", memory="32M", limits=limits)) as host:
        id = host.open("long.mp4")
        host.add(id, [[100, 90]], at=FRAMES - 40)

        def read(frames):
            for n in frames:
                assert host.client.get(f"/api/documents/{id}/frames/{n}").status_code == 200

        read(range(0, 400, 8))
        host.wait(id)
        before = allocated()
        read(range(400, FRAMES, 8))  # 133 MB of pixels
        grown = allocated() - before
        assert grown < 30 * MEGABYTE, f"{grown / MEGABYTE:.0f} MB"
