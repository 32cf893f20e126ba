"""Memory settings for training on a CPU.

Training allocates and frees arrays of tens of megabytes many times a step.  By default the C
library maps each anew, and the kernel clears it page by page: a third of the time of a step.
"""

from __future__ import annotations

import ctypes
import os
import sys

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
"""Parameters of ``mallopt`` (malloc.h of the GNU C library)."""

PAD_BYTES = 2**28
"""Bytes by which the heap grows at a time."""


def keep_large_arrays() -> bool:
    """Let freed memory stay with the process, in huge pages where the kernel offers them.

    Call it before torch allocates anything.  Settings that the user made in the environment stay.

    Returns:
        Whether anything was set; elsewhere than on Linux with the GNU C library, nothing is.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # read by torch at its first allocation
    settings = {MMAP_MAX: 0, TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: PAD_BYTES}
    return all(mallopt(parameter, value) for parameter, value in settings.items())
