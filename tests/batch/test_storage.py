"""Local paths, file: URLs and remote storage, which here is fsspec's own memory."""

import pytest

from motes.batch.storage import exists, fetched, is_remote, joined, output_path, redacted, stored
from motes.errors import FileError, InputError

fsspec = pytest.importorskip("fsspec")


@pytest.mark.parametrize(
    ("address", "remote"),
    [
        ("a/b.mp4", False),
        ("file:///a/b.mp4", False),
        ("https://example.org/b.mp4", False),  # FFmpeg reads it
        ("s3://bucket/b.mp4", True),
        ("memory://b.mp4", True),
    ],
)
def test_what_is_remote(address, remote):
    assert is_remote(address) == remote


def test_an_output_comes_whole_or_not_at_all(tmp_path):
    for address in (str(tmp_path / "new/out.csv"), "memory://tracked/new/out.csv"):
        assert not exists(address)
        with pytest.raises(RuntimeError), stored(address) as path:
            path.write_text("half")
            raise RuntimeError
        assert is_remote(address) != exists(address)  # the local file is the writer's own affair
        with stored(address) as path:
            path.write_text("whole")
        with fetched(address) as copy:
            assert open(copy).read() == "whole"  # noqa: PTH123, SIM115


def test_a_copy_is_removed_and_a_missing_file_is_named():
    fsspec.filesystem("memory").pipe("/videos/a.mp4", b"content")
    with fetched("memory://videos/a.mp4") as copy:
        path = output_path(copy)
        assert path.read_bytes() == b"content"
    assert not path.exists()
    with pytest.raises(FileError, match=r"memory://videos/no\.mp4: cannot be reached"):
        fetched("memory://videos/no.mp4").__enter__()


def test_secrets_are_left_out():
    assert redacted("s3://key:secret@bucket/a.mp4?token=1") == "s3://bucket/a.mp4"
    assert redacted("12:30@home?.mp4") == "12:30@home?.mp4"  # a file name
    assert joined("s3://bucket/tracked/", "a/b.csv") == "s3://bucket/tracked/a/b.csv"
    assert output_path("file:///a%20b.mp4").name == "a b.mp4"
    assert output_path("a%20b").name == "a%20b"
    with pytest.raises(InputError, match="expected a folder"):
        output_path("http://server/folder")
