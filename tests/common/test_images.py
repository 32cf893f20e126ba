import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import CHANGES, apply, bounded
from motes.common.images import decode_image, image_size
from motes.errors import FileError

PICTURE = (
    np.add.outer(np.arange(12) * 9, np.arange(20) * 5)[..., None].repeat(3, 2).astype(np.uint8)
)


def encoded(suffix):
    return cv2.imencode(suffix, PICTURE)[1].tobytes()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif"])
def test_images_are_decoded(suffix):
    content = encoded(suffix)
    assert image_size(content) == ((20, 12) if suffix in (".png", ".jpg") else None)
    image = decode_image(content, cv2.IMREAD_COLOR, "a")
    assert np.abs(image.astype(int) - PICTURE).mean() < 3
    assert np.array_equal(
        image, decode_image(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR, "a")
    )


def huge_png():
    header = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return (
        encoded(".png")[:8] + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    )


def huge_jpeg():
    content = bytearray(encoded(".jpg"))
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = b"\xff\xff\xff\xff"
    return bytes(content)


@pytest.mark.parametrize("content", [huge_png(), huge_jpeg()])
def test_images_that_memory_cannot_hold_are_refused_by_their_header(content, monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("", (), {"available": 10**9})())
    with pytest.raises(FileError, match=r"a.png: decoding this image of \d+x\d+ needs [\d,.]+ GB"):
        decode_image(content, cv2.IMREAD_COLOR, "a.png")


@bounded(200)
@given(st.sampled_from([".png", ".jpg", ".webp", ".bmp", ".tif"]), CHANGES)
def test_changed_bytes_give_an_image_or_one_error(suffix, changes):
    try:
        image = decode_image(apply(changes, encoded(suffix)), cv2.IMREAD_UNCHANGED, "a")
    except FileError:
        return
    assert image.ndim in (2, 3)
