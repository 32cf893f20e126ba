"""Synthetic clips with perfect ground truth, made on the fly."""

from motes.synthetic.config import SyntheticConfig
from motes.synthetic.engine import SyntheticClips, clip_seed, synthesize
from motes.synthetic.textures import Textures

__all__ = ["SyntheticClips", "SyntheticConfig", "Textures", "clip_seed", "synthesize"]
