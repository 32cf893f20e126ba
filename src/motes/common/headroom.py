"""Whether something fits into memory, before it is read."""

from motes.errors import InputError


def check_memory(needed: int, what: str) -> None:
    """Raise unless so much memory is free.

    Args:
        needed: Bytes.
        what: What needs them, as the start of a sentence: ``"reading x.npz"``.

    Raises:
        InputError: Less memory is free.
    """
    import psutil

    free = psutil.virtual_memory().available
    if needed > free:
        raise InputError(
            f"{what} needs {needed / 1e9:,.1f} GB of memory, {free / 1e9:,.1f} GB are free"
        )
