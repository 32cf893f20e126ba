"""Editing with tracks: stabilise a video, attach pictures to it, carry changes through it."""

from motes.edit.attachment import Look, attach
from motes.edit.blurring import blur
from motes.edit.content import text
from motes.edit.filters import hampel, jumps, one_euro, resample, velocity
from motes.edit.fits import Fit, MotionPath, fit_motion, fit_path
from motes.edit.painting import paint
from motes.edit.selection import choose_points, merge_anchors
from motes.edit.stabilisation import Stabilisation, stabilise
from motes.edit.surface import Surface

__all__ = [
    "Fit",
    "Look",
    "MotionPath",
    "Stabilisation",
    "Surface",
    "attach",
    "blur",
    "choose_points",
    "fit_motion",
    "fit_path",
    "hampel",
    "jumps",
    "merge_anchors",
    "one_euro",
    "paint",
    "resample",
    "stabilise",
    "text",
    "velocity",
]
