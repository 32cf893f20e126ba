import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from motes.errors import FileError
from motes.train.checkpoint import load_checkpoint, save_checkpoint


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes, as on a disk that is full."""
    old_limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    old_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old_limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old_limits)
        signal.signal(signal.SIGXFSZ, old_handler)


def test_round_trip(tmp_path: Path) -> None:
    content = {"a": torch.arange(3), "b": {"c": 1.5, "d": "text"}}
    save_checkpoint(tmp_path / "x.ckpt", content)
    found = load_checkpoint(tmp_path / "x.ckpt")
    assert torch.equal(found["a"], content["a"]) and found["b"] == content["b"]
    assert [p.name for p in tmp_path.iterdir()] == ["x.ckpt"]


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    save_checkpoint(path, {"step": 1})
    with small_disk(50_000), pytest.raises(FileError, match="cannot write"):
        save_checkpoint(path, {"step": 2, "large": torch.zeros(100_000)})
    assert load_checkpoint(path) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.ckpt"]


def test_a_checkpoint_outlives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", synced.append)
    save_checkpoint(tmp_path / "x.ckpt", {"step": 1})
    assert len(synced) == 1


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None])
def test_damaged_files_are_refused_by_name(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "x.ckpt"
    save_checkpoint(path, {"large": torch.zeros(1000)})
    path.write_bytes(path.read_bytes()[:2000] if damage is None else damage)
    with pytest.raises(FileError, match=r"x\.ckpt: cannot be read"):
        load_checkpoint(path)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    torch.save({"evil": Path("x")}, path)
    with pytest.raises(FileError):
        load_checkpoint(path)
