"""One thread a process: `make test` runs as many processes as there are cores."""

import os

for variable in ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
    os.environ.setdefault(variable, "1")

try:
    from hypothesis import HealthCheck, settings
except ImportError:
    pass
else:  # a busy machine is no failure, and every run tries the same inputs
    settings.register_profile(
        "motes", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("motes")
