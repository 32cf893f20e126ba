"""Whether a file is truncated, from the structure of containers without a count of frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

SEGMENT = b"\x18\x53\x80\x67"
"""Matroska: the element that holds everything after the header."""

FLV_TAGS = (8, 9, 18)
"""Sound, video and data."""

OGG_LAST = 4
"""Flag of the last page of a stream."""

OGG_LONGEST_PAGE = 65307
TS_PACKETS = (188, 192, 204)


def is_cut_off(path: Path, container: str) -> bool:
    """Whether the end of a file is missing.

    Args:
        path: The file.
        container: Name of its format, as FFmpeg has it.

    Returns:
        True only where the structure of the container proves it.
    """
    check = CHECKS.get(container)
    if check is None:
        return False
    size = path.stat().st_size
    with path.open("rb") as file:
        return check(file, size)


def _matroska(file: BinaryIO, size: int) -> bool:
    """The segment says how long it is, unless it was written for streaming."""
    head = file.read(4096)
    at = head.find(SEGMENT)
    if at < 0 or at + 12 > len(head):
        return False
    first = head[at + 4]
    width = 9 - first.bit_length()  # of the variable-length number, by its leading zeros
    number = int.from_bytes(head[at + 4 : at + 4 + width]) & ((1 << 7 * width) - 1)
    unknown = number == (1 << 7 * width) - 1
    return not unknown and at + 4 + width + number > size


def _flv(file: BinaryIO, size: int) -> bool:
    """Each tag is followed by its size."""
    file.seek(max(size - 4, 0))
    length = int.from_bytes(file.read(4))
    if not 11 <= length <= size - 4:
        return True
    file.seek(size - 4 - length)
    tag = file.read(4)
    return tag[0] & 31 not in FLV_TAGS or int.from_bytes(tag[1:]) + 11 != length


def _ogg(file: BinaryIO, size: int) -> bool:
    """The last page carries a flag."""
    file.seek(max(size - OGG_LONGEST_PAGE, 0))
    tail = file.read()
    at = tail.rfind(b"OggS")
    return at < 0 or len(tail) < at + 6 or not tail[at + 5] & OGG_LAST


def _transport(file: BinaryIO, size: int) -> bool:
    """All packets have one length."""
    head = file.read(2 * max(TS_PACKETS) + 8)
    for length in TS_PACKETS:
        offset = length - 188 if length == 192 else 0  # a time stamp stands before each packet
        if head[offset : offset + 1] == head[offset + length : offset + length + 1] == b"G":
            return size % length != 0
    return False


def _riff(file: BinaryIO, size: int) -> bool:
    """The header says how long the (first) list of data is."""
    head = file.read(8)
    return int.from_bytes(head[4:8], "little") + 8 > size


CHECKS: dict[str, Callable[[BinaryIO, int], bool]] = {
    "avi": _riff,
    "flv": _flv,
    "matroska,webm": _matroska,
    "mpegts": _transport,
    "ogg": _ogg,
}
