"""`Job`: one video of a batch, and how lists of videos become jobs.

A list is a folder, a glob, single videos, or a manifest: a table (CSV, JSON or Parquet) with a row
per video.
"""

from __future__ import annotations

import csv
import glob
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from motes.batch.storage import is_remote, joined, output_path
from motes.common.files import file_stats
from motes.errors import FileError, InputError, MissingExtraError

VIDEO_SUFFIXES = (".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")
"""Files that are taken from a folder."""

MANIFEST_SUFFIXES = (".csv", ".json", ".parquet")

POINT_CHOICES = ("grid", "points", "queries", "corners", "dense")
"""Options that choose the points; a job has exactly one of them."""


@dataclass(frozen=True)
class Options:
    """How a video is tracked; names and meanings are those of ``motes track``.

    Example:
        >>> from motes.batch.jobs import Options
        >>> Options(model="lk", grid=10).model
        'lk'
    """

    model: str | None = None
    weights: str | None = None
    dtype: str = "float32"
    runtime: str = "torch"
    grid: int | None = None
    points: str | None = None
    queries: str | None = None
    corners: int | None = None
    dense: int | None = None
    mask: str | None = None
    at: int | None = None
    backward: bool = False
    start: int = 0
    end: int | None = None

    def changed(self, row: Mapping[str, Any]) -> Options:
        """The same with the values of one row of a manifest; a point choice replaces another.

        Raises:
            InputError: A column is not an option, or a value is not of its type.
        """
        known = {f.name: str(f.type) for f in fields(self)}
        values: dict[str, Any] = {}
        for name, value in row.items():
            if name not in known:
                raise InputError(f"unknown column {name!r}; known: path, name, {', '.join(known)}")
            values[name] = _typed(name, value, known[name])
        if any(values.get(name) is not None for name in POINT_CHOICES):
            values = {**dict.fromkeys(POINT_CHOICES), **values}
        return replace(self, **values)

    def check(self) -> None:
        """Raise `InputError` unless exactly one option chooses the points."""
        chosen = [name for name in POINT_CHOICES if getattr(self, name) is not None]
        if len(chosen) != 1:
            expected = ", ".join(POINT_CHOICES)
            raise InputError(f"expected one of {expected}, got {' and '.join(chosen) or 'none'}")

    @property
    def files(self) -> list[Path]:
        """Local files that the options name; the weights of an ONNX runtime are a folder."""
        named = (self.weights, self.queries, self.mask)
        return [Path(path).expanduser() for path in named if path is not None]


@dataclass(frozen=True)
class Job:
    """One video of a batch.

    Attributes:
        name: Outputs are ``FOLDER/NAME.FORMAT``; may contain ``/`` for subfolders.
        video: A path or a URL.
        options: How it is tracked.
        formats: Suffixes of the outputs without the dot, such as ``"csv"`` or ``"mp4"``.

    Example:
        >>> from motes.batch.jobs import Options, read_jobs
        >>> [job] = read_jobs(["bike.mp4"], Options(grid=20), ["csv", "mp4"])
        >>> job.name, job.formats
        ('bike', ('csv', 'mp4'))
    """

    name: str
    video: str
    options: Options
    formats: tuple[str, ...]

    def outputs(self, folder: str) -> list[str]:
        """The files that this job writes; the folder may be remote (``s3://bucket/tracked``)."""
        return [joined(folder, f"{self.name}.{suffix}") for suffix in self.formats]

    def fingerprint(self) -> str:
        """Changes with the video, the options, the formats, and the files that the options name."""
        files = [_file_stats(path) for path in (Path(self.video), *self.options.files)]
        content = [self.video, asdict(self.options), self.formats, files]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def read_jobs(
    inputs: Sequence[str], options: Options, formats: Sequence[str], output: str | None = None
) -> list[Job]:
    """Make jobs of folders, globs, videos and manifests.

    Args:
        inputs: Paths, globs or URLs; a table is a manifest with the column ``path``, optionally
            ``name``, and columns named as the fields of `Options`.
        options: For all videos; a row of a manifest may change them.
        formats: Suffixes of the outputs, without the dot.
        output: Folder of the outputs; nothing in it is taken for a video.

    Returns:
        The jobs, with different names, in the order of the inputs.

    Raises:
        InputError: There is no video, a manifest is not understood, or two jobs have one name.
        FileError: A path does not exist.

    Example:
        >>> from motes.batch.jobs import Options, read_jobs
        >>> [job.name for job in read_jobs(["bike.mp4"], Options(grid=20), ["csv"])]
        ['bike']
    """
    rows = [row for text in inputs for row in _rows(text, output)]
    if not rows:
        raise InputError(f"expected at least one video, found none in {', '.join(inputs)}")
    names = _names([row["path"] for row in rows])
    jobs = []
    for row, name in zip(rows, names, strict=True):
        path, name = row.pop("path"), row.pop("name", None) or name
        try:
            chosen = options.changed(row)
            chosen.check()
            jobs.append(Job(_checked_name(name), path, chosen, tuple(formats)))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    _check_different(jobs)
    return jobs


