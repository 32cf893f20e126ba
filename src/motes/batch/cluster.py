"""A cluster: each video is a task of Ray, which finds a node for it and repeats it if that dies.

While there are fewer videos than nodes have processors, the frames of a long video are encoded by
further tasks (`motes.batch.split`).  The tracks are the same.

Every node needs motes, and has to reach the videos and the folder of the outputs under the same
addresses: a shared file system, or remote storage (s3://, gs://).
"""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from motes.batch.events import Event, failure
from motes.batch.jobs import Job
from motes.batch.ledger import DONE, FAILED, RUNNING
from motes.batch.nodes import RETRIES, packed, prepare_node
from motes.batch.split import SPLIT_BYTES, Split
from motes.batch.storage import is_remote
from motes.errors import FileError, InputError, MissingExtraError

CONNECT_SECONDS = 5

MAX_AHEAD = 16
"""Stretches of a video that are encoded at a time, at most: they take memory, and wait for the one
task that follows the points."""


def run_cluster(
    jobs: Sequence[Job],
    folder: str,
    address: str = "auto",
    cpus: float = 1,
    gpus: float = 0,
    stretch: int | None = None,
) -> Generator[Event, None, None]:
    """Run jobs as tasks of Ray.

    Args:
        jobs: In the order in which they are begun.
        folder: Where outputs go, as every node knows it.
        address: Of the cluster; ``"auto"``: one that runs already, else one on this machine.
        cpus: Processors that a task gets.
        gpus: GPUs that a video gets, also a fraction; then no video is split.
        stretch: Frames of the stretches into which longer videos are split; 0: none is; None: by
            memory, and only long videos while processors are free.

    Yields:
        News of the jobs, as they come.

    Raises:
        MissingExtraError: Ray is not installed.
        FileError: The cluster cannot be reached.
        InputError: The address or the stretch is not possible.

    Example:
        >>> from motes.batch.cluster import run_cluster
        >>> from motes.batch.jobs import Options, read_jobs
        >>> inputs = ["s3://bucket/shots/*.mp4"]
        >>> jobs = read_jobs(inputs, Options(grid=20), ["csv"])  # doctest: +SKIP
        >>> for event in run_cluster(jobs, "s3://bucket/tracked", gpus=1):  # doctest: +SKIP
        ...     print(event)
    """
    if stretch is not None and stretch < 0:
        raise InputError(f"--stretch: expected a number of frames, or 0, got {stretch}")
    ray = _connected(address)
    plan = ray.remote(num_cpus=cpus, max_retries=RETRIES)(_plan)
    task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)(_task)
    contents = {path: (ray.put(packed(Path(path))),) for path in _weights(jobs)}
    waiting, planned, running = deque(jobs), dict[Any, Job](), dict[Any, Job]()
    slots = max(1, int(ray.cluster_resources().get("CPU", 1) // max(cpus, 1)))
    while waiting or planned or running:
        while waiting and len(planned) + len(running) < slots:
            job = waiting.popleft()
            weights = contents.get(job.options.weights or "", ())
            planned[plan.remote(job, cpus, *weights)] = job
            yield Event(job, RUNNING, 0)
        (result,), _ = ray.wait([*planned, *running], num_returns=1)
        if result in planned:
            job = planned.pop(result)
            share = slots // (len(waiting) + len(planned) + len(running) + 1)
            weights = contents.get(job.options.weights or "", ())
            split = None if gpus else _split(share, stretch, cpus, weights)
            call = task.options(memory=_memory(ray, result, split))
            running[call.remote(job, _absolute(folder), cpus, weights, split)] = job
        else:
            yield _outcome(ray, running.pop(result), result)


def _split(share: int, stretch: int | None, cpus: float, weights: tuple[Any, ...]) -> Split | None:
    """How a video that may use `share` slots of the cluster is split; None: not at all."""
    if stretch == 0 or (stretch is None and share < 2):
        return None
    return Split(min(share, MAX_AHEAD), stretch, cpus, weights)


def _memory(ray: Any, plan: Any, split: Split | None) -> int | None:
    """What a task claims: as planned, at most what the largest node has, or it would never start.

    None, if there is no plan: what is wrong with a job is said when it runs.
    """
    try:
        planned: int | None = ray.get(plan)
    except ray.exceptions.RayError:
        return None
    if planned is None:
        return None
    nodes = [node["Resources"].get("memory", 0) for node in ray.nodes() if node["Alive"]]
    return int(min(planned + (SPLIT_BYTES if split else 0), max(nodes)))


def _outcome(ray: Any, job: Job, result: Any) -> Event:
    try:
        return Event(job, DONE, ray.get(result))
    except Exception as error:  # of the task, or of its node; it costs this video only
        return Event(job, FAILED, failure(getattr(error, "cause", None) or error))


def _plan(job: Job, cpus: float, weights: bytes | None = None) -> int | None:
    """On a node: what a task will take, by the plan of its model; None for a remote video."""
    from motes.batch.work import planned_memory

    return None if is_remote(job.video) else planned_memory(prepare_node(job, cpus, weights))


def _task(job: Job, folder: str, cpus: float, weights: tuple[Any, ...], split: Split | None) -> Any:
    """On a node: one video."""
    import ray

    from motes.batch.work import track_video

    content = ray.get(weights[0]) if weights else None
    return track_video(prepare_node(job, cpus, content), folder, split=split)


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


def _absolute(folder: str) -> str:
    return folder if "://" in folder else os.path.abspath(folder)  # noqa: PTH100 - text stays text
