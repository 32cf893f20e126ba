"""Clips with known tracks: data sets on disk, the synthetic engine, and augmentation."""

from motes.data.dataset import Clip, Collection, Dataset, datasets, load

__all__ = ["Clip", "Collection", "Dataset", "datasets", "load"]
