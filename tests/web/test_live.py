"""Live sources: a real stream over HTTP, points clicked while it runs, measured latency."""

import functools
import http.server
import json
import threading

import cv2
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from motes.web.settings import Settings
from web.conftest import SECONDS, H, W, running, write_clip
from web.test_page import browser, tab  # noqa: F401


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    """The address of a clip of 80 s on a web server."""
    folder = tmp_path_factory.mktemp("stream")
    write_clip(folder / "camera.mp4", 2000)
    write_clip(folder / "short.mp4", 10)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/camera.mp4"
        server.shutdown()


@pytest.fixture(scope="module")
def live_host(folder):
    with running(Settings(folder, model="lk")) as host:
        yield host


def frames(socket):
    """Headers and pictures; each is acknowledged when the next one is wanted."""
    while True:
        message = socket.recv(SECONDS)
        length = int.from_bytes(message[:4], "little")
        yield json.loads(message[4 : 4 + length]), message[4 + length :]
        socket.send("shown")


def test_points_are_followed_while_it_runs(live_host, stream):
    info = live_host.call("POST", "live", json={"source": stream})
    assert (info["name"], info["size"]) == (stream, [W, H])
    path = f"live/{info['id']}"
    address = live_host.address.replace("http", "ws") + f"api/{path}/events"
    with connect(address) as socket:
        coming = frames(socket)
        header, picture = next(coming)
        assert cv2.imdecode(np.frombuffer(picture, np.uint8), 1).shape == (H, W, 3)
        body = {"x": 60, "y": 30, "number": header["number"]}
        live_host.call("POST", f"{path}/points", json=body)
        seen = [h for h, _ in (next(coming) for _ in range(20)) if h["points"]]
        assert len(seen) > 5
        assert all(h["latency"] > 0 and h["tracking"] >= 0 for h in seen)
        first, last = (h["points"][0][2:] for h in (seen[0], seen[-1]))
        assert last[2]
        assert last[0] < first[0] - 3  # the texture drifts to the left
        assert abs(last[1] - 30) < 2
        live_host.call("POST", f"{path}/clear")
        assert any(not h["points"] for h, _ in (next(coming) for _ in range(10)))
    live_host.call("DELETE", path)
    assert live_host.client.post(f"/api/{path}/clear").status_code == 404


@pytest.mark.parametrize(
    "source",
    [
        "",
        "nothing",
        "file:///etc/passwd",
        "concat:a|b",
        "/etc/passwd",
        "clip.mp4",
        "subfile,,:a",
        "123",
    ],
)
def test_what_is_no_stream(live_host, source):
    answer = live_host.client.post("/api/live", json={"source": source})
    assert (answer.status_code, "expected the number" in answer.text) == (400, True)


def test_a_stream_that_cannot_be_opened(live_host, stream):
    answer = live_host.client.post("/api/live", json={"source": stream + "x"})
    assert answer.status_code == 404
    assert "Traceback" not in answer.text


def test_a_source_that_ends(live_host, stream):
    short = stream.replace("camera", "short")
    id = live_host.call("POST", "live", json={"source": short})["id"]
    address = live_host.address.replace("http", "ws") + f"api/live/{id}/events"
    with connect(address) as socket, pytest.raises(ConnectionClosed, match="has ended"):
        for _ in frames(socket):
            pass
    live_host.call("DELETE", f"live/{id}")


def test_the_page_shows_it(browser, live_host, stream):  # noqa: F811
    with tab(browser, live_host.address) as page:
        page.fill("#live-source", stream)
        page.keyboard.press("Enter")
        page.wait_for_selector("#live-picture[data-frame]")
        box = page.locator("#live-picture").bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_selector("#live-picture[data-points='1']")
        page.get_by_text("ms from camera to screen", exact=False).wait_for()
        page.click("#live-stop")
        page.get_by_text("Track any point").wait_for()
