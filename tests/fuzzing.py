"""Fuzz tests that take a few seconds and try the same inputs in every run."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

CHANGES = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from("scdi"), st.integers(0, 255)),
    min_size=1,
    max_size=4,
)
"""Changes of a file: where (as a share of its length), what (see `apply`), and a byte."""


def apply(changes, content: bytes) -> bytes:
    """The content with bytes set, cut off, deleted or inserted."""
    data = bytearray(content)
    for share, kind, value in changes:
        at = int(share * len(data))
        if kind == "c":
            del data[at:]
        elif kind == "i":
            data[at:at] = bytes([value])
        elif kind == "d":
            del data[at : at + 1 + value % 8]
        else:
            data[at : at + 1] = bytes([value])
    return bytes(data)


def bounded(examples: int) -> settings:
    """Hypothesis settings with a fixed number of inputs, the same in every run."""
    slow = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=slow,
    )
