"""Official-format checkpoints with deterministic contents, built once and loaded as a user would."""

import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import motes

sys.path.insert(0, str(Path(__file__).parents[1]))

from detvideo import make_video, video_sha
from detweights import fill_state_dict

FOLDERS = (Path(__file__).parent / "golden", Path(__file__).parents[2] / "../shared/golden")
"""Reference outputs: small ones that travel with the tests, and all others, which are optional."""

NAMES = {
    "manifest_cotracker_stride_4_wind_8.json": "cotracker",
    "manifest_cotracker_stride_4_wind_12.json": "cotracker-stride4-wind12",
    "manifest_cotracker_stride_8_wind_16.json": "cotracker-stride8-wind16",
    "manifest_cotracker2.json": "cotracker2",
    "manifest_cotracker2v1.json": "cotracker2.1",
    "manifest_scaled_offline.json": "cotracker3-offline",
    "manifest_scaled_online.json": "cotracker3-online",
}

LONG = {
    "cotracker1": ("eval_joint", "pred_grid5", "pred_queries", "windowed_b_26f"),
    "cotracker2": (
        *("eval_joint", "offline_b_30f", "offline_c_v21_30f", "online_a_stream30"),
        *("pred_grid5", "pred_online_grid5_v21", "pred_queries"),
    ),
    "cotracker3": (
        *("eval_joint", "offline_b_40f", "online_a_45f", "online_b_stream45"),
        *("pred_dense", "pred_grid4_qf5_backward", "pred_grid5", "pred_online_queries"),
        "pred_queries",
    ),
}
"""Fixtures that `make parity` runs and `make test` does not: they take half of the time of all, and
each repeats with more frames or points what a shorter one of its family shows."""


class Golden:
    """One reference fixture: its inputs, made anew, and its outputs."""

    def __init__(self, path):
        self.data = np.load(path)
        self.meta = json.loads(self.data["meta"].item())
        self.family = path.parent.name

    def __getitem__(self, key):
        return self.data[key]

    @property
    def frames(self):
        """uint8 ``[T, H, W, 3]``."""
        return _frames(json.dumps(self.meta["video"]))

    @property
    def video(self):
        """float32 ``[B, T, 3, H, W]`` in [0, 1]."""
        specs = [self.meta[k] for k in ("video", "video_1") if k in self.meta]
        frames = np.stack([_frames(json.dumps(spec)) for spec in specs])
        return torch.from_numpy(frames).permute(0, 1, 4, 2, 3) / 255

    @property
    def queries(self):
        return torch.from_numpy(self["queries"])


@cache
def _frames(spec):
    v = json.loads(spec)
    frames = make_video(v["T"], v["H"], v["W"], v["seed"])
    assert video_sha(frames) == v["sha"]
    return frames


def pytest_configure(config):
    config.addinivalue_line("markers", "golden(*patterns): run on these reference fixtures")


def pytest_generate_tests(metafunc):
    """``@pytest.mark.golden(*patterns)``: once for every fixture; skipped where there are none."""
    marker = metafunc.definition.get_closest_marker("golden")
    if marker is None:
        return
    found = {}  # the same fixture may be in both folders
    for folder in reversed(FOLDERS):
        for pattern in marker.args:
            paths = sorted(folder.glob(f"{pattern}.npz"))
            found |= {f"{path.parent.name}-{path.stem}": path for path in paths}
    skip = pytest.mark.skip(reason=f"reference outputs are not here ({FOLDERS[1]})")
    missing = [pytest.param(None, marks=skip, id="missing")]
    cases = [pytest.param(path, id=name, marks=_marks(path)) for name, path in found.items()]
    metafunc.parametrize("golden", cases or missing, indirect=True)


def _marks(path):
    return [pytest.mark.slow] if path.stem in LONG.get(path.parent.name, ()) else []


@pytest.fixture
def golden(request):
    return Golden(request.param)


@pytest.fixture(scope="session")
def load(tmp_path_factory):
    """A function from a fixture (and `compat`) to a tracker with the fixture's weights."""
    folder = tmp_path_factory.mktemp("checkpoints")
    loaded = {}

    def load(golden, compat=None):
        manifest = golden.meta["manifest"]
        if (manifest, compat) not in loaded:
            path = folder / manifest.replace(".json", ".pth")
            if not path.exists():
                write_checkpoint(path, golden.family, manifest, golden.meta["window_len"])
            loaded.clear()  # one at a time: together they would fill the memory
            loaded[manifest, compat] = motes.load(
                NAMES[manifest], weights=path, dtype="float32", compat=compat
            )
        return loaded[manifest, compat]

    return load


def write_checkpoint(path, family, manifest, window):
    """A state dict as the official code saves it, buffers included."""
    file = next(f for folder in FOLDERS if (f := folder / family / manifest).is_file())
    entries = json.loads(file.read_text())
    state = {k: torch.from_numpy(v) for k, v in fill_state_dict(entries, family).items()}
    for name, shape, _ in entries:
        if name == "time_emb":
            assert shape[1] == window
            state[name] = sincos(np.arange(window), shape[2])[None]
        if name == "pos_emb":
            y, x = np.mgrid[: shape[2], : shape[3]]
            state[name] = torch.cat([sincos(x, 228), sincos(y, 228)], -1).permute(2, 0, 1)[None]
    assert set(state) == {name for name, *_ in entries}
    torch.save(state, path)


def sincos(u, width):
    angle = u[..., None] * 10000.0 ** (-np.arange(width // 2) / (width // 2))
    return torch.from_numpy(np.concatenate([np.sin(angle), np.cos(angle)], -1)).float()
