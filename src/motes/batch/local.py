"""Workers on this machine: one process each, one video at a time.

A worker that dies (a crash in a codec, no memory left) costs the video that it worked on and is
replaced.  Workers end with this process, however it ends.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from motes.batch.events import Event, failure
from motes.batch.jobs import Job
from motes.batch.ledger import DONE, FAILED, RUNNING
from motes.common.processes import available_cores, end_with_parent


@dataclass
class _Worker:
    """A process that works on a job, and our end of the pipe to it."""

    process: BaseProcess
    connection: Connection
    device: str | None
    job: Job

    def begin(self, job: Job) -> Event:
        self.job = job
        self.connection.send(job)
        return Event(job, RUNNING, 0)

    def receive(self) -> Event:
        try:
            return Event(self.job, *self.connection.recv())
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode or 0
            reason = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            return Event(self.job, FAILED, f"the worker process ended unexpectedly ({reason})")

    def end(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.join()


def run_local(
    jobs: Sequence[Job],
    folder: str,
    workers: int,
    devices: Sequence[str | None] = (None,),
) -> Generator[Event, None, None]:
    """Run jobs in worker processes.

    Args:
        jobs: In the order in which they are begun.
        folder: Where outputs go.
        workers: Number of processes; they share the cores and the free memory evenly.
        devices: Given to the workers in turn.

    Yields:
        News of the jobs, as they come.  Closing the iterator ends the workers.

    Example:
        >>> from motes.batch.jobs import Options, read_jobs
        >>> from motes.batch.local import run_local
        >>> jobs = read_jobs(["shots/"], Options(grid=20), ["csv"])  # doctest: +SKIP
        >>> for event in run_local(jobs, "tracked", workers=2):  # doctest: +SKIP
        ...     print(event)
    """
    workers = min(workers, len(jobs))
    free = deque(devices[number % len(devices)] for number in range(workers))
    waiting, crew = deque(jobs), list[_Worker]()
    try:
        while waiting or crew:
            while waiting and free:
                crew.append(_hire(waiting[0], folder, workers, free.popleft()))
                yield crew[-1].begin(waiting.popleft())
            ready = wait([worker.connection for worker in crew])
            for worker in [w for w in crew if w.connection in ready]:
                event = worker.receive()
                yield event
                if event.state == RUNNING:
                    continue
                if waiting and worker.process.is_alive():
                    yield worker.begin(waiting.popleft())
                else:
                    crew.remove(worker)
                    worker.end()
                    free.append(worker.device)
    finally:
        for worker in crew:
            worker.end()


def _hire(job: Job, folder: str, workers: int, device: str | None) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    threads = max(1, available_cores() // workers)
    process = context.Process(
        target=_work, args=(theirs, os.getpid(), folder, threads, workers, device), daemon=True
    )
    process.start()
    theirs.close()
    return _Worker(process, ours, device, job)


def _work(
    connection: Connection,
    parent: int,
    folder: str,
    threads: int,
    workers: int,
    device: str | None,
) -> None:
    """Main function of a worker: jobs in, news out, until the pipe is closed."""
    end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    import cv2
    import torch

    from motes.tracking.memory import free_bytes

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    memory = free_bytes(torch.device(device or "cpu")) // workers
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        connection.send(_outcome(job, folder, device, memory, connection))


def _outcome(
    job: Job, folder: str, device: str | None, memory: int, connection: Connection
) -> tuple[str, Any]:
    from motes.batch.work import track_video

    try:
        facts = track_video(
            job,
            folder,
            device=device,
            memory=memory,
            progress=lambda count: connection.send((RUNNING, count)),
        )
    except Exception as error:  # whatever it is, it costs this video only
        return FAILED, failure(error)
    return DONE, facts
