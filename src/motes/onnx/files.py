"""Exported graphs on disk, run with ONNX Runtime on NumPy arrays; nothing here needs torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from motes.errors import FileError, MissingExtraError

DESCRIPTION = "config.json"

FORMAT = 2
"""Version of the graphs: their number, inputs and outputs."""


class Graphs:
    """The graphs of one exported model.

        graphs = Graphs("exported", ["encoder"])
        levels = graphs.run("encoder", [frames])

    Attributes:
        sessions: Of ONNX Runtime, by name.
    """

    def __init__(self, folder: Path, names: Iterable[str], threads: int | None = None) -> None:
        """Load graphs.

        Args:
            folder: Where they are.
            names: Which ones.
            threads: Threads of ONNX Runtime; None: as it chooses.

        Raises:
            FileError: One cannot be read.
            MissingExtraError: ONNX Runtime is not installed.
        """
        self.sessions = {name: _session(folder / f"{name}.onnx", threads) for name in names}

    def run(self, name: str, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run a graph.

        Args:
            name: Of the graph.
            inputs: In the order of the graph's inputs.

        Returns:
            Its outputs.
        """
        session = self.sessions[name]
        keys = [value.name for value in session.get_inputs()]
        found: list[np.ndarray] = session.run(None, dict(zip(keys, inputs, strict=True)))
        return found


def read_description(folder: Path) -> dict[str, Any]:
    """What ``config.json`` says of an exported model.

    Raises:
        FileError: There is none, or the files are of another version.
    """
    try:
        facts = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason: object = getattr(error, "strerror", None) or error
        if isinstance(error, FileNotFoundError):
            reason = f"no {DESCRIPTION} in it" if folder.is_dir() else "no such folder"
        raise FileError(
            f"{folder}: expected a folder written by motes export-model, got: {reason}"
        ) from None
    version = facts.get("format") if isinstance(facts, dict) else None
    if version != FORMAT:
        raise FileError(
            f"{folder}: expected exported files of version {FORMAT}, got {version!r:.20}; "
            "write them again with motes export-model"
        )
    return dict(facts)


def _session(path: Path, threads: int | None) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("runtime='onnx'", "onnx") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime documents no classes of its errors
        reason = " ".join(str(error).split())
        raise FileError(f"{path}: expected an ONNX graph, got: {reason}") from None
