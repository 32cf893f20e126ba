"""Structure from motion: from tracks to cameras and a sparse cloud of points (extra ``sfm``)."""

from motes.sfm.pipeline import reconstruct
from motes.sfm.reconstruction import Reconstruction
from motes.sfm.solver import solve

__all__ = ["Reconstruction", "reconstruct", "solve"]
