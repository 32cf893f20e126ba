"""Bodies in space, cast by rays."""
