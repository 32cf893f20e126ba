"""Editing with tracks: stabilise a video, attach pictures to it, carry changes through it."""

from motes.edit.fits import Fit, MotionPath, fit_motion, fit_path
from motes.edit.stabilise import Stabilisation, stabilise

__all__ = ["Fit", "MotionPath", "Stabilisation", "fit_motion", "fit_path", "stabilise"]
