"""The curve of a run: plain CSV that any program reads, and TensorBoard."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from motes.common.files import replacing
from motes.errors import FileError


class Table:
    """A CSV file with one row per step, which a resumed run continues.

    Args:
        path: The file; rows after `step` are deleted.
        step: Number of finished steps of the run.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        self.names: list[str] = []
        rows = [row for row in read_table(path) if int(row["step"]) <= step]
        if path.exists():
            self._rewrite(rows)

    def add(self, row: Mapping[str, float]) -> None:
        """Append a row; the first one sets the columns.

        Raises:
            FileError: The file cannot be written.
        """
        if not self.names:
            self.names = list(row)
            self._append(",".join(self.names))
        self._append(",".join(_number(row.get(name, float("nan"))) for name in self.names))

    def _append(self, line: str) -> None:
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise FileError(f"{self.path}: cannot be written ({error.strerror})") from error

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        lines = [",".join(row.values()) for row in rows]
        if rows:
            self.names = list(rows[0])
            lines.insert(0, ",".join(self.names))
        with replacing(self.path) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_table(path: Path) -> list[dict[str, str]]:
    """The complete rows of a CSV file; an empty list if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if None not in row.values()]  # a kill may cut the last line


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"


class Curves:
    """Writes the curves of a run, in its first process.

    Args:
        folder: Folder of the run.
        step: Number of finished steps of the run.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.tables = {name: Table(folder / f"{name}.csv", step) for name in ("train", "eval")}
        self.board: Any = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def add(self, name: str, row: Mapping[str, float]) -> None:
        """Write a row, with a ``step``, to the table ``train`` or ``eval``."""
        self.tables[name].add(row)
        for key, value in row.items():
            if key != "step":
                self.board.add_scalar(f"{name}/{key}", value, int(row["step"]))
        self.board.flush()

    def close(self) -> None:
        """Close the files."""
        self.board.close()
