"""Flat layers that slide over each other."""
