"""What every task on a node of a cluster begins with."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import gettempdir

from motes.batch.jobs import Job
from motes.common.files import replacing

RETRIES = 3
"""How often a task is repeated whose node or process died."""


def prepare_node(job: Job, cpus: float, weights: bytes | None) -> Job:
    """Set the number of threads, and write weights to a file of this node.

    Args:
        job: A job.
        cpus: Processors of the task.
        weights: Content of the file or folder that the job names, by `packed`; None: it names none.

    Returns:
        The job with the file of this node.
    """
    import cv2
    import torch

    threads = max(1, int(cpus))
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    if weights is None or job.options.weights is None:
        return job
    path = _unpacked(weights, Path(job.options.weights).suffix)
    return replace(job, options=replace(job.options, weights=str(path)))


def packed(path: Path) -> bytes:
    """Content of a file, or of a folder as an archive."""
    if not path.is_dir():
        return path.read_bytes()
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(path, arcname=".")
    return buffer.getvalue()


def _unpacked(content: bytes, suffix: str) -> Path:
    """Weights as a file or folder, written once a node."""
    path = Path(gettempdir()) / f"motes-weights-{sha256(content).hexdigest()[:16]}{suffix}"
    if not path.exists():
        with replacing(path) as temporary:
            if tarfile.is_tarfile(BytesIO(content)):
                with tarfile.open(fileobj=BytesIO(content)) as archive:
                    archive.extractall(temporary, filter="data")
            else:
                temporary.write_bytes(content)
    return path
