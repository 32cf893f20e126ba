"""Memory settings for training on a CPU.

Training allocates and frees arrays of tens of megabytes many times per step.  By default the C
library maps each of them again, and the kernel clears every page: a third of the time of a step.
"""

from __future__ import annotations

import ctypes
import os
import sys

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
"""Parameters of ``mallopt`` (malloc.h of the GNU C library)."""

PAD_BYTES = 2**28
"""Step by which the heap grows, in bytes."""


def keep_large_arrays() -> bool:
    """Keep freed memory in the process, in huge pages where the kernel supports them.

    Call it before torch allocates memory.  Settings of the user in the environment have priority.

    Returns:
        Whether anything was set; it is only on Linux with the GNU C library.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # read by torch at its first allocation
    settings = {MMAP_MAX: 0, TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: PAD_BYTES}
    return all(mallopt(parameter, value) for parameter, value in settings.items())
