"""Exceptions of motes; each message states what was expected and what was given.

They derive from the built-in exception that a caller would expect, so that ``except ValueError``
and ``except OSError`` keep working.  The command line turns every `MotesError` into one line.
"""


class MotesError(Exception):
    """Base class of all exceptions of motes.

    Example:
        >>> try:
        ...     motes.open_video("none.mp4")
        ... except motes.MotesError as error:
        ...     print(error)
        none.mp4: expected a video, found no such file or folder
    """


class InputError(MotesError, ValueError):
    """A value that cannot be used: wrong shape, range, name or content.

    Example:
        >>> try:
        ...     motes.load("motes-t")
        ... except ValueError as error:
        ...     print(type(error).__name__)
        InputError
    """


class FileError(MotesError, OSError):
    """A file that cannot be read or written.

    Example:
        >>> try:
        ...     motes.open_video("none.mp4")
        ... except OSError as error:
        ...     print(type(error).__name__)
        FileError
    """


class MissingExtraError(MotesError, ImportError):
    """A feature whose optional dependencies are not installed.

    Args:
        feature: The feature, as the start of a sentence.
        extra: The extra of the package that installs its dependencies.

    Example:
        >>> print(motes.MissingExtraError("A data frame", "pandas"))
        A data frame needs an optional part: pip install 'motes[pandas]'
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an optional part: pip install 'motes[{extra}]'")
