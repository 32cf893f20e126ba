"""``motes checks``: what is installed, and whether it works; paste it into a bug report."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, metadata, version
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from motes.cli._common import JSON_HELP, print_json, print_line

PACKAGES = (
    "motes",
    "torch",
    "numpy",
    "opencv-python-headless",
    "av",
    "safetensors",
    "rich",
    "typer",
)
CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")
"""What decides how fast a processor is; all others are left out."""

SELF_TEST_FRAMES = 8
TOLERANCE = 1.0
"""Of the self-test, in pixels: distance of the round trip."""


def command(
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Print versions, devices and codecs, and run a self-test.

    The exit code is 1 if the self-test fails.
    """
    tests = {name: _outcome(test) for name, test in _TESTS.items()}
    facts = {
        "packages": {name: _version(name) for name in PACKAGES},
        "extras": _extras(),
        "machine": _machine(),
        "devices": _devices(),
        "ffmpeg": _ffmpeg(),
        "tests": tests,
    }
    if as_json:
        print_json(facts)
    else:
        print_line("\n".join(_lines(facts)))
    if any(outcome != "ok" for outcome in tests.values()):
        raise typer.Exit(1)


def _lines(facts: dict[str, Any]) -> list[str]:
    lines = []
    for title, values in facts.items():
        lines.append(title)
        lines += [f"  {name:24} {value}" for name, value in values.items()]
    return lines


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _extras() -> dict[str, str]:
    """For each extra of motes: what is missing."""
    missing: dict[str, list[str]] = {}
    for line in metadata("motes").get_all("Requires-Dist") or []:
        match = re.fullmatch(r"([\w.-]+).*extra == ['\"](\w+)['\"]", line)
        if match and match[1] != "motes" and match[2] != "dev":
            names = missing.setdefault(match[2], [])
            names += [match[1]] if _version(match[1]) == "not installed" else []
    return {
        extra: f"missing: {', '.join(names)}" if names else "installed"
        for extra, names in missing.items()
    }


def _machine() -> dict[str, str]:
    import psutil

    from motes.common.processes import available_cores

    memory = psutil.virtual_memory()
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": str(available_cores()),
        "memory": f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free",
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    facts = {name.strip(): value.strip() for name, value in fields.items()}
    flags = facts.get("flags", facts.get("Features", "")).split()
    name = facts.get("model name", platform.machine())
    return f"{name} ({' '.join(flag for flag in CPU_FLAGS if flag in flags)})"


def _devices() -> dict[str, str]:
    import torch

    devices = {"cpu": f"{torch.get_num_threads()} threads"}
    for number in range(torch.cuda.device_count()):
        devices[f"cuda:{number}"] = torch.cuda.get_device_name(number)
    if torch.backends.mps.is_available():
        devices["mps"] = "available"
    return devices


def _ffmpeg() -> dict[str, str]:
    import av

    libraries = {name: ".".join(map(str, number)) for name, number in av.library_versions.items()}
    codecs = {"libx264": "H.264 (mp4)", "gif": "GIF", "libvpx-vp9": "VP9 (webm)"}
    return libraries | {
        f"encoder {name}": what if name in av.codecs_available else "missing"
        for name, what in codecs.items()
    }


def _outcome(test: Callable[[], str | None]) -> str:
    """``ok``, or why not: a report must not fail because of what it reports."""
    try:
        return test() or "ok"
    except Exception as error:
        return f"failed: {type(error).__name__}: {' '.join(str(error).split())}"


def _reads() -> str | None:
    from motes.video import open_video

    count = sum(1 for _ in open_video(_clip(), end=SELF_TEST_FRAMES))
    return None if count == SELF_TEST_FRAMES else f"expected {SELF_TEST_FRAMES} frames, got {count}"


def _tracks() -> str | None:
    """There and back in the bundled clip ends where it began."""
    import numpy as np

    from motes.tracking.load import load
    from motes.video import open_video

    frames = open_video(_clip()).read(0, SELF_TEST_FRAMES)
    tracks = load("flow").track(np.concatenate([frames, frames[-2::-1]]), grid=6)
    off = float(np.median(np.linalg.norm(tracks.xy[:, -1] - tracks.xy[:, 0], axis=1)))
    return None if off < TOLERANCE else f"failed: the round trip ends {off:.2f} px off"


def _writes() -> str | None:
    import numpy as np

    from motes.video import open_video, open_writer

    with TemporaryDirectory() as folder:
        path = Path(folder) / "test.mp4"
        with open_writer(path, (64, 48), 25) as writer:
            writer.write(np.full((48, 64, 3), 128, np.uint8))
        off = abs(int(next(iter(open_video(path))).mean()) - 128)
    return None if off <= 2 else f"failed: a grey frame came back {off} levels off"


def _clip() -> Path:
    return Path(str(files("motes") / "assets" / "demo.mp4"))


_TESTS: dict[str, Callable[[], str | None]] = {
    "reads a video": _reads,
    "tracks points": _tracks,
    "writes a video": _writes,
}
