"""Architectures, one file each; a file's `Preset` values are found by the registry."""
