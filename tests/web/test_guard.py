"""Attacks are refused in one line, and the server goes on."""

import contextlib
import os
import socket
import time

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from motes.web.settings import Settings
from web.conftest import running, wait_for


@pytest.fixture(autouse=True)
def goes_on(host):
    yield
    assert host.call("GET", "hello")["version"]


def refused(answer, capfd, status, message):
    assert (answer.status_code, set(answer.json())) == (status, {"error"})
    assert message in answer.json()["error"]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    lines = [line for line in capfd.readouterr().err.splitlines() if "refused" in line]
    assert len(lines) == 1
    assert f"({status})" in lines[0]


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "", "127.0.0.1:1"])
def test_another_host(host, capfd, name):
    port = httpx.URL(host.address).port
    name = name if ":" in name else f"{name}:{port}"
    answer = host.client.get("/api/hello", headers={"host": name})
    refused(answer, capfd, 421, "expected the host")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_another_page(host, capfd, headers):
    refused(host.client.get("/api/hello", headers=headers), capfd, 403, "of this page")
    refused(host.client.post("/api/open", headers=headers), capfd, 403, "of this page")


def test_a_link_of_another_page_may_lead_here_but_reads_nothing(host):
    visit = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert host.client.get("/", headers=visit).status_code == 200
    assert host.client.get("/api/hello", headers=visit).status_code == 403


def test_the_page_allows_no_other_origin(host):
    answer = host.client.get("/", headers={"origin": host.address.rstrip("/")})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    policy = answer.headers["content-security-policy"]
    assert "'unsafe" not in policy
    assert "http" not in policy


@pytest.fixture
def secrets(folder, tmp_path):
    """Files outside of the folder, and links to them inside."""
    secret = tmp_path / "secret.mp4"
    secret.write_bytes((folder / "clip.mp4").read_bytes())
    made = [folder / "link.mp4", folder / "linked", folder / "frames"]
    made[0].symlink_to(secret)
    made[1].symlink_to(tmp_path)
    made[2].mkdir()
    (made[2] / "0.png").symlink_to(secret)
    yield secret
    (made[2] / "0.png").unlink()
    made[2].rmdir()
    for link in made[:2]:
        link.unlink()


def test_paths_stay_in_the_folder(host, folder, secrets, capfd):
    outside = os.path.relpath(secrets, folder)
    for path in (outside, str(secrets), "link.mp4", "linked/secret.mp4", "linked", "frames"):
        refused(host.client.post("/api/open", json={"path": path}), capfd, 400, "expected a")
    for path in ("..", "/", "linked"):
        refused(host.client.get("/api/files", params={"path": path}), capfd, 400, "inside")
    names = [e["name"] for e in host.call("GET", "files")["entries"]]
    assert not {"link.mp4", "linked"} & set(names)
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py"):
        assert host.client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["clip.mp4\0", "x" * 5000, "https://example.com/a.mp4", "nothing"])
def test_odd_paths(host, path):
    answer = host.client.post("/api/open", json={"path": path})
    assert answer.status_code in (400, 404, 422)
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a video"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n", "list of other files"),
        (b"\xef\xbb\xbf#EXTM3U\n\0", "list of other files"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n\0", "list of other files"),
        (bytes(range(256)) * 20, "expected a video"),
        (b"\0\0\0\x18ftypmp42", "expected a video"),
    ],
)
def test_a_broken_video_ends_its_request_only(host, content, message):
    answer = host.client.put("/api/uploads?name=a.mp4", content=content)
    assert 400 <= answer.status_code < 500
    assert message in answer.json()["error"]
    assert str(host.server.studio.temporary) not in answer.text
    assert not list((host.server.studio.temporary / "uploads").iterdir())


def test_a_broken_project_ends_its_request_only(host, folder):
    for content in (b"", b"PK\3\4 and more", (folder / "clip.mp4").read_bytes()):
        answer = host.client.put("/api/uploads?name=a.motes", content=content)
        assert answer.status_code in (400, 404)
        assert "project" in answer.json()["error"]


def answer_to(send, capfd):
    """The answer of a server that stops reading: the system may reset the connection before it."""
    for _ in range(20):
        try:
            return send()
        except (httpx.ReadError, httpx.WriteError):
            capfd.readouterr()
    raise AssertionError("expected an answer in one of 20 tries, got none")


def test_an_upload_that_is_too_large(host, capfd):
    def announced():
        return host.client.put("/api/uploads?name=a.mp4", content=bytes(2**20 + 1))

    def in_pieces():  # of unknown length
        pieces = (bytes(2**16) for _ in range(20))
        return host.client.put("/api/uploads?name=a.mp4", content=pieces)

    def large_message():
        return host.client.post("/api/open", content=b" " * (2**16 + 1))

    for send in (announced, in_pieces, large_message):
        refused(answer_to(send, capfd), capfd, 413, "at most")
    assert not list((host.server.studio.temporary / "uploads").iterdir())


