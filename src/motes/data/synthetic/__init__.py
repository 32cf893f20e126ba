"""Synthetic clips with perfect ground truth, made on the fly."""

from motes.data.synthetic.config import SyntheticConfig
from motes.data.synthetic.engine import SyntheticClips, clip_seed, synthesize
from motes.data.synthetic.textures import Textures

__all__ = ["SyntheticClips", "SyntheticConfig", "Textures", "clip_seed", "synthesize"]
