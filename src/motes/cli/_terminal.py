"""The terminal: writing to it never ends a run, whatever it is."""

import io
import os
import sys
from typing import TextIO


def make_safe() -> None:
    """Replace stdout and stderr by streams that no reader, disk or encoding can make fail."""
    _open_missing_descriptors()
    sys.stdout, sys.stderr = _safe(sys.stdout), _safe(sys.stderr)


class SafeStream(io.TextIOWrapper):
    """Text to a terminal, pipe or file; once that fails, the rest is dropped.

    Characters that the encoding does not have become question marks.
    """

    def write(self, text: str) -> int:
        """Write text, if possible."""
        try:
            return super().write(text)
        except OSError as error:
            self._drop_rest(error)
            return len(text)

    def flush(self) -> None:
        """Pass on what was written, if possible."""
        try:
            super().flush()
        except OSError as error:
            self._drop_rest(error)

    def _drop_rest(self, error: OSError) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError) and sys.stderr is not self:
            sys.stderr.write(f"motes: cannot print: {error.strerror}\n")


def _open_missing_descriptors() -> None:
    """Give closed standard streams to nowhere; else the next file opened would be stdout."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number


def _safe(stream: TextIO | None) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):  # None where the descriptor was closed
        return stream or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123
    lines, encoding = stream.line_buffering, stream.encoding
    return SafeStream(stream.detach(), encoding, "replace", line_buffering=lines)