def test_too_many_uploads(host, folder):
    content = (folder / "clip.mp4").read_bytes()
    ids = [host.call("PUT", f"uploads?name={n}.mp4", content=content)["id"] for n in range(3)]
    answer = host.client.put("/api/uploads?name=4.mp4", content=content)
    assert (answer.status_code, "at most 3" in answer.text) == (400, True)
    for id in ids:
        host.call("DELETE", f"documents/{id}")
    assert host.server.studio.temporary.stat().st_mode & 0o777 == 0o700


def test_a_client_that_stops_sending(host):
    port = httpx.URL(host.address).port
    request = (
        f"POST /api/open HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
        "content-type: application/json\r\ncontent-length: 100\r\n\r\n{"
    )
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(request.encode())
        began = time.monotonic()
        assert host.call("GET", "hello")  # others are served meanwhile
        assert b" 408 " in slow.recv(1000)
        assert time.monotonic() - began < 20


def socket_address(host, id):
    return host.address.replace("http", "ws") + f"api/documents/{id}/events"


def test_a_hundred_sockets(host, capfd):
    address = socket_address(host, host.open("clip.mp4"))
    with contextlib.ExitStack() as stack:
        refusals = 0
        for _ in range(100):
            try:
                stack.enter_context(connect(address))
            except InvalidStatus:
                refusals += 1
        assert refusals == 80
        assert host.call("GET", "hello")
    assert capfd.readouterr().err.count("refused (503) WebSocket") == 80
    wait_for(lambda: _connects(address))


def _connects(address):
    with contextlib.suppress(InvalidStatus), connect(address):
        return True


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_a_socket_of_another_page(host, origin):
    address = socket_address(host, host.open("clip.mp4"))
    with pytest.raises(InvalidStatus):
        connect(address, origin=origin)
    with pytest.raises(InvalidStatus):
        connect(address.replace("/documents/", "/documents/x"))


def test_malformed_messages_end_their_socket_only(host):
    address = socket_address(host, host.open("clip.mp4"))
    for message in (b"\0" * 100, "x" * 2**17):
        with connect(address) as socket, contextlib.suppress(ConnectionClosed):
            socket.recv(10)
            socket.send(message)
            while True:
                socket.recv(10)


def test_a_page_that_does_not_read_is_dropped():
    import asyncio

    from motes.web.events import Channel

    async def messages():
        channel = Channel(limit=1000)
        slow, fast = channel.join(), channel.join()
        received = []
        for n in range(100):
            channel.send("points", number=n)
            received.append(await fast.get())
        return received, slow.dropped, await slow.get()

    received, dropped, last = asyncio.run(messages())
    assert (len(received), dropped, last) == (100, True, None)


def test_another_host_needs_the_token(folder, capfd):
    with running(Settings(folder, host="0.0.0.0")) as open_host:
        port, token = httpx.URL(open_host.address).port, open_host.entry.partition("token=")[2]
        assert len(token) >= 32
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            for path in ("/", "/api/hello", "/static/index.html", "/?token=wrong"):
                refused(client.get(path), capfd, 401, "token")
            assert client.get("/", headers={"cookie": f"motes_{port}=wrong"}).status_code == 401
            entry = client.get(f"/?token={token}")
            assert (entry.status_code, entry.headers["location"]) == (303, "/")
            assert "HttpOnly" in entry.headers["set-cookie"]
            assert "SameSite=strict" in entry.headers["set-cookie"]
            assert client.get("/api/hello").status_code == 200  # with the cookie
        bearer = {"authorization": f"Bearer {token}"}
        assert httpx.get(f"http://127.0.0.1:{port}/api/hello", headers=bearer).status_code == 200
        named = {**bearer, "host": f"evil.example:{port}"}
        assert httpx.get(f"http://127.0.0.1:{port}/api/hello", headers=named).status_code == 421


def test_the_temporary_folder_is_removed(folder):
    with running(Settings(folder)) as host:
        host.call("PUT", "uploads?name=a.mp4", content=(folder / "clip.mp4").read_bytes())
        temporary = host.server.studio.temporary
        assert temporary.is_dir()
    assert not temporary.exists()


def test_an_unexpected_fault_tells_the_client_nothing(host, monkeypatch):
    from motes.web import api

    def fault(*_):
        raise RuntimeError("a secret of the server")

    monkeypatch.setattr(api, "listing", fault)
    answer = host.client.get("/api/files")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "its terminal says why" in answer.text
