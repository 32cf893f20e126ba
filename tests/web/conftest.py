"""A real server in a thread, and small clips for it."""

import contextlib
import threading
import time
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from motes import open_writer

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from motes.web.server import Server
from motes.web.settings import Limits, Settings

T, W, H = 24, 96, 64
SECONDS = 60


def write_clip(path: Path, frames=T, size=(W, H)):
    """A texture that drifts by one pixel a frame."""
    width, height = size
    noise = np.random.default_rng(0).integers(0, 255, (height // 6, (width + frames) // 6, 3))
    plane = cv2.resize(
        noise.astype(np.uint8), (width + frames, height), interpolation=cv2.INTER_CUBIC
    )
    with open_writer(path, size, 25) as writer:
        for t in range(frames):
            writer.write(np.ascontiguousarray(plane[:height, t : t + width]))


class Running:
    """A server that runs, and a client of it."""

    def __init__(self, address: str, server: Server) -> None:
        self.address, self.server = address.split("?")[0].split("#")[0], server
        self.entry = address
        self.client = httpx.Client(base_url=self.address, timeout=SECONDS)

    def call(self, method, path, **options):
        answer = self.client.request(method, f"/api/{path}", **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def open(self, path):
        return self.call("POST", "open", json={"path": path})["id"]

    def add(self, id, xy, at=0, direction="forward"):
        body = {"xy": xy, "at": at, "direction": direction}
        return self.call("POST", f"documents/{id}/points", json=body)["ids"]

    def wait(self, id):
        """The state, once nothing is being tracked."""
        return wait_for(lambda: (s := self.call("GET", f"documents/{id}")) and not s["jobs"] and s)

    def download(self, id, kind, folder, **options):
        done = self.call("POST", f"documents/{id}/exports", json={"kind": kind, **options})
        path = folder / done["name"]
        path.write_bytes(self.client.get(done["url"]).content)
        return path


def wait_for(condition, seconds=SECONDS):
    """The first value of a condition that is not false."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
    return value


@contextlib.contextmanager
def running(settings: Settings):
    addresses = []
    with Server(settings, None, addresses.append) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield Running(wait_for(lambda: addresses and addresses[0]), server)
        finally:
            server.stop()
            thread.join(SECONDS)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("served")
    write_clip(root / "clip.mp4")
    (root / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42 and nothing else")
    return root


@pytest.fixture(scope="session")
def host(folder):
    limits = Limits(upload_bytes=2**20, body_bytes=2**16, body_seconds=1.0, sockets=20, uploads=3)
    with running(Settings(folder, model="flow", limits=limits)) as server:
        yield server
