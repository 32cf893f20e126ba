"""What the page asks of the server, and that its answers are those of the library."""

import json
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

import motes
from motes import Tracks
from motes.tracking.parts import track_in_parts
from motes.web.points import cross_fade
from web.conftest import H, T, W


@pytest.fixture(scope="module")
def session(folder):
    return motes.load("flow").session(folder / "clip.mp4")


@pytest.fixture
def id(host):
    """The clip without points."""
    id = host.open("clip.mp4")
    points = [p["id"] for p in host.call("GET", f"documents/{id}")["points"]]
    if points:
        host.call("POST", f"documents/{id}/delete", json={"ids": points})
    return id


def expected(session, txy, backward=False):
    parts = list(track_in_parts(session, [txy], backward=backward))
    return Tracks.concat_frames(parts[::-1] if backward else parts)


def test_the_start_page_lists_videos_and_formats(host):
    hello = host.call("GET", "hello")
    assert {f["kind"] for f in hello["choices"]["files"]} == set(motes.export.formats())
    entries = host.call("GET", "files")["entries"]
    assert {e["path"]: e["kind"] for e in entries} == {"broken.mp4": "video", "clip.mp4": "video"}


def test_frames_are_those_of_the_video(host, id, folder):
    state = host.call("GET", f"documents/{id}")
    assert (state["frames"], state["size"], state["fps"]) == (T, [W, H], 25)
    video = motes.open_video(folder / "clip.mp4").read(0, T).astype(int)
    for n in (0, 17, T - 1, 3):
        answer = host.client.get(f"/api/documents/{id}/frames/{n}")
        frame = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR_RGB)
        assert np.abs(frame - video).mean((1, 2, 3)).argmin() == n
    small = host.client.get(f"/api/documents/{id}/frames/5?height=32").content
    assert cv2.imdecode(np.frombuffer(small, np.uint8), 1).shape == (32, 48, 3)


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_tracks_are_those_of_the_library(host, id, session, tmp_path, direction):
    host.add(id, [[50.25, 30]], at=9, direction=direction)
    (point,) = host.wait(id)["points"]
    assert point["complete"]
    found = Tracks.load(host.download(id, ".npz", tmp_path))
    assert found.queries.tolist() == [[9, 50.25, 30]]
    for backward, frames in ((False, slice(9, T)), (True, slice(0, 10))):
        if direction in ("both", "backward" if backward else "forward"):
            part = expected(session, (9, 50.25, 30), backward)
            assert np.array_equal(found.xy[:, frames], part.xy)
            assert np.array_equal(found.visible[:, frames], part.visible)
            assert np.array_equal(found.confidence[:, frames], part.confidence)
    if direction == "forward":
        assert not found.visible[:, :9].any()


def test_a_correction_changes_the_track_between_its_neighbours_only(host, id, session, tmp_path):
    (point,) = host.add(id, [[50, 30]], at=0)
    host.wait(id)
    before = Tracks.load(host.download(id, ".npz", tmp_path))
    for t, x, y in ((12, 40.5, 33), (18, 30, 28)):
        host.call("PUT", f"documents/{id}/points/{point}/key", json={"t": t, "x": x, "y": y})
        host.wait(id)
    found = Tracks.load(host.download(id, ".npz", tmp_path))
    keys = [(0, 50, 30), (12, 40.5, 33), (18, 30, 28)]
    for first, last in pairwise(keys):
        frames = slice(first[0], last[0] + 1)
        ahead = expected(session, first)[:, : last[0] - first[0] + 1]
        back = expected(session, last, backward=True)[:, frames]
        part = cross_fade(ahead, back)
        assert np.array_equal(found.xy[:, frames], part.xy)
        assert found.xy[0, last[0]].tolist() == list(last[1:])
    assert np.array_equal(found.xy[:, 18:], expected(session, keys[-1]).xy)

    host.call("DELETE", f"documents/{id}/points/{point}/key/18")
    host.call("DELETE", f"documents/{id}/points/{point}/key/12")
    host.wait(id)
    assert Tracks.load(host.download(id, ".npz", tmp_path)) == before