def _rows(text: str, output: str | None) -> Iterable[dict[str, Any]]:
    """The videos of one input, each with its path and what a manifest says of it."""
    path = Path(text).expanduser()
    if "://" in text:
        return [{"path": text}]
    if path.is_dir():
        return [{"path": str(p)} for p in sorted(_videos(path, output))]
    if not path.exists() and glob.has_magic(text):
        matches = Path(path.anchor or ".").glob(str(path.relative_to(path.anchor)))
        return [{"path": str(p)} for p in sorted(matches)]
    if not path.exists():
        raise FileError(f"{text}: expected a video, a folder, a glob or a manifest, found nothing")
    if path.suffix.lower() in MANIFEST_SUFFIXES:
        return _read_manifest(path)
    return [{"path": str(path)}]


def _videos(folder: Path, output: str | None) -> Iterable[Path]:
    """The videos below a folder, hidden ones and outputs left out."""
    written = output_path(output).resolve() if output and not is_remote(output) else None
    for path in folder.rglob("*"):
        is_video = path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")
        if is_video and not (written and path.resolve().is_relative_to(written)):
            yield path


def _read_manifest(path: Path) -> list[dict[str, Any]]:
    """Rows without their empty cells; paths are relative to the folder of the manifest."""
    try:
        rows = _READERS[path.suffix.lower()](path)
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise FileError(f"{path}: expected a manifest, got: {error}") from None
    kept = [{k: v for k, v in row.items() if v not in (None, "")} for row in rows]
    for number, row in enumerate(kept, 1):
        if not isinstance(row.get("path"), str):
            raise InputError(f"{path}: row {number}: expected a column 'path' with the video")
        if "://" not in row["path"]:
            row["path"] = str(path.parent / Path(row["path"]).expanduser())
        for name in ("queries", "mask", "weights"):
            if name in row:
                row[name] = str(path.parent / Path(str(row[name])).expanduser())
    return kept


def _read_csv(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    if any(None in row for row in rows):
        raise ValueError("a row has more cells than the header")
    return [
        {str(k).strip(): v.strip() if isinstance(v, str) else v for k, v in r.items()} for r in rows
    ]


def _read_json(path: Path) -> list[dict[str, Any]]:
    rows = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("expected a list of objects")
    return [dict(row) for row in rows]


def _read_parquet(path: Path) -> list[dict[str, Any]]:
    try:
        from pyarrow.parquet import read_table
    except ImportError:
        raise MissingExtraError("A manifest in Parquet", "parquet") from None
    return list(read_table(path).to_pylist())


_READERS = {".csv": _read_csv, ".json": _read_json, ".parquet": _read_parquet}


def _typed(name: str, value: Any, kind: str) -> Any:
    """A cell as the type of its option; text is understood, since CSV has nothing else."""
    if value is None:
        return None
    text = str(value).strip()
    if kind.startswith("int"):
        if not re.fullmatch(r"-?\d+(\.0+)?", text):
            raise InputError(f"{name}: expected a whole number, got {text!r}")
        return int(float(text))
    if kind.startswith("bool"):
        if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise InputError(f"{name}: expected true or false, got {text!r}")
        return text.lower() in ("true", "1", "yes")
    return text


def _names(paths: Sequence[str]) -> list[str]:
    """Names from paths: without the common folder, and without the suffix where that is clear."""
    places = [_place(path) for path in paths]
    folders = [place.parent for place in places if not place.is_absolute() or place.parent != place]
    top = Path(os.path.commonpath([str(folder) for folder in folders])) if folders else Path()
    long = [place.relative_to(top).as_posix() for place in places]
    short = [str(Path(name).with_suffix("").as_posix()) for name in long]
    count = Counter(short)
    return [s if count[s] == 1 else n for s, n in zip(short, long, strict=True)]


def _place(path: str) -> Path:
    """Where a video is; for a URL its path without the server."""
    if "://" in path:
        path = "/" + path.partition("://")[2].partition("?")[0]
    return Path(path).absolute()


def _checked_name(name: str) -> str:
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts or len(name) > 200:
        raise InputError(f"name: expected a relative path without '..', got {name!r}")
    return Path(name).as_posix()


def _check_different(jobs: Sequence[Job]) -> None:
    count = Counter(os.path.normcase(job.name) for job in jobs)
    for job in jobs:
        if count[os.path.normcase(job.name)] > 1:
            same = [j.video for j in jobs if os.path.normcase(j.name) == os.path.normcase(job.name)]
            raise InputError(f"expected different names, got {job.name!r} for {' and '.join(same)}")


def _file_stats(path: Path) -> list[tuple[str, int, int]]:
    """Names, sizes and times of a file, or of all files of a folder; none, if there is no file."""
    try:
        files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
        return file_stats(files)
    except OSError:
        return []
