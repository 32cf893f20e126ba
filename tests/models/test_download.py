"""Downloads are whole and unchanged, or leave nothing behind."""

import hashlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from motes import FileError, MissingExtraError
from motes.models import cotracker3, weights
from motes.models.download import download
from motes.models.preset import Preset, WeightsInfo
from motes.models.weights import fetch

CONTENT = bytes(range(256)) * 100


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404 if self.path == "/missing" else 200)
        if self.path != "/endless":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000] if self.path == "/cut" else CONTENT)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()


@pytest.mark.parametrize("path", ["/whole", "/endless"])
def test_a_whole_file(server, tmp_path, path):
    digest = hashlib.sha256(CONTENT).hexdigest()
    download(server + path, tmp_path / "w.pth", sha256=digest.upper())
    assert (tmp_path / "w.pth").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("/cut", {}, "expected 25600 bytes, got 1000"),
        ("/missing", {}, "Not Found"),
        ("/whole", {"sha256": "0" * 64}, "expected a file with SHA-256 000"),
    ],
)
def test_another_file(server, tmp_path, path, options, message):
    (tmp_path / "w.pth").write_text("old")
    with pytest.raises(FileError, match=message):
        download(server + path, tmp_path / "w.pth", **options)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def test_a_server_that_says_nothing_is_given_up(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/w.pth"
        with pytest.raises(FileError, match="timed out"):
            download(url, tmp_path / "w.pth", timeout=0.2)
    assert not list(tmp_path.iterdir())


def test_the_hub_needs_an_extra(tmp_path, monkeypatch):
    monkeypatch.setenv("MOTES_CACHE", str(tmp_path))
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    info = WeightsInfo("MIT", "w.pth", repo="someone/something")
    with pytest.raises(MissingExtraError, match=r"pip install 'motes\[fetch\]'"):
        fetch(Preset("any", "", cotracker3.CoTracker3, weights=info))