def test_undo_and_redo(host, id, tmp_path):
    (point,) = host.add(id, [[50, 30]])
    host.wait(id)
    before = Tracks.load(host.download(id, ".npz", tmp_path))
    host.call("PUT", f"documents/{id}/points/{point}/key", json={"t": 12, "x": 40, "y": 33})
    host.wait(id)
    after = Tracks.load(host.download(id, ".npz", tmp_path))
    assert after != before
    host.call("PATCH", f"documents/{id}/points", json={"ids": [point], "name": "corner"})
    for expected in (after, before):
        host.call("POST", f"documents/{id}/undo")
        assert Tracks.load(host.download(id, ".npz", tmp_path)) == expected
    host.call("POST", f"documents/{id}/redo")
    host.call("POST", f"documents/{id}/redo")
    state = host.call("GET", f"documents/{id}")
    assert [p["name"] for p in state["points"]] == ["corner"]
    assert Tracks.load(host.download(id, ".npz", tmp_path)) == after


def test_undo_while_tracking_leaves_nothing_behind(host, id):
    host.add(id, [[50, 30]])
    host.add(id, [[20, 20]])
    host.call("POST", f"documents/{id}/undo")
    assert [p["complete"] for p in host.wait(id)["points"]] == [True]
    host.call("POST", f"documents/{id}/redo")
    assert [p["complete"] for p in host.wait(id)["points"]] == [True, True]


def test_cancelled_points_can_be_tracked_again(host, id):
    ids = host.add(id, [[50, 30], [20, 20]])
    host.call("POST", f"documents/{id}/cancel")
    assert not any(p["complete"] for p in host.wait(id)["points"])
    host.call("POST", f"documents/{id}/track", json={"ids": ids, "direction": "both"})
    points = host.wait(id)["points"]
    assert [(p["complete"], p["direction"]) for p in points] == [(True, "both")] * 2


@pytest.mark.parametrize(("how", "least"), [({"spacing": 8}, 4), ({"corners": 5}, 3)])
def test_points_inside_a_region(host, id, how, least):
    box = [[row * W + 10, 40] for row in range(20, 50)]
    ids = host.call("POST", f"documents/{id}/region", json={"at": 3, "runs": box, **how})["ids"]
    keys = [p["keys"][0] for p in host.wait(id)["points"]]
    assert len(ids) == len(keys) >= least
    assert all(t == 3 and 9 <= x <= 50 and 19 <= y <= 50 for t, x, y in keys)


def test_hidden_points_are_not_exported_and_deleted_ones_are_gone(host, id, tmp_path):
    a, b, c = host.add(id, [[50, 30], [20, 20], [70, 40]])
    host.wait(id)
    host.call("PATCH", f"documents/{id}/points", json={"ids": [a], "hidden": True})
    host.call("POST", f"documents/{id}/delete", json={"ids": [b]})
    assert Tracks.load(host.download(id, ".npz", tmp_path)).ids.tolist() == [c]
    assert Tracks.load(host.download(id, ".npz", tmp_path, ids=[a])).ids.tolist() == [a]


def test_every_export_can_be_opened(host, id, tmp_path):
    host.add(id, [[50, 30], [20, 20]])
    host.wait(id)
    choices = host.call("GET", "hello")["choices"]
    kinds = [f["kind"] for f in choices["files"] if f["available"] and f["points"] is None]
    found = {kind: host.download(id, kind, tmp_path) for kind in kinds}
    readable = [path for kind, path in found.items() if motes.export.formats()[kind].lossless]
    assert all(path.stat().st_size for path in found.values())
    assert all(len(Tracks.load(path)) == 2 for path in readable)
    video = host.download(id, "video", tmp_path, look="labels", scale=2)
    assert motes.open_video(video).num_frames == T
    assert cv2.imread(str(host.download(id, "sheet", tmp_path))) is not None


def test_a_project_survives_the_server(host, id, folder, tmp_path):
    (point, _) = host.add(id, [[50, 30], [20, 20]])
    host.call("PUT", f"documents/{id}/points/{point}/key", json={"t": 12, "x": 40, "y": 33})
    host.call("PATCH", f"documents/{id}/points", json={"ids": [point], "name": "corner"})
    points = host.wait(id)["points"]
    tracks = Tracks.load(host.download(id, ".npz", tmp_path))
    path = host.call("POST", f"documents/{id}/project", json={})["path"]
    assert path == "clip.motes"
    host.call("DELETE", f"documents/{id}")
    again = host.open(path)
    assert host.call("GET", f"documents/{again}")["points"] == points
    assert Tracks.load(host.download(again, ".npz", tmp_path)) == tracks
    assert host.call("POST", f"documents/{again}/project", json={})["path"] == path
    taken = host.client.post(f"/api/documents/{again}/project", json={"path": "clip.mp4"})
    assert taken.status_code == 400
    (folder / path).unlink()


