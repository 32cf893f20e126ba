"""Exceptions of motes: each says what was expected and what came.

They derive from the built-in exception that a caller would expect, so that ``except ValueError``
and ``except OSError`` keep working.  The command line turns every `MotesError` into one line.
"""


class MotesError(Exception):
    """Base class of everything that motes raises on purpose."""


class InputError(MotesError, ValueError):
    """A value that cannot be used: wrong shape, range, name or content."""


class FileError(MotesError, OSError):
    """A file that cannot be read or written."""


class MissingExtraError(MotesError, ImportError):
    """A feature whose optional dependencies are not installed.

    Args:
        feature: What was asked for, as the start of a sentence.
        extra: The extra of the package that brings it.
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an optional part: pip install 'motes[{extra}]'")
