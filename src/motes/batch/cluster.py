"""A cluster: each video is a task of Ray, which finds a node for it and repeats it if that dies.

Every node needs motes, and has to reach the videos and the folder of the outputs under the same
addresses: a shared file system, or remote storage (s3://, gs://).
"""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from motes.batch.events import Event, failure
from motes.batch.jobs import Job
from motes.batch.ledger import DONE, FAILED, RUNNING
from motes.batch.storage import is_remote
from motes.common.files import replacing
from motes.errors import FileError, InputError, MissingExtraError

RETRIES = 3
"""How often a task is repeated whose node or process died."""

CONNECT_SECONDS = 5


def run_cluster(
    jobs: Sequence[Job],
    folder: str,
    address: str = "auto",
    cpus: float = 1,
    gpus: float = 0,
) -> Generator[Event, None, None]:
    """Run jobs as tasks of Ray.

    Args:
        jobs: In the order in which they are begun.
        folder: Where outputs go, as every node knows it.
        address: Of the cluster; ``"auto"``: one that runs already, else one on this machine.
        cpus: Processors that a video gets.
        gpus: GPUs that a video gets, also a fraction.

    Yields:
        News of the jobs, as they come.

    Raises:
        MissingExtraError: Ray is not installed.
        FileError: The cluster cannot be reached.
    """
    ray = _connected(address)
    options = {"num_cpus": cpus, "num_gpus": gpus, "max_retries": RETRIES}
    task = ray.remote(**options)(_task)
    weights = {path: ray.put(Path(path).read_bytes()) for path in _weights(jobs)}
    waiting, running = deque(jobs), dict[Any, Job]()
    at_once = max(1, int(ray.cluster_resources().get("CPU", 1) // max(cpus, 1)))
    while waiting or running:
        while waiting and len(running) < at_once:
            job = waiting.popleft()
            content = weights.get(job.options.weights or "")
            call = task.options(memory=_memory(job))
            running[call.remote(job, _absolute(folder), content, cpus)] = job
            yield Event(job, RUNNING, 0)
        ready, _ = ray.wait(list(running), num_returns=1)
        job = running.pop(ready[0])
        try:
            yield Event(job, DONE, ray.get(ready[0]))
        except Exception as error:  # of the task, or of its node; it costs this video only
            yield Event(job, FAILED, failure(getattr(error, "cause", None) or error))


def _task(job: Job, folder: str, weights: bytes | None, cpus: float) -> Any:
    """On a node: one video."""
    import torch

    from motes.batch.work import track_video

    torch.set_num_threads(max(1, int(cpus)))
    if weights is not None and job.options.weights is not None:
        path = _unpacked(weights, Path(job.options.weights).suffix)
        job = replace(job, options=replace(job.options, weights=str(path)))
    return track_video(job, folder)


def _unpacked(content: bytes, suffix: str) -> Path:
    """Weights as a file, written once a node."""
    path = Path(gettempdir()) / f"motes-weights-{sha256(content).hexdigest()[:16]}{suffix}"
    if not path.exists():
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    return path


def _connected(address: str) -> Any:
    try:
        import ray
    except ImportError:
        raise MissingExtraError("motes batch --cluster", "cluster") from None
    if ray.is_initialized():
        return ray
    _check_reachable(address)
    where = None if address == "auto" else address
    try:
        ray.init(where, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise FileError(f"cluster {address}: cannot be reached: {failure(error)}") from None
    return ray


def _check_reachable(address: str) -> None:
    """Ray itself would wait for minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(f"--cluster: expected auto or HOST:PORT, got {address!r}")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise FileError(f"cluster {address}: cannot be reached: {failure(error)}") from None


def _weights(jobs: Sequence[Job]) -> set[str]:
    return {job.options.weights for job in jobs if job.options.weights is not None}


def _memory(job: Job) -> int | None:
    """What the task will take, by the plan of its model; None where the video is not at hand."""
    from motes.batch.work import planned_memory

    return None if is_remote(job.video) else planned_memory(job)


def _absolute(folder: str) -> str:
    return folder if "://" in folder else os.path.abspath(folder)  # noqa: PTH100 - text stays text