def test_a_project_saved_while_tracking_goes_on_when_it_is_opened(host, id, folder):
    host.add(id, [[50, 30], [20, 20]])
    host.call("POST", f"documents/{id}/cancel")
    path = host.call("POST", f"documents/{id}/project", json={"path": "half.motes"})["path"]
    host.call("DELETE", f"documents/{id}")
    again = host.open(path)
    assert [p["complete"] for p in host.wait(again)["points"]] == [True, True]
    host.call("DELETE", f"documents/{again}")
    (folder / path).unlink()


def test_a_project_of_an_uploaded_video(host, folder, tmp_path):
    content = (folder / "clip.mp4").read_bytes()
    id = host.call("PUT", "uploads?name=mine.mp4", content=content)["id"]
    host.add(id, [[50, 30]])
    host.wait(id)
    project = host.client.get(f"/api/documents/{id}/project").content
    again = host.call("PUT", "uploads?name=mine.motes", content=project)
    assert again["name"] == "mine.mp4"
    assert len(again["points"]) == 1
    for d in {id, again["id"]}:
        host.call("DELETE", f"documents/{d}")
    lost = host.client.put("/api/uploads?name=mine.motes", content=project)
    assert (lost.status_code, "upload it first" in lost.text) == (404, True)
    assert not list((host.server.studio.temporary / "uploads").iterdir())


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("points", {"xy": [[200, 5]], "at": 0}, "inside"),
        ("points", {"xy": [[5, 5]], "at": T}, "frame"),
        ("points", {"xy": [], "at": 0}, "xy"),
        ("points", {"xy": [["a", 5]], "at": 0}, "xy"),
        ("points", {"xy": [[5, 5]], "at": 0, "direction": "up"}, "direction"),
        ("points", {"xy": [[5, 5]], "at": 0, "color": "red"}, "color"),
        ("region", {"at": 0, "runs": [[0, W * H + 1]], "spacing": 4}, "runs"),
        ("region", {"at": 0, "runs": [[0, 9]]}, "spacing"),
        ("delete", {"ids": [12345]}, "id"),
        ("exports", {"kind": ".xyz"}, "export"),
        ("exports", {"kind": ".csv", "ids": [12345]}, "id"),
        ("project", {"path": "../clip.motes"}, "inside"),
        ("project", {"path": "clip.txt"}, "ends in .motes"),
    ],
)
def test_a_request_that_does_not_fit_is_one_line(host, id, path, body, message):
    answer = host.client.post(f"/api/documents/{id}/{path}", json=body)
    assert 400 <= answer.status_code < 500
    assert message in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe", b"NaN", b'{"xy":[[NaN,1]],"at":0}'])
def test_malformed_json(host, id, content):
    answer = host.client.post(f"/api/documents/{id}/points", content=content)
    assert answer.status_code in (400, 422)
    assert set(answer.json()) == {"error"}


def test_a_video_too_many_closes_one_that_nobody_uses(folder):
    from motes.web.settings import Limits, Settings
    from web.conftest import running

    with running(Settings(folder, limits=replace(Limits(), documents=1))) as host:
        first = host.open("clip.mp4")
        second = host.call("POST", "open", json={"demo": True})["id"]
        assert host.client.get(f"/api/documents/{first}").status_code == 404
        host.add(second, [[50, 30]])
        full = host.client.post("/api/open", json={"path": "clip.mp4"})
        assert (full.status_code, "at most 1" in full.text) == (400, True)


def test_two_pages_get_the_same_events(host, id):
    from websockets.sync.client import connect

    address = host.address.replace("http", "ws") + f"api/documents/{id}/events"
    with connect(address) as one, connect(address) as two:
        assert {json.loads(s.recv(10))["type"] for s in (one, two)} == {"state"}
        host.add(id, [[50, 30]])
        host.wait(id)
        for socket in (one, two):
            frames = set()
            while frames != set(range(T)):
                message = socket.recv(10)
                if isinstance(message, bytes):
                    length = int.from_bytes(message[:4], "little")
                    header = json.loads(message[4 : 4 + length])
                    body = np.frombuffer(message[4 + length :], "<f4")
                    assert body.size == header["frames"] * 4
                    frames |= set(range(header["start"], header["start"] + header["frames"]))
