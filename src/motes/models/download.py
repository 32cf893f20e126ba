"""Downloads that are complete and unchanged, or an error."""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
from pathlib import Path

from motes.common.files import replacing
from motes.errors import FileError

TIMEOUT = 30.0
"""Seconds without a byte after which a server is given up."""

CHUNK = 2**20


def download(
    url: str, target: Path, *, sha256: str | None = None, timeout: float = TIMEOUT
) -> None:
    """Download a file; it appears under its name only when it is whole.

    Args:
        url: Its address.
        target: Where to put it.
        sha256: What its SHA-256 must be, in hexadecimal; None: not checked.
        timeout: Seconds without a byte after which the server is given up.

    Raises:
        FileError: The server does not answer, stops early or sends another file, or the file
            cannot be written.
    """
    with replacing(target) as temporary:
        try:
            _receive(url, temporary, timeout)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise FileError(f"{url}: cannot be downloaded: {reason}") from None
        check_digest(temporary, sha256, url)


def _receive(url: str, path: Path, timeout: float) -> None:
    with urllib.request.urlopen(url, timeout=timeout) as source, path.open("wb") as sink:
        announced, received = source.headers.get("Content-Length"), 0
        while chunk := source.read(CHUNK):
            received += sink.write(chunk)
    if announced is not None and received != int(announced):
        raise OSError(f"expected {announced} bytes, got {received}")


def check_digest(path: Path, sha256: str | None, name: str) -> None:
    """Raise if a file is not the expected one.

    Args:
        path: The file.
        sha256: In hexadecimal; None: not checked.
        name: What to call the file in the message.

    Raises:
        FileError: Its SHA-256 is another one.
    """
    if sha256 is None:
        return
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256.lower():
        raise FileError(f"{name}: expected a file with SHA-256 {sha256}, got {digest}")
