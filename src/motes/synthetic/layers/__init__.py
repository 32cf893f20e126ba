"""Scenes of flat layers that occlude each other."""
