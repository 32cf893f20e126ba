"""Measure trackers: metrics, protocols and the benchmark that runs them."""
