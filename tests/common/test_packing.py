"""State is written completely, or the old state is kept."""

import os

import pytest
import torch

from motes import FileError
from motes.common.packing import save


@pytest.mark.parametrize("durable", [True, False])
def test_durable_files_are_on_the_disk_before_the_rename(tmp_path, monkeypatch, durable):
    path, synced = tmp_path / "x.pt", []
    save({"step": 1}, path)

    def sync(number):
        files = sorted(tmp_path.iterdir())  # the new one, hidden, then the old one
        synced.append([torch.load(p, weights_only=True)["step"] for p in files])

    monkeypatch.setattr(os, "fsync", sync)
    save({"step": 2}, path, durable=durable)
    assert synced == ([[2, 1]] if durable else [])
    assert torch.load(path, weights_only=True) == {"step": 2}


def broken_off(content, file):
    file.write(b"half")
    raise RuntimeError("unexpected pos 576 vs 534")


def full(number):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("where", "how", "message"),
    [("torch.save", broken_off, "is the disk full"), ("os.fsync", full, "No space left on device")],
)
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, where, how, message):
    path = tmp_path / "x.pt"
    save({"step": 1}, path)
    monkeypatch.setattr(where, how)
    with pytest.raises(FileError, match=f"cannot write .*x.pt: .*{message}"):
        save({"step": 2}, path, durable=True)
    assert torch.load(path, weights_only=True) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.pt"]


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(FileError, match="No such file or directory"):
        save({}, tmp_path / "no" / "x.pt")
