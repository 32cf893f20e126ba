"""A recipe that trains in seconds: a tiny cotracker3-online on 32x32 clips."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

TINY = """
[model]
name = "cotracker3-online"
iterations = 2
[model.config]
encoder_widths = [8, 8, 8, 8]
encoder_mixed = 16
channels = 16
levels = 2
radius = 1
match_hidden = 16
match_out = 8
octaves = 2
width = 16
heads = 2
depth = 1
virtual_tracks = 4
window = 4
time_rows = 4

[[data.sources]]
kind = "synthetic"
[data.sources.options]
kind = "layers"
effects = false
samples = [1, 1]
layers = [1, 2]

[train]
lr = 1e-3
log_every = 2
save_every = 4
save_minutes = 0.0
[[train.stages]]
steps = 8
size = [32, 32]
frames = 6
points = 8
batch = 2

[eval]
number = 2
size = [32, 32]
frames = 6
points = 8
"""


@pytest.fixture(scope="session")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Tiny tensors are not worth more, and processes that run beside do not wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
