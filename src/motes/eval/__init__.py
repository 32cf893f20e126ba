"""Evaluation of trackers: metrics, protocols and benchmarks."""
