"""One thread a process: `make test` runs as many processes as there are cores."""

import os

for variable in ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
    os.environ.setdefault(variable, "1")
