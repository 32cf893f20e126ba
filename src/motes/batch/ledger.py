"""`Ledger`: what has become of each video of a batch, in a SQLite file that outlives any kill."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, dataclass, fields, replace
from pathlib import Path
from types import TracebackType

from motes.batch.jobs import Job
from motes.batch.storage import exists, redacted
from motes.errors import FileError

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"


@dataclass(frozen=True)
class Facts:
    """What is known of a video after it was tracked.

    Attributes:
        frames: Number of frames.
        points: Number of points.
        visible: Share of visible positions, 0 to 1.
        problem: Why fewer frames came than the file announces; None if they all came.
    """

    frames: int
    points: int
    visible: float
    problem: str | None = None


@dataclass(frozen=True)
class Entry:
    """One row of the ledger.

    Attributes:
        name: Name of the job.
        video: Its video, without passwords.
        fingerprint: See `Job.fingerprint`.
        state: waiting, running, done or failed.
        version: Version of motes.
        started: Seconds since 1970; None before the first start.
        seconds: How long it took.
        frames: See `Facts`.
        points: See `Facts`.
        visible: See `Facts`.
        problem: See `Facts`.
        error: Why it failed.

    Example:
        >>> from motes.batch.ledger import Ledger
        >>> with Ledger("tracked/ledger.sqlite") as ledger:  # doctest: +SKIP
        ...     print([(entry.name, entry.state, entry.seconds) for entry in ledger.entries()])
    """

    name: str
    video: str
    fingerprint: str
    state: str = WAITING
    version: str | None = None
    started: float | None = None
    seconds: float | None = None
    frames: int | None = None
    points: int | None = None
    visible: float | None = None
    problem: str | None = None
    error: str | None = None


COLUMNS = [field.name for field in fields(Entry)]


class Ledger:
    """The rows of one batch; every change is on disk when the call returns.

    Args:
        path: The SQLite file; made if it is missing.

    Raises:
        FileError: It cannot be opened, or it is not a ledger.

    Example:
        >>> from motes.batch.ledger import Ledger
        >>> with Ledger("ledger.sqlite") as ledger:
        ...     [entry.name for entry in ledger.entries() if entry.state == "failed"]
        []
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._base = sqlite3.connect(path, isolation_level=None)
            columns = ", ".join(["name PRIMARY KEY", *COLUMNS[1:]])
            self._base.execute(f"CREATE TABLE IF NOT EXISTS videos ({columns})")
            self.entries()
        except sqlite3.Error as error:
            raise FileError(f"{path}: expected a ledger of motes batch, got: {error}") from None

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._base.close()

    def entries(self) -> list[Entry]:
        """All rows, in the order of names."""
        rows = self._base.execute(f"SELECT {', '.join(COLUMNS)} FROM videos ORDER BY name")
        return [Entry(*row) for row in rows]

    def missing(self, jobs: Sequence[Job], folder: str, again: bool = True) -> list[Job]:
        """The jobs that are not done: new, changed, failed, interrupted, or with outputs removed.

        Args:
            jobs: What is wanted.
            folder: Of the outputs.
            again: Whether failed videos are tried again.
        """
        known = {entry.name: entry for entry in self.entries()}
        return [job for job in jobs if not _is_settled(known.get(job.name), job, folder, again)]

    def plan(self, jobs: Iterable[Job]) -> None:
        """Write rows for jobs that are going to be run."""
        entries = [_entry(job) for job in jobs]
        with self._base:
            self._base.execute("BEGIN IMMEDIATE")
            self._put(entries)

    def start(self, job: Job) -> None:
        """Note that a job is running."""
        from motes import __version__

        running = replace(_entry(job), state=RUNNING, version=__version__, started=time.time())
        self._put([running])

    def finish(self, job: Job, facts: Facts) -> None:
        """Note that all outputs of a job are written."""
        self._update(job, state=DONE, error=None, **asdict(facts))

    def fail(self, job: Job, error: str) -> None:
        """Note why a job failed."""
        self._update(job, state=FAILED, error=error)

    def _put(self, entries: Iterable[Entry]) -> None:
        marks = ", ".join("?" * len(COLUMNS))
        self._base.executemany(
            f"INSERT OR REPLACE INTO videos VALUES ({marks})", [astuple(e) for e in entries]
        )

    def _update(self, job: Job, **values: object) -> None:
        settings = ", ".join(f"{name} = ?" for name in values)
        self._base.execute(
            f"UPDATE videos SET {settings}, seconds = ? - started WHERE name = ?",
            [*values.values(), time.time(), job.name],
        )


def _entry(job: Job) -> Entry:
    return Entry(job.name, redacted(job.video), job.fingerprint())


def _is_settled(entry: Entry | None, job: Job, folder: str, again: bool) -> bool:
    if entry is None or entry.fingerprint != job.fingerprint():
        return False
    if entry.state == FAILED:
        return not again
    return entry.state == DONE and all(map(exists, job.outputs(folder)))
