"""Where videos and outputs are: on this machine, or anywhere that fsspec reaches (s3://, gs://).

Work is always done on local files: a remote video is copied here first, a remote output is written
here and then copied there under its name, whole or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from motes.common.files import make_folder
from motes.common.temporary import temporary_folder
from motes.errors import FileError, InputError, MissingExtraError
from motes.video.sources.names import local_path

STREAMED = ("http", "https", "rtsp", "rtmp", "udp", "tcp", "srt")
"""Protocols that FFmpeg reads by itself: such a video is not copied."""


def is_remote(address: str) -> bool:
    """Whether fsspec is needed to reach it."""
    scheme = urlsplit(address).scheme if "://" in address else ""
    return scheme not in ("", "file", *STREAMED)


def output_path(address: str) -> Path:
    """The path of a local address: a plain path or a ``file://`` URL.

    Raises:
        InputError: The address is one that FFmpeg only reads, such as ``http://``.
    """
    path = local_path(address)
    if path is None:
        raise InputError(f"{address}: expected a folder, or a storage that can be written to")
    return path


def joined(folder: str, name: str) -> str:
    """An address inside a folder."""
    return f"{folder.rstrip('/')}/{name}"


def redacted(address: str) -> str:
    """The address without what may be secret: user, password and the part after a question mark."""
    if "://" not in address:
        return address
    return re.sub(r"\?.*$", "", re.sub(r"//[^/@]*@", "//", address))


def exists(address: str) -> bool:
    """Whether an output is there.

    Raises:
        FileError: The storage cannot be reached.
    """
    if not is_remote(address):
        return output_path(address).exists()
    with _errors(address):
        return bool(_filesystem(address).exists(address))


@contextmanager
def fetched(address: str) -> Iterator[str]:
    """A video as something that `motes.open_video` opens; a copy is removed at the end.

    Raises:
        FileError: The storage cannot be reached.
        MissingExtraError: fsspec, or what it needs for this storage, is not installed.
    """
    if not is_remote(address):
        yield str(local_path(address) or address) if address.startswith("file://") else address
        return
    with temporary_folder("video") as folder:
        copy = Path(folder) / Path(urlsplit(address).path).name
        with _errors(address):
            _filesystem(address).get(address, str(copy))
        yield str(copy)


@contextmanager
def stored(address: str) -> Iterator[Path]:
    """A local path to write an output to; it is put in its place when the block ends well.

    Raises:
        FileError: A folder cannot be made, or the storage cannot be reached.
        MissingExtraError: See `fetched`.
    """
    if not is_remote(address):
        path = output_path(address)
        make_folder(path.parent)
        yield path
        return
    with temporary_folder("output") as folder:
        path = Path(folder) / Path(urlsplit(address).path).name
        yield path
        with _errors(address):
            system = _filesystem(address)
            temporary = f"{address}.{uuid4().hex[:8]}.part"
            system.makedirs(address.rsplit("/", 1)[0], exist_ok=True)
            system.put(str(path), temporary)
            system.mv(temporary, address)


def _filesystem(address: str) -> Any:
    try:
        import fsspec
    except ImportError:
        raise MissingExtraError("Remote storage", "cluster") from None
    return fsspec.core.url_to_fs(address)[0]


@contextmanager
def _errors(address: str) -> Iterator[None]:
    """Whatever a storage raises, as our error that names the address without secrets."""
    try:
        yield
    except (FileError, MissingExtraError):
        raise
    except Exception as error:  # each storage has its own exceptions
        reason = str(error).replace(address, redacted(address)) or type(error).__name__
        raise FileError(f"{redacted(address)}: cannot be reached: {reason}") from None
