"""Time of a click on the page of `motes serve`: to the first result and to the last frame.

    python benchmarks/web.py
    python benchmarks/web.py --model lk --video clip.mp4

A server runs in this process; a client sends the requests of the page, and reads its WebSocket.  At
the first click the video has just been opened; at the others its frames are encoded already, and at
the last ones other points have been tracked through the same frames.
"""

import argparse
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from websockets.sync.client import ClientConnection, connect

import motes
from motes.web.server import Server
from motes.web.settings import Settings

CLICKS = ((0.44, 0.65), (0.28, 0.26), (0.59, 0.65), (0.9, 0.3))
"""Positions of the clicks, in fractions of width and height."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=motes.load().preset.name)
    parser.add_argument("--video", type=Path, help="default: the bundled clip")
    arguments = parser.parse_args()
    root = arguments.video.parent if arguments.video else Path.cwd()
    print(f"model {arguments.model}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with serving(Settings(root, arguments.model)) as address, httpx.Client(timeout=60) as client:
        wanted = {"path": arguments.video.name} if arguments.video else {"demo": True}
        opened = client.post(f"{address}api/open", json=wanted).json()
        events = f"{address}api/documents/{opened['id']}/events".replace("http", "ws", 1)
        with connect(events, max_size=None) as socket:
            socket.recv()
            print(f"{opened['name']}: {opened['frames']} frames of {opened['size']}")
            print("click                     first result    all frames")
            for i, click in enumerate(CLICKS):
                first, whole = measure(client, socket, address, opened, click)
                name = "1, just opened" if i == 0 else str(i + 1)
                print(f"{name:24}{first:10.2f} s  {whole:10.2f} s", flush=True)


def measure(
    client: httpx.Client,
    socket: ClientConnection,
    address: str,
    opened: dict,
    click: tuple[float, float],
) -> tuple[float, float]:
    """Seconds from a click to its first tracked frame beyond the click, and to the last one."""
    xy = [share * side for share, side in zip(click, opened["size"], strict=True)]
    start, first = time.perf_counter(), None
    body = {"at": 0, "xy": [xy], "direction": "forward"}
    client.post(f"{address}api/documents/{opened['id']}/points", json=body).raise_for_status()
    while True:
        message = socket.recv()
        if not isinstance(message, bytes):
            continue
        length = int.from_bytes(message[:4], "little")
        header = json.loads(message[4 : 4 + length])
        stop = header["start"] + header["frames"]
        first = first or time.perf_counter() - start
        if stop == opened["frames"]:
            return first, time.perf_counter() - start


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """The address of a server that runs in a thread."""
    addresses: list[str] = []
    ready = threading.Event()

    def note(address: str) -> None:
        addresses.append(address)
        ready.set()

    with Server(settings, None, note) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        ready.wait()
        yield addresses[0]
        server.stop()
        thread.join()


if __name__ == "__main__":
    main()
