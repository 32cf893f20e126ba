"""Fuzz tests that take a few seconds and try the same inputs in every run."""

from hypothesis import HealthCheck, settings


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
