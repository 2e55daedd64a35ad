"""Emotions: what there are (taxonomies), what is wanted (targets), how probable each is in an image."""

from muse.emotions.targets import MIKELS, Target, Taxonomy

__all__ = ["MIKELS", "Target", "Taxonomy"]
